package native

// The fast transport of Linux: many datagrams for one system call.
//
// recvmmsg(2) and sendmmsg(2) are called raw, on a non-blocking socket. Raw means that Go's scheduler is not
// told, which is right for calls that never block: telling it costs some ten thousand context switches a second
// on one core, against some hundreds. When there is nothing to do, handle_linux.go waits.

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/retort-udp/retort/core"
)

// batchSize is how many datagrams are received, and replies sent, with one system call. With 1,024 requests
// outstanding (32 bytes, Linux 6.18) a reply took 5.9 µs of the processor one by one, 4.9 with 4 at a time, and
// between 4.6 and 4.8 with 16, 32, 64 and 128: the knee is at about 16, and the rest is for bursts.
const batchSize = 64

// batched is a core.Conn.
type batched struct {
	local netip.AddrPort
	log   *slog.Logger // nil: silence
	six   bool         // the socket's family is IPv6, which takes IPv4 addresses in their mapped form
	group bool         // local is a broadcast or multicast address itself
	told  bool         // the kernel tells the address that each datagram was sent to

	handle
	offload offload
	buffers Buffers
	destinations
	receiver
	sender
}

var _ core.Conn = (*batched)(nil)

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	header unix.Msghdr
	length uint32 // what was received or sent, as the kernel tells it
}

// What Options may ask for on Linux.
const (
	balances = true // several sockets can share an address
	batches  = true // there is this transport
)

func defaultWorkers() int { return runtime.GOMAXPROCS(0) }

// share lets other sockets of this user join the one at its address: SO_REUSEPORT of socket(7).
func share(fd uintptr) error {
	return unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
}

// newConn returns a Conn on a socket that is bound to local, which the Conn takes over unless there is an error.
// Told says that the socket was prepared by enablePktinfo; shared, that it joined another one.
func newConn(conn *net.UDPConn, local netip.AddrPort, told, shared bool, b Buffers, o Options) (core.Conn, error) {
	if err := withDescriptor(conn, letRoutersCut); err != nil {
		return nil, err
	}
	if o.Portable {
		if err := withDescriptor(conn, unjoined); err != nil {
			return nil, err
		}
		c := newPortable(newSocket(conn), local, told)
		c.shared, c.buffers, c.log = shared, b, o.Log
		return c, nil
	}
	c := &batched{local: local, log: o.Log, told: told, buffers: b}
	c.port = local.Port()
	c.group = c.isGroup(local.Addr())
	c.shared = shared
	if err := withDescriptor(conn, func(fd uintptr) error { return c.prepare(int(fd), o) }); err != nil {
		return nil, err
	}
	c.prepareReceiver(o.BusyPoll)
	c.prepareSender()
	return c, c.takeOver(conn)
}

// prepare asks the kernel for what the Conn needs.
func (c *batched) prepare(fd int, o Options) error {
	family, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return err
	}
	c.six = family == unix.AF_INET6
	c.dropped = droppedBefore(fd)
	// With each datagram the kernel tells how many it has dropped so far, once it has dropped one.
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1); err != nil {
		c.lacks("this kernel does not tell how many datagrams it drops: they are not counted", err)
	}
	if err := c.offload.prepare(fd, o.GSO, c.local.Addr()); err != nil {
		if o.GSO == GSOOn {
			return fmt.Errorf("this kernel has no GSO for UDP: %w; turn it off, or leave it to auto", err)
		}
		c.lacks("this kernel has no GSO for UDP: datagrams are sent and received one by one", err)
	}
	return nil
}

// warn logs what an operator should know about the socket. Each thing is said once for each Conn.
func (c *batched) warn(what string, err error) {
	if c.log != nil {
		c.log.Warn(what, "listener", c.local, "error", err)
	}
}

// lacks is warn for what the kernel has for no socket. The first Conn of an address says it for all.
func (c *batched) lacks(what string, err error) {
	if !c.shared {
		c.warn(what, err)
	}
}

// LocalAddr implements core.Conn.
func (c *batched) LocalAddr() netip.AddrPort { return c.local }

// socketState is what Inspect returns.
func (c *batched) socketState() SocketInfo {
	return SocketInfo{
		Buffers: c.buffers,
		Cuts:    c.offload.cuts.Load(),
		Joins:   c.offload.joins.Load(),
		Resent:  c.offload.resent.Load(),
	}
}

// mmsg makes one of the two system calls on messages.
func mmsg(call uintptr, fd int, messages []mmsghdr) (int, syscall.Errno) {
	for {
		n, _, errno := syscall.RawSyscall6(call, uintptr(fd), uintptr(unsafe.Pointer(&messages[0])), uintptr(len(messages)),
			unix.MSG_DONTWAIT, 0, 0)
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}

// socketError says what failed, as the portable Conn does.
func (c *batched) socketError(what string, err error) error {
	return fmt.Errorf("%s on %v: %w", what, c.local, bare(err))
}
