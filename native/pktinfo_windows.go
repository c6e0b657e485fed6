package native

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/windows"
)

// oneSocketForBoth is false: package net does not let a socket of both families send to broadcast
// addresses.
const oneSocketForBoth = false

// truncationFlags are the flags of a received message of which a part is missing.
const truncationFlags = windows.MSG_TRUNC | windows.MSG_CTRUNC

const (
	sizeofPktinfo4 = int(unsafe.Sizeof(windows.IN_PKTINFO{}))
	sizeofPktinfo6 = int(unsafe.Sizeof(windows.IN6_PKTINFO{}))
)

// enablePktinfo has the kernel tell the address that each datagram is sent to.
func enablePktinfo(fd uintptr, six bool) error {
	if six {
		return windows.SetsockoptInt(windows.Handle(fd), windows.IPPROTO_IPV6, windows.IPV6_PKTINFO, 1)
	}
	return windows.SetsockoptInt(windows.Handle(fd), windows.IPPROTO_IP, windows.IP_PKTINFO, 1)
}

// parsePktinfo reads what the kernel says: the address in the header and the interface's index, for both
// families (IN_PKTINFO, IN6_PKTINFO).
func parsePktinfo(control []byte) (p pktinfo) {
	for {
		level, kind, data, rest, ok := nextControl(control)
		switch {
		case !ok:
			return p
		case level == windows.IPPROTO_IP && kind == windows.IP_PKTINFO && len(data) >= sizeofPktinfo4:
			p.to = netip.AddrFrom4([4]byte(data))
			p.index = binary.NativeEndian.Uint32(data[4:])
			return p
		case level == windows.IPPROTO_IPV6 && kind == windows.IPV6_PKTINFO && len(data) >= sizeofPktinfo6:
			p.to = netip.AddrFrom16([16]byte(data)).Unmap()
			p.index = binary.NativeEndian.Uint32(data[16:])
			return p
		}
		control = rest
	}
}

// appendPktinfo appends what makes the kernel send from ip, over the interface with that index when it is
// not 0.
func appendPktinfo(control []byte, ip netip.Addr, index uint32) []byte {
	if ip.Is4() {
		control, data := appendControl(control, windows.IPPROTO_IP, windows.IP_PKTINFO, sizeofPktinfo4)
		*(*[4]byte)(data) = ip.As4()
		binary.NativeEndian.PutUint32(data[4:], index)
		return control
	}
	control, data := appendControl(control, windows.IPPROTO_IPV6, windows.IPV6_PKTINFO, sizeofPktinfo6)
	*(*[16]byte)(data) = ip.As16()
	binary.NativeEndian.PutUint32(data[16:], index)
	return control
}
