package native

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"
)

// forget takes back what a socket's last owner may have asked for and its next one does not want. Replies that are cut
// are asked for again where they are wanted. A queue of errors (IP_RECVERR of ip(7)) that nobody reads would rouse who
// waits for datagrams for ever. That datagrams are joined stays: the last owner may serve the socket still, and some may
// wait that are (offload.stopJoining).
func forget(fd uintptr) error {
	for _, option := range []struct{ level, name int }{
		{unix.IPPROTO_UDP, unix.UDP_SEGMENT},
		{unix.IPPROTO_IP, unix.IP_RECVERR},
		{unix.IPPROTO_IPV6, unix.IPV6_RECVERR},
	} {
		err := unix.SetsockoptInt(int(fd), option.level, option.name, 0)
		// This kernel neither joins nor cuts, or it is a socket for IPv4.
		if err != nil && !errors.Is(err, unix.ENOPROTOOPT) {
			return err
		}
	}
	return nil
}

// unjoined has a Conn that knows of no joined datagrams get none. Of those that wait, if its socket's last owner had
// them joined, nobody can tell any more.
func unjoined(fd uintptr) error {
	err := unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_GRO, 0)
	if errors.Is(err, unix.ENOPROTOOPT) { // this kernel joins none
		return nil
	}
	return err
}

// memoryInfo is what SO_MEMINFO tells (linux/sock_diag.h); drops are the last of it.
type memoryInfo [9]uint32

// droppedBefore returns how many datagrams the kernel has dropped of a socket so far: those that were lost while
// another process had it are not this one's to count. 0 is also that it is not told.
func droppedBefore(fd int) uint32 {
	var info memoryInfo
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return 0
	}
	return info[len(info)-1]
}
