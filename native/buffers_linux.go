package native

import "golang.org/x/sys/unix"

// bufferKind is one of the two buffers.
type bufferKind struct {
	size  int // the option that is its size
	force int // the option that sets it beyond the limit, for those who may (CAP_NET_ADMIN)
}

var (
	readBuffer  = bufferKind{unix.SO_RCVBUF, unix.SO_RCVBUFFORCE}
	writeBuffer = bufferKind{unix.SO_SNDBUF, unix.SO_SNDBUFFORCE}
)

const (
	readBufferLimit  = "net.core.rmem_max"
	writeBufferLimit = "net.core.wmem_max"
)

// askForBuffer asks for a buffer of that size. What is beyond the limit is clipped without an error.
func askForBuffer(fd uintptr, kind bufferKind, size int) error {
	if err := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, kind.size, size); err != nil {
		return err
	}
	if grantedBuffer(fd, kind) < size {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, kind.force, size) // fails for most users
	}
	return nil
}

// grantedBuffer returns the size that a buffer has, 0 when that is not told. Linux doubles what it is asked for,
// to allow for its bookkeeping, and says so: socket(7).
func grantedBuffer(fd uintptr, kind bufferKind) int {
	size, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, kind.size)
	if err != nil {
		return 0
	}
	return size / 2
}
