package native

// The kernel's buffers of a socket. A kernel grants what it likes of a size: Linux clips it without a word, BSDs
// refuse what is too large. What is missing is no reason not to serve, but one to tell.

import (
	"cmp"
	"log/slog"
	"net"
	"net/netip"

	"github.com/retort-udp/retort/core"
)

// DefaultReadBuffer is the read buffer in bytes that Listen asks for unless told otherwise, and takes what it
// gets of. Linux counts some 800 bytes for the shortest datagram, and its default of 208 KiB holds 256 of them:
// peers that have a thousand requests on their way lose some.
const DefaultReadBuffer = 4 << 20

// leastBuffer holds one datagram of the largest size and what a kernel counts on top of it. Some BSDs have less
// by default, and refuse to send a large datagram or lose it.
//
// More than that would be wrong for a write buffer. A worker that finds it full waits, and loses nothing; behind
// it there is the queue of the interface, and who finds that full loses replies.
const leastBuffer = 128 << 10

// Buffers are the sizes in bytes of the kernel's buffers of a socket; 0 is one that the system does not tell.
type Buffers struct{ Read, Write int }

// setBuffers asks for what o wants and returns what there is. On a socket that does not let itself be asked that is
// nothing known.
func setBuffers(c *net.UDPConn, o Options) (b Buffers) {
	_ = withDescriptor(c, func(fd uintptr) error {
		b.Read = setBuffer(fd, readBuffer, o.ReadBuffer, DefaultReadBuffer)
		b.Write = setBuffer(fd, writeBuffer, o.WriteBuffer, leastBuffer)
		return nil
	})
	return b
}

// setBuffer asks for a buffer of that size, or if it is 0 of at least usual bytes, and returns its size. Where a
// system refuses, it is asked for half of that, and so on.
func setBuffer(fd uintptr, kind bufferKind, size, usual int) int {
	has := grantedBuffer(fd, kind)
	if size == 0 && has >= usual {
		return has
	}
	for wish := cmp.Or(size, usual); wish > 0 && askForBuffer(fd, kind, wish) != nil; wish /= 2 {
		if wish/2 <= has {
			break // it has more already
		}
	}
	return grantedBuffer(fd, kind)
}

// warnOfBuffers logs which buffers are smaller than o asks for.
func warnOfBuffers(at netip.AddrPort, b Buffers, o Options) {
	if o.Log == nil {
		return
	}
	warn := func(what string, asked, granted int, limit string) {
		if granted < asked {
			o.Log.Warn("the system grants a smaller "+what+" buffer than was asked for", slog.Any("listener", at),
				slog.Int("asked", asked), slog.Int("granted", granted), slog.String("limit", limit))
		}
	}
	warn("read", o.ReadBuffer, b.Read, readBufferLimit)
	warn("write", o.WriteBuffer, b.Write, writeBufferLimit)
}

// SocketInfo is what a Conn of this package can tell about its socket.
type SocketInfo struct {
	Buffers Buffers

	// Cuts and Joins say whether the kernel cuts replies (UDP_SEGMENT) and joins requests (UDP_GRO).
	// Cuts ends when it turns out that the kernel cannot.
	Cuts, Joins bool

	// Resent is how many replies the kernel did not take together, so that they were sent one by one.
	Resent uint64
}

// Inspect returns what c can tell about its socket at this moment, from any goroutine. It returns ok false when c
// is no Conn of this package.
func Inspect(c core.Conn) (info SocketInfo, ok bool) {
	known, ok := c.(interface{ socketState() SocketInfo })
	if !ok {
		return SocketInfo{}, false
	}
	return known.socketState(), true
}
