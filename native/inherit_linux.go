package native

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"
)

// forget takes back what a socket's last owner may have asked for and its next one may not want: datagrams that are
// joined. Adopt asks for it again where it is wanted.
func forget(fd uintptr) error {
	err := unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_GRO, 0)
	if errors.Is(err, unix.ENOPROTOOPT) {
		return nil // this kernel joins none
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
