package cookie

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// sipKey is a secret as SipHash uses it.
type sipKey struct{ k0, k1 uint64 }

func newSipKey(k Key) sipKey {
	return sipKey{binary.LittleEndian.Uint64(k[:]), binary.LittleEndian.Uint64(k[8:])}
}

// tag is the keyed hash of a cookie: of when it was made, and of the peer. An IPv6 zone does not count.
func (k sipKey) tag(made uint32, peer netip.AddrPort) uint64 {
	var b [24]byte // two of them stay zero: SipHash likes multiples of 8
	binary.BigEndian.PutUint32(b[:], made)
	binary.BigEndian.PutUint16(b[4:], peer.Port())
	address := peer.Addr().As16()
	copy(b[8:], address[:])
	return k.sum(b[:])
}

// sum is SipHash-2-4 of b: two rounds for each 8 bytes and four at the end (Aumasson and Bernstein, "SipHash: a fast
// short-input PRF", 2012, section 2).
func (k sipKey) sum(b []byte) uint64 {
	s := sipState{
		k.k0 ^ 0x736f6d6570736575,
		k.k1 ^ 0x646f72616e646f6d,
		k.k0 ^ 0x6c7967656e657261,
		k.k1 ^ 0x7465646279746573,
	}
	last := uint64(len(b)) << 56
	for ; len(b) >= 8; b = b[8:] {
		s.add(binary.LittleEndian.Uint64(b))
	}
	for i, c := range b {
		last |= uint64(c) << (8 * i)
	}
	s.add(last)
	s.v2 ^= 0xff
	for range 4 {
		s.round()
	}
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3
}

type sipState struct{ v0, v1, v2, v3 uint64 }

func (s *sipState) add(m uint64) {
	s.v3 ^= m
	s.round()
	s.round()
	s.v0 ^= m
}

func (s *sipState) round() {
	s.v0 += s.v1
	s.v1 = bits.RotateLeft64(s.v1, 13) ^ s.v0
	s.v0 = bits.RotateLeft64(s.v0, 32)
	s.v2 += s.v3
	s.v3 = bits.RotateLeft64(s.v3, 16) ^ s.v2
	s.v0 += s.v3
	s.v3 = bits.RotateLeft64(s.v3, 21) ^ s.v0
	s.v2 += s.v1
	s.v1 = bits.RotateLeft64(s.v1, 17) ^ s.v2
	s.v2 = bits.RotateLeft64(s.v2, 32)
}
