package native

import "golang.org/x/sys/windows"

// Options of ws2ipdef.h that golang.org/x/sys/windows does not have.
const (
	ipDontFragment   = 14
	ipv6DontFragment = 14
	ipMTU            = 73
	ipv6MTU          = 72
)

// forbidFragments turns path MTU discovery on, or sets the "don't fragment" bit where Windows is older
// than that option.
func forbidFragments(fd uintptr, six bool) error {
	s := windows.Handle(fd)
	if six {
		if windows.SetsockoptInt(s, windows.IPPROTO_IPV6, windows.IPV6_MTU_DISCOVER, windows.IP_PMTUDISC_DO) == nil {
			return nil
		}
		return windows.SetsockoptInt(s, windows.IPPROTO_IPV6, ipv6DontFragment, 1)
	}
	if windows.SetsockoptInt(s, windows.IPPROTO_IP, windows.IP_MTU_DISCOVER, windows.IP_PMTUDISC_DO) == nil {
		return nil
	}
	return windows.SetsockoptInt(s, windows.IPPROTO_IP, ipDontFragment, 1)
}

// pathMTU returns the path MTU of a connected socket, 0 where the system does not tell.
func pathMTU(fd uintptr, six bool) int {
	level, option := windows.IPPROTO_IP, ipMTU
	if six {
		level, option = windows.IPPROTO_IPV6, ipv6MTU
	}
	mtu, err := windows.GetsockoptInt(windows.Handle(fd), level, option)
	if err != nil {
		return 0
	}
	return mtu
}
