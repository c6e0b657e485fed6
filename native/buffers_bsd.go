//go:build unix && !linux

package native

const (
	bufferScale      = 1
	forceReadBuffer  = 0
	forceWriteBuffer = 0
	readBufferLimit  = "the system's limit (kern.ipc.maxsockbuf where there is that)"
	writeBufferLimit = readBufferLimit
)
