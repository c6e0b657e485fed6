//go:build freebsd || netbsd || openbsd || dragonfly

package native

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// oneSocketForBoth is false: OpenBSD and DragonFly have no sockets for both families, and a reply to an
// IPv4 peer on one of the others' takes a control message that depends on the release.
const oneSocketForBoth = false

// truncationFlags are the flags of a received message of which a part is missing.
const truncationFlags = unix.MSG_TRUNC | unix.MSG_CTRUNC

// enablePktinfo has the kernel tell the address that each datagram is sent to: ip(4), ip6(4).
func enablePktinfo(fd uintptr, six bool) error {
	if six {
		return unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
	}
	return unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_RECVDSTADDR, 1)
}

// parsePktinfo reads what the kernel says: for IPv4 the address in the header alone, for IPv6 struct
// in6_pktinfo, which is the address and the interface's index.
func parsePktinfo(control []byte) (p pktinfo) {
	for {
		level, kind, data, rest, ok := nextControl(control)
		switch {
		case !ok:
			return p
		case level == unix.IPPROTO_IP && kind == unix.IP_RECVDSTADDR && len(data) >= 4:
			p.to = netip.AddrFrom4([4]byte(data))
			return p
		case level == unix.IPPROTO_IPV6 && kind == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			p.to = netip.AddrFrom16([16]byte(data)).Unmap()
			p.index = binary.NativeEndian.Uint32(data[16:])
			return p
		}
		control = rest
	}
}

// appendPktinfo appends what makes the kernel send from ip, over the interface with that index when it is
// not 0. IPv4's IP_SENDSRCADDR is the same number as IP_RECVDSTADDR on these systems, and knows no index.
func appendPktinfo(control []byte, ip netip.Addr, index uint32) []byte {
	if ip.Is4() {
		control, data := appendControl(control, unix.IPPROTO_IP, unix.IP_RECVDSTADDR, 4)
		*(*[4]byte)(data) = ip.As4()
		return control
	}
	control, data := appendControl(control, unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo)
	*(*[16]byte)(data) = ip.As16()
	binary.NativeEndian.PutUint32(data[16:], index)
	return control
}
