package native

import "golang.org/x/sys/unix"

const (
	bufferScale      = 2 // Linux doubles a size to allow for its bookkeeping, and says so: socket(7)
	forceReadBuffer  = unix.SO_RCVBUFFORCE
	forceWriteBuffer = unix.SO_SNDBUFFORCE
	readBufferLimit  = "net.core.rmem_max"
	writeBufferLimit = "net.core.wmem_max"
)
