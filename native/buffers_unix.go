//go:build unix && !linux

package native

import "golang.org/x/sys/unix"

// bufferKind is the option that is the size of a buffer.
type bufferKind int

const (
	readBuffer  bufferKind = unix.SO_RCVBUF
	writeBuffer bufferKind = unix.SO_SNDBUF

	readBufferLimit  = "the system's (kern.ipc.maxsockbuf where there is that)"
	writeBufferLimit = readBufferLimit
)

// askForBuffer asks for a buffer of that size. An error says that it is refused.
func askForBuffer(fd uintptr, kind bufferKind, size int) error {
	return unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, int(kind), size)
}

// grantedBuffer returns the size that a buffer has, 0 when that is not told.
func grantedBuffer(fd uintptr, kind bufferKind) int {
	size, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, int(kind))
	if err != nil {
		return 0
	}
	return size
}
