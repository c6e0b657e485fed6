package native

// How a socket of Linux is waited on.
//
// It could be left to Go's poller, which has all sockets of the process in one epoll(7). But then somebody waits
// on the socket all the time: the kernel wakes him for each datagram that comes in and for each reply that has
// left, under load, when nobody needs to be told. Without him a server answers 5% more with 256 requests
// outstanding, and a lone request is answered no later. So the socket is taken from the poller, and a worker
// that finds nothing waits in ppoll(2), for the socket and for an eventfd(2) with which others end that. It
// keeps a thread of the system, which a worker has anyway while it works.
//
// A thread that blocks in recvmmsg(2) itself is no faster (0.98 of that, as far as can be measured, and no sooner
// with a lone request), and could only be roused through the socket, which a successor may share by then.

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/retort-udp/retort/core"
)

// handle is a non-blocking socket that Go's poller does not know.
type handle struct {
	fd   int // of the socket
	wake int // an eventfd that can be read from once nobody is to wait for datagrams any more

	interrupted atomic.Bool
	closed      atomic.Bool
	using       sync.RWMutex // of the descriptors: closing them is for who holds it alone
	waiting     [2]unix.PollFd
	leaving     [1]unix.PollFd
	fruitless   int // waits for room that there was none after, one behind the other
}

const (
	// roomPatience is how long a worker waits for room in the send queue before it looks whether the socket has
	// been closed.
	roomPatience = 50 * time.Millisecond

	// lastWaits is how many fruitless waits there are before a worker that is to end gives up.
	lastWaits = int(lastPatience / roomPatience)
)

// takeOver makes h the owner of conn's socket, and closes conn.
func (h *handle) takeOver(conn *net.UDPConn) error {
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return err
	}
	err = withDescriptor(conn, func(fd uintptr) (err error) {
		h.fd, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return errors.Join(err, unix.Close(wake))
	}
	h.wake = wake
	h.waiting = [2]unix.PollFd{{Fd: int32(h.fd), Events: unix.POLLIN}, {Fd: int32(wake), Events: unix.POLLIN}}
	h.leaving = [1]unix.PollFd{{Fd: int32(h.fd), Events: unix.POLLOUT}}
	return conn.Close()
}

// begin keeps the descriptors open until end. It returns net.ErrClosed when they are not.
func (h *handle) begin() error {
	h.using.RLock()
	if h.closed.Load() {
		h.using.RUnlock()
		return net.ErrClosed
	}
	return nil
}

func (h *handle) end() { h.using.RUnlock() }

// over returns why nothing more is to be received, if that is so.
func (h *handle) over() error {
	switch {
	case h.closed.Load():
		return net.ErrClosed
	case h.interrupted.Load():
		return core.ErrInterrupted
	}
	return nil
}

// awaitDatagrams waits until something can be received, or nothing is to be any more; or until a time, unless that is
// the zero one. It says whether that has come, with nothing else.
func (h *handle) awaitDatagrams(until time.Time) (inVain bool) {
	var wait *unix.Timespec // for ever
	if !until.IsZero() {
		left := unix.NsecToTimespec(max(int64(time.Until(until)), 0))
		wait = &left
	}
	n, err := unix.Ppoll(h.waiting[:], wait, nil) // after an error the next look at the socket tells more
	return n == 0 && err == nil
}

// awaitRoom waits until something can be sent. It returns net.ErrClosed when that is never again, and
// core.ErrInterrupted when nothing has left for so long that who is to end should not wait for it.
func (h *handle) awaitRoom() error {
	wait := unix.NsecToTimespec(int64(roomPatience))
	if h.closed.Load() || h.hasWaited() {
		wait = unix.Timespec{} // a look is enough, for each of those that are left
	}
	n, err := unix.Ppoll(h.leaving[:], &wait, nil)
	switch {
	case n > 0:
		h.fruitless = 0
	case err == nil:
		h.fruitless++
	}
	switch {
	case h.closed.Load():
		return net.ErrClosed
	case h.hasWaited():
		return core.ErrInterrupted
	}
	return nil
}

// hasWaited says whether a worker that is to end has waited for room for long enough.
func (h *handle) hasWaited() bool { return h.fruitless >= lastWaits && h.interrupted.Load() }

// Interrupt implements core.Conn.
func (h *handle) Interrupt() {
	if h.begin() != nil {
		return
	}
	defer h.end()
	h.interrupted.Store(true)
	h.rouse()
}

// rouse ends the wait for datagrams, now and for ever: nobody reads from the eventfd.
func (h *handle) rouse() { _, _ = unix.Write(h.wake, []byte{7: 1}) }

// Close implements core.Conn.
func (h *handle) Close() error {
	if h.closed.Swap(true) {
		return net.ErrClosed
	}
	h.rouse()
	h.using.Lock()
	defer h.using.Unlock()
	return errors.Join(unix.Close(h.fd), unix.Close(h.wake))
}

// withDescriptor calls f with the socket's descriptor.
func (h *handle) withDescriptor(f func(fd uintptr) error) error {
	if err := h.begin(); err != nil {
		return err
	}
	defer h.end()
	return f(uintptr(h.fd))
}
