//go:build darwin || freebsd

package native

import "golang.org/x/sys/unix"

// forbidFragments sets the "don't fragment" bit of IPv4, and keeps IPv6 from fragmenting here, where alone
// it does that (RFC 3542, section 11.2).
func forbidFragments(fd uintptr, six bool) error {
	if six {
		return unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_DONTFRAG, 1)
	}
	return unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_DONTFRAG, 1)
}

// pathMTU returns the path MTU of a connected socket (RFC 3542, section 11.4), 0 where the kernel does not
// tell, as for IPv4.
func pathMTU(fd uintptr, six bool) int {
	if !six {
		return 0
	}
	info, err := unix.GetsockoptIPv6MTUInfo(int(fd), unix.IPPROTO_IPV6, unix.IPV6_PATHMTU)
	if err != nil {
		return 0
	}
	return int(info.Mtu)
}
