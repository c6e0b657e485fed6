package guard

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
)

// keys make the hashes of one Guard its own, so that nobody can compute which addresses share a place.
type keys [4]uint64

// newKeys draws keys from seed; 0 is a random one.
func newKeys(seed uint64) (k keys) {
	draw := rand.Uint64
	if seed != 0 {
		draw = rand.NewPCG(seed, 0).Uint64
	}
	for i := range k {
		k[i] = draw()
	}
	return k
}

// fold multiplies to 128 bits and folds the halves together: each bit of a and b moves about half of
// the result. It is the step of Wang Yi's wyhash.
func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// end hashes one end of an exchange: an address and a port. Another hash goes into it. It leaves the zone out:
// the same link-local address and port on two links count as one peer.
func (k *keys) end(a uint128, port uint16, with uint64) uint64 {
	return fold(fold(a.hi^k[0], a.lo^k[1])^uint64(port)^k[2], with^k[3])
}

// number hashes an address.
func (k *keys) number(a uint128) uint64 { return fold(a.hi^k[2], a.lo^k[3]) }

// These are the bytes of a payload that are hashed: long ones differ early or late, or in their length, and
// hashing 64 KiB would cost more than the reply.
const (
	hashedFirst = 48
	hashedLast  = 16
)

// payload hashes the length of b and its first and last bytes. The low 16 bits are the length itself, so that
// most payloads can be told apart without hashing. It is never 0.
func (k *keys) payload(b []byte) uint64 {
	n := len(b)
	h := k[0] ^ uint64(n)
	var first, last uint64 // of the rest, which may overlap
	switch size := len(b); {
	case size >= hashedLast:
		end := b[size-hashedLast:]
		for b = b[:min(size-1, hashedFirst)]; len(b) >= 16; b = b[16:] {
			h = fold(h^binary.LittleEndian.Uint64(b), k[1]^binary.LittleEndian.Uint64(b[8:]))
		}
		first, last = binary.LittleEndian.Uint64(end), binary.LittleEndian.Uint64(end[8:])
	case size >= 8:
		first, last = binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[size-8:])
	case size >= 4:
		first, last = uint64(binary.LittleEndian.Uint32(b)), uint64(binary.LittleEndian.Uint32(b[size-4:]))
	case size > 0:
		first = uint64(b[0])<<16 | uint64(b[size/2])<<8 | uint64(b[size-1])
	}
	h = fold(h^first, k[2]^last)
	return (h|1<<16)&^0xffff | uint64(n)&0xffff
}

// sameLength says whether a payload of n bytes may have the hash h.
func sameLength(h uint64, n int) bool { return uint16(h) == uint16(n) }
