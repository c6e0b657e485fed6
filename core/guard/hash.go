package guard

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
)

// keys make the hashes of one Guard its own, so that nobody can compute which addresses share a place.
type keys [8]uint64

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

// hashedEnd is how many bytes of a payload are hashed at each end: long ones differ early or late, or in their
// length, and hashing 64 KiB would cost more than the reply.
const hashedEnd = 32

// payload hashes the length of b and its first and last bytes, which may overlap. The low 16 bits are the length
// itself, so that most payloads can be told apart without hashing. It is never 0.
func (k *keys) payload(b []byte) uint64 {
	n := len(b)
	var h uint64
	switch {
	case n > hashedEnd: // the folds do not wait for each other
		h = k.block(b, 0) ^ k.block(b[16:], 2) ^ k.block(b[n-32:], 4) ^ k.block(b[n-16:], 6)
	case n >= 16:
		h = k.block(b, 0) ^ k.block(b[n-16:], 2)
	case n >= 8:
		h = fold(binary.LittleEndian.Uint64(b)^k[0], binary.LittleEndian.Uint64(b[n-8:])^k[1])
	case n >= 4:
		h = fold(uint64(binary.LittleEndian.Uint32(b))^k[2], uint64(binary.LittleEndian.Uint32(b[n-4:]))^k[3])
	case n > 0:
		h = fold(uint64(b[0])<<16|uint64(b[n/2])<<8|uint64(b[n-1])^k[4], k[5])
	}
	return (h|1<<16)&^0xffff | uint64(n)&0xffff
}

// block hashes the first 16 bytes of b with two keys, of which i is the first.
func (k *keys) block(b []byte, i int) uint64 {
	return fold(binary.LittleEndian.Uint64(b)^k[i], binary.LittleEndian.Uint64(b[8:16])^k[i+1])
}

// sameLength says whether a payload of n bytes may have the hash h.
func sameLength(h uint64, n int) bool { return uint16(h) == uint16(n) }

// same says whether two payloads are equal as far as they are hashed.
func same(a, b []byte) bool {
	n := len(a)
	if n != len(b) {
		return false
	}
	if n <= 2*hashedEnd {
		return string(a) == string(b)
	}
	return string(a[:hashedEnd]) == string(b[:hashedEnd]) && string(a[n-hashedEnd:]) == string(b[n-hashedEnd:])
}
