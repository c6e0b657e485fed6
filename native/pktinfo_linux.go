package native

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// oneSocketForBoth says that one socket serves both families on a wildcard address: Linux tells the
// address that an IPv4 datagram was sent to on an IPv6 socket too.
const oneSocketForBoth = true

// truncationFlags are the flags of a received message of which a part is missing.
const truncationFlags = unix.MSG_TRUNC | unix.MSG_CTRUNC

// enablePktinfo has the kernel tell the address that each datagram is sent to: ip(7), ipv6(7). An IPv6
// socket asks for both kinds, since only IPv4's shows a broadcast address as such.
func enablePktinfo(fd uintptr, six bool) error {
	if six {
		if err := unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1); err != nil {
			return err
		}
	}
	return unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
}

// parsePktinfo reads what the kernel says. IPv4's struct in_pktinfo is the interface's index, ipi_spec_dst
// (the local address) and ipi_addr (that of the header); IPv6's struct in6_pktinfo is the address and the
// index. For an IPv4 datagram an IPv6 socket gets both.
func parsePktinfo(control []byte) (p pktinfo) {
	for {
		level, kind, data, rest, ok := nextControl(control)
		switch {
		case !ok:
			return p
		case level == unix.IPPROTO_IP && kind == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			p.index = binary.NativeEndian.Uint32(data)
			p.local = netip.AddrFrom4([4]byte(data[4:]))
			p.to = netip.AddrFrom4([4]byte(data[8:]))
			return p
		case level == unix.IPPROTO_IPV6 && kind == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			p.to = netip.AddrFrom16([16]byte(data)).Unmap()
			p.index = binary.NativeEndian.Uint32(data[16:])
		}
		control = rest
	}
}

// appendPktinfo appends what makes the kernel send from ip, over the interface with that index when it is
// not 0. For IPv4 the source is ipi_spec_dst, on IPv6 sockets too.
func appendPktinfo(control []byte, ip netip.Addr, index uint32) []byte {
	if ip.Is4() {
		control, data := appendControl(control, unix.IPPROTO_IP, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo)
		binary.NativeEndian.PutUint32(data, index)
		*(*[4]byte)(data[4:]) = ip.As4()
		return control
	}
	control, data := appendControl(control, unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo)
	*(*[16]byte)(data) = ip.As16()
	binary.NativeEndian.PutUint32(data[16:], index)
	return control
}
