package guard

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// uint128 is an address as a number. An IPv4 address is one in its mapped form, so that the same host has one
// number however it is written. Zones are left out.
type uint128 struct{ hi, lo uint64 }

func wide(addr netip.Addr) uint128 {
	if addr.Is4() {
		return wide4(addr)
	}
	return wide6(addr)
}

// wide4 is wide for an IPv4 address, where it is much faster than wide6.
func wide4(addr netip.Addr) uint128 {
	b := addr.As4()
	return uint128{0, mapped | uint64(binary.BigEndian.Uint32(b[:]))}
}

// wide6 is wide for any address.
func wide6(addr netip.Addr) uint128 {
	b := addr.As16()
	return uint128{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// mask returns a number with as many leading ones, from 0 to 128.
func mask(ones int) uint128 {
	return uint128{^(^uint64(0) >> min(ones, 64)), ^(^uint64(0) >> max(ones-64, 0))}
}

func (a uint128) and(b uint128) uint128 { return uint128{a.hi & b.hi, a.lo & b.lo} }

func (a uint128) less(b uint128) bool { return a.hi < b.hi || a.hi == b.hi && a.lo < b.lo }

// notLess returns 0 when a is less than b, and else 1.
func (a uint128) notLess(b uint128) int {
	_, borrow := bits.Sub64(a.lo, b.lo, 0)
	_, borrow = bits.Sub64(a.hi, b.hi, borrow)
	return int(1 - borrow)
}

// next returns a+1.
func (a uint128) next() (_ uint128, overflows bool) {
	lo := a.lo + 1
	if lo != 0 {
		return uint128{a.hi, lo}, false
	}
	return uint128{a.hi + 1, 0}, a.hi == ^uint64(0)
}

const mapped = 0xffff << 32 // what comes before an IPv4 address

func (a uint128) is4() bool { return a.hi == 0 && a.lo>>32 == mapped>>32 }

// isNobody is true for :: and for 0.0.0.0/8, which no host has (RFC 6890).
func (a uint128) isNobody() bool { return a.hi == 0 && (a.lo == 0 || a.lo>>24 == mapped>>24) }

func (a uint128) isMulticast() bool {
	if a.is4() {
		return uint32(a.lo)>>28 == 0xe // 224.0.0.0/4
	}
	return a.hi>>56 == 0xff // ff00::/8
}

// isOrdinary is true for the addresses of most hosts, and for none that is nobody's, or multicast.
func (a uint128) isOrdinary() bool {
	if a.hi != 0 {
		return a.hi>>56 != 0xff
	}
	return a.lo>>32 == mapped>>32 && uint32(a.lo)-1<<24 < 0xe0<<24-1<<24 || a.lo == 1
}

func (a uint128) isLoopback() bool {
	if a.is4() {
		return uint32(a.lo)>>24 == 127 // 127.0.0.0/8
	}
	return a.hi == 0 && a.lo == 1 // ::1
}
