package native

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// oneSocketForBoth is false: an IPv6 socket is not told the address that an IPv4 datagram was sent to
// (XNU, ip6_savecontrol).
const oneSocketForBoth = false

// truncationFlags are the flags of a received message of which a part is missing.
const truncationFlags = unix.MSG_TRUNC | unix.MSG_CTRUNC

// enablePktinfo has the kernel tell the address that each datagram is sent to.
func enablePktinfo(fd uintptr, six bool) error {
	if six {
		return unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
	}
	return unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_RECVPKTINFO, 1)
}

// parsePktinfo reads what the kernel says. IPv4's struct in_pktinfo is the interface's index, ipi_spec_dst,
// which is always zero here, and ipi_addr, the address in the header (XNU, ip_savecontrol); IPv6's struct
// in6_pktinfo is the address and the index.
func parsePktinfo(control []byte) (p pktinfo) {
	for {
		level, kind, data, rest, ok := nextControl(control)
		switch {
		case !ok:
			return p
		case level == unix.IPPROTO_IP && kind == unix.IP_RECVPKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			p.index = binary.NativeEndian.Uint32(data)
			p.to = netip.AddrFrom4([4]byte(data[8:]))
			return p
		case level == unix.IPPROTO_IPV6 && kind == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			p.to = netip.AddrFrom16([16]byte(data)).Unmap()
			p.index = binary.NativeEndian.Uint32(data[16:])
			return p
		}
		control = rest
	}
}

// appendPktinfo appends what makes the kernel send from ip. For IPv4 the source is ipi_spec_dst, and an
// index would make the kernel overlook it (XNU, udp_check_pktinfo).
func appendPktinfo(control []byte, ip netip.Addr, index uint32) []byte {
	if ip.Is4() {
		control, data := appendControl(control, unix.IPPROTO_IP, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo)
		*(*[4]byte)(data[4:]) = ip.As4()
		return control
	}
	control, data := appendControl(control, unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo)
	*(*[16]byte)(data) = ip.As16()
	binary.NativeEndian.PutUint32(data[16:], index)
	return control
}
