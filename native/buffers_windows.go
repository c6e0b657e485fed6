package native

import "golang.org/x/sys/windows"

// bufferKind is the option that is the size of a buffer.
type bufferKind int

const (
	readBuffer  bufferKind = windows.SO_RCVBUF
	writeBuffer bufferKind = windows.SO_SNDBUF

	readBufferLimit  = "the system's"
	writeBufferLimit = readBufferLimit
)

// askForBuffer asks for a buffer of that size. An error says that it is refused.
func askForBuffer(fd uintptr, kind bufferKind, size int) error {
	return windows.SetsockoptInt(windows.Handle(fd), windows.SOL_SOCKET, int(kind), size)
}

// grantedBuffer returns the size that a buffer has, 0 when that is not told.
func grantedBuffer(fd uintptr, kind bufferKind) int {
	size, err := windows.GetsockoptInt(windows.Handle(fd), windows.SOL_SOCKET, int(kind))
	if err != nil {
		return 0
	}
	return size
}
