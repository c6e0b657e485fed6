//go:build unix

package native

import (
	"errors"
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// leastBuffer holds one datagram of the largest size and what a kernel counts on top of it. Some BSDs
// have less by default, and refuse to send a large datagram or lose it.
const leastBuffer = 128 << 10

// setBuffers sets the sizes of the kernel's buffers.
func setBuffers(c *net.UDPConn, o Options) error {
	return withDescriptor(c, func(fd uintptr) error {
		return errors.Join(
			setBuffer(int(fd), buffer{"read", unix.SO_RCVBUF, forceReadBuffer, readBufferLimit}, o.ReadBuffer),
			setBuffer(int(fd), buffer{"write", unix.SO_SNDBUF, forceWriteBuffer, writeBufferLimit}, o.WriteBuffer),
		)
	})
}

// buffer is one of a socket's two buffers.
type buffer struct {
	name   string
	option int
	force  int    // Linux: the option that overrules limit, for those who may; else 0
	limit  string // the setting that bounds it
}

func setBuffer(fd int, b buffer, size int) error {
	if size == 0 {
		if has, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, b.option); err == nil && has < leastBuffer {
			// Should that fail, datagrams of common sizes pass all the same.
			_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, b.option, leastBuffer)
		}
		return nil
	}
	err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, b.option, size)
	granted := bufferGranted(fd, b)
	if err == nil && granted >= size {
		return nil
	}
	if b.force != 0 && unix.SetsockoptInt(fd, unix.SOL_SOCKET, b.force, size) == nil &&
		bufferGranted(fd, b) >= size {
		return nil
	}
	if err == nil {
		err = fmt.Errorf("it grants %d", granted)
	}
	return fmt.Errorf("the system refuses a %s buffer of %d bytes: %w; raise %s or ask for less",
		b.name, size, err, b.limit)
}

// bufferGranted returns the size that the buffer has.
func bufferGranted(fd int, b buffer) int {
	size, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, b.option)
	if err != nil {
		return 0
	}
	return size / bufferScale
}
