package native

import "golang.org/x/sys/unix"

// forbidFragments turns path MTU discovery on: ip(7), ipv6(7).
func forbidFragments(fd uintptr, six bool) error {
	if six {
		return unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_DO)
	}
	return unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DO)
}

// pathMTU returns the path MTU of a connected socket, 0 where the kernel does not tell.
func pathMTU(fd uintptr, six bool) int {
	level, option := unix.IPPROTO_IP, unix.IP_MTU
	if six {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_MTU
	}
	mtu, err := unix.GetsockoptInt(int(fd), level, option)
	if err != nil {
		return 0
	}
	return mtu
}
