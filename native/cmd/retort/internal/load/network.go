package load

// What a worker needs of sockets: network_linux.go has the fast way, network_portable.go the one of every
// system.

import (
	"net"
	"net/netip"
	"time"
)

// network opens the sockets of one worker, which is the only goroutine that uses it and them.
type network interface {
	// open returns a socket with a local port of its own.
	open() (socket, error)

	// rest is called when nothing was to be done for the rounds-th time in a row. It returns when there
	// may be something, and after limit at the latest.
	rest(rounds int, limit time.Duration)

	// thread says that the worker spins, and wants a thread to itself.
	thread() bool
}

// socket talks to the target alone.
type socket interface {
	// send sends the requests that lie in packed, each of the run's size, n in all, and returns how many
	// it got rid of. It sends fewer when the system has no room for more just now, or with an error,
	// which is about the next request only.
	send(packed []byte, n int) (sent int, err error)

	// receive adds what has arrived to the inbox, at least most datagrams of it if so many are there.
	// An error is the network's answer to an earlier request.
	receive(in *inbox, most int) error

	// foreign returns how many datagrams came from others since it was last asked.
	foreign() uint64

	close()
}

// inbox is what a socket received.
type inbox struct{ messages []message }

// message is one datagram, or several of one size, of which the last may be shorter. It is valid until the
// socket receives again.
type message struct {
	data    []byte
	segment int   // the size; 0: it is one
	at      int64 // when it was received
}

// clock counts nanoseconds from some moment, always forward.
type clock struct{ base time.Time }

func newClock() clock { return clock{time.Now()} }

func (c clock) now() int64 { return int64(time.Since(c.base)) }

// shape is what networks know of a run.
type shape struct {
	target netip.AddrPort
	size   int // of a request
	most   int // of a reply that is wanted whole
	gso    bool
	buffer int // what the kernel should hold, in bytes
	clock  clock
}

// bind returns the local address for talking to the target without being connected to it.
func (s *shape) bind() *net.UDPAddr {
	switch ip := s.target.Addr(); {
	case ip.IsLoopback():
		return net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, 0))
	case ip.Is4():
		return &net.UDPAddr{IP: net.IPv4zero}
	}
	return &net.UDPAddr{IP: net.IPv6unspecified}
}
