package looptest

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// forge sends a datagram of which it says that it comes from another address: it writes the headers of IP and UDP
// itself (RFC 791, RFC 8200, RFC 768). It skips the test where nobody may do that.
func forge(t testing.TB, from, to netip.AddrPort, data []byte) {
	t.Helper()
	var family int
	var packet []byte
	var at unix.Sockaddr
	if to.Addr().Is4() {
		family, packet, at = unix.AF_INET, packet4(from, to, data), &unix.SockaddrInet4{Addr: to.Addr().As4()}
	} else {
		family, packet, at = unix.AF_INET6, packet6(from, to, data), &unix.SockaddrInet6{Addr: to.Addr().As16()}
	}
	s, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		t.Skipf("this user may not have a raw socket, and nothing can be forged without one: %v", err)
	}
	defer unix.Close(s)
	if err := unix.Sendto(s, packet, 0, at); err != nil {
		t.Fatalf("forge a datagram from %v to %v: %v", from, to, err)
	}
}

// packet4 is an IPv4 packet. The kernel fills in its length, its identification and its checksum; UDP needs none.
func packet4(from, to netip.AddrPort, data []byte) []byte {
	source, destination := from.Addr().As4(), to.Addr().As4()
	p := make([]byte, 20)
	p[0], p[8], p[9] = 4<<4|5, 64, unix.IPPROTO_UDP
	copy(p[12:], source[:])
	copy(p[16:], destination[:])
	return append(p, udp(from, to, data)...)
}

func packet6(from, to netip.AddrPort, data []byte) []byte {
	source, destination := from.Addr().As16(), to.Addr().As16()
	payload := udp(from, to, data)
	p := make([]byte, 40)
	p[0], p[6], p[7] = 6<<4, unix.IPPROTO_UDP, 64
	binary.BigEndian.PutUint16(p[4:], uint16(len(payload)))
	copy(p[8:], source[:])
	copy(p[24:], destination[:])
	binary.BigEndian.PutUint16(payload[6:], checksum(source[:], destination[:], payload))
	return append(p, payload...)
}

func udp(from, to netip.AddrPort, data []byte) []byte {
	p := binary.BigEndian.AppendUint16(nil, from.Port())
	p = binary.BigEndian.AppendUint16(p, to.Port())
	p = binary.BigEndian.AppendUint16(p, uint16(8+len(data)))
	return append(append(p, 0, 0), data...)
}

// checksum is UDP's over IPv6, which has to be there (RFC 8200, section 8.1).
func checksum(source, destination, payload []byte) uint16 {
	sum := uint32(len(payload)) + unix.IPPROTO_UDP
	for _, part := range [][]byte{source, destination, payload} {
		for i, b := range part {
			sum += uint32(b) << (8 * (1 - i%2))
		}
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	if sum == 0xffff {
		return 0xffff // 0 would mean that there is none
	}
	return ^uint16(sum)
}
