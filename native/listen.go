// Package native is UDP on a real operating system: sockets as transports for package server, and a
// [Client] that asks such servers.
//
// Three lines serve a handler until ctx ends:
//
//	err := native.ListenAndServe(ctx, "127.0.0.1:1060", reply.Length{})
//
// With more to decide, [Listen] gives the transports and [server.Server] serves them.
//
// # Wildcard addresses
//
// A server on a wildcard address answers from the address that it was asked at, as RFC 1122 (section
// 4.1.3.5) wants it: a client takes an answer from nobody else. The kernel tells that address on Linux,
// macOS, iOS, Windows, FreeBSD, NetBSD, OpenBSD and DragonFly. On other systems a wildcard address is
// served all the same, but a Message's To is the wildcard and replies leave from whichever address the
// kernel chooses: on a host with several addresses, listen on each of them there.
package native

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"time"

	"github.com/retort-udp/retort/core"
)

// Options says how Listen opens sockets. The zero value is a good default.
type Options struct {
	// ReadBuffer is the room in bytes that the kernel keeps for the datagrams of each socket that
	// wait to be received; it loses those that find it full. 0 is DefaultReadBuffer, or what the
	// system grants of it. A system may grant less than is asked for: Inspect tells, and Log is told.
	ReadBuffer int

	// WriteBuffer is the same for replies that wait to be sent. 0 is the system's default, raised where
	// that does not hold one largest datagram.
	WriteBuffer int

	// Workers is how many sockets share each address, for a worker each. The kernel spreads peers over
	// them, and keeps each peer on one. 0 is one for each processor that Go uses on Linux, and 1 on
	// other systems, which cannot spread them: more is an error there.
	Workers int

	// BusyPoll is how long a Conn looks again and again for a datagram before it sleeps until one comes:
	// some tens of microseconds take as much from the latency of a lone request, and cost a processor.
	// It gives that up for a while when there are no datagrams. 0 is not at all; Linux only.
	BusyPoll time.Duration

	// GSO has the kernel cut and join datagrams. Linux only.
	GSO GSO

	// Portable has Linux use the transport of the other systems, one datagram a system call, so that
	// the two can be compared. It has neither BusyPoll nor GSO.
	Portable bool

	// Log is told, once for each Conn at most, what an operator should know about the sockets: what the
	// system did not grant, which feature turned out not to work, that peers refuse replies. Nil is
	// silence.
	Log *slog.Logger
}

// GSO says whether the kernel cuts runs of equal replies to one peer into datagrams as it sends them, and
// joins such runs as it receives them: UDP_SEGMENT and UDP_GRO of udp(7). That is much faster for bursts,
// and some kernels corrupt them without a word, which cannot be detected.
type GSO int

// The settings of GSO.
const (
	GSOOff  GSO = iota // the default
	GSOAuto            // on loopback addresses, if the kernel can
	GSOOn              // everywhere; an error if the kernel cannot
)

const (
	maxWorkers  = 1024                  // more are asked for by mistake
	maxBusyPoll = 10 * time.Millisecond // a processor does nothing else for so long
)

// maxBuffer is the largest buffer that may be asked for. Kernels count in a signed 32-bit number, and
// Linux doubles it.
const maxBuffer = 1<<30 - 1

// check fills in the number of workers and returns what is wrong with o.
func (o *Options) check() error {
	if o.Workers == 0 {
		o.Workers = defaultWorkers()
	}
	switch {
	case o.Workers < 0 || o.Workers > maxWorkers:
		return fmt.Errorf("%d workers are out of range 1 to %d", o.Workers, maxWorkers)
	case o.Workers > 1 && !balances:
		return fmt.Errorf("%d workers: %s cannot spread the peers of one address over several sockets; use 1",
			o.Workers, runtime.GOOS)
	case o.BusyPoll < 0 || o.BusyPoll > maxBusyPoll:
		return fmt.Errorf("busy polling for %v is out of range 0 to %v", o.BusyPoll, maxBusyPoll)
	case o.BusyPoll > 0 && (!batches || o.Portable):
		return errors.New("busy polling needs the transport of Linux")
	case o.GSO != GSOOff && (!batches || o.Portable):
		return errors.New("GSO needs the transport of Linux")
	}
	for _, b := range []struct {
		name string
		size int
	}{{"read", o.ReadBuffer}, {"write", o.WriteBuffer}} {
		if b.size < 0 || b.size > maxBuffer {
			return fmt.Errorf("a %s buffer of %d bytes is out of range 0 to %d", b.name, b.size, maxBuffer)
		}
	}
	return nil
}

// Listen opens UDP sockets on addr, a "host:port". Its Conns are for one worker each.
//
// The host may be an IP address, in brackets for IPv6 and with a zone for link-local ones
// ("[fe80::1%eth0]:1060"), or a name, of whose addresses the first IPv4 one is taken, or else the first
// IPv6 one. "0.0.0.0" is every IPv4 address of the host; "" and "[::]" are every address of both families,
// for which most systems need two sockets, and so two Conns.
//
// A reply that is larger than a link on the way takes goes in fragments. Over IPv6, where a router cuts nothing, the first
// such reply on a path is lost, and the kernel cuts those that follow once the router has complained: payloads of up to
// 1,232 bytes need none of that (RFC 8200, section 5).
//
// The port is a number from 0, which has the system choose one, to 65535, or a service's name. An error
// is a syscall.EADDRINUSE, where the system has that, when somebody else listens there.
func Listen(addr string, o Options) ([]core.Conn, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("listen on %q: %w", addr, err)
	}
	ctx := context.Background()
	host, port, err := splitAddress(ctx, addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %q: %w", addr, err)
	}
	if host == "" || host == "::" {
		return listenBoth(port, o)
	}
	ip, err := resolveHost(ctx, host)
	if err != nil {
		return nil, fmt.Errorf("listen on %q: %w", addr, err)
	}
	return open(networkOf(ip), netip.AddrPortFrom(ip, port), o)
}

// ListenAll is Listen for several addresses: it opens all of them, or none and returns an error.
func ListenAll(addrs []string, o Options) ([]core.Conn, error) {
	var all []core.Conn
	for _, addr := range addrs {
		conns, err := Listen(addr, o)
		if err != nil {
			return nil, errors.Join(err, closeAll(all))
		}
		all = append(all, conns...)
	}
	return all, nil
}

func closeAll(conns []core.Conn) error {
	var all error
	for _, c := range conns {
		all = errors.Join(all, c.Close())
	}
	return all
}

// listenBoth listens on every address of both families. Where a socket of both families can tell the
// address that an IPv4 datagram was sent to, or nothing can, it opens one of those.
func listenBoth(port uint16, o Options) ([]core.Conn, error) {
	if oneSocketForBoth {
		return open("udp", netip.AddrPortFrom(netip.IPv6Unspecified(), port), o)
	}
	return listenSplit(port, o)
}

// attempts bounds the search for a port that is free in both families.
const attempts = 16

// listenSplit opens a socket for each family, on the same port. A host that lacks one of the families
// gets the other.
func listenSplit(port uint16, o Options) ([]core.Conn, error) {
	for attempt := 1; ; attempt++ {
		four, err4 := open("udp4", netip.AddrPortFrom(netip.IPv4Unspecified(), port), o)
		if err4 != nil && !lacksFamily(err4) {
			return nil, err4
		}
		chosen := port
		if err4 == nil {
			chosen = four[0].LocalAddr().Port()
		}
		six, err6 := open("udp6", netip.AddrPortFrom(netip.IPv6Unspecified(), chosen), o)
		switch {
		case err4 == nil && err6 == nil:
			return append(four, six...), nil
		case err6 == nil:
			return six, nil
		case err4 != nil:
			return nil, errors.Join(err4, err6)
		case lacksFamily(err6):
			return four, nil
		}
		err := errors.Join(err6, closeAll(four))
		if port != 0 || !isInUse(err6) || attempt == attempts {
			return nil, err
		}
	}
}

// open opens the sockets of an address, in one of the networks "udp4", "udp6" and, for both families at
// once, "udp". The first is bound as if it were the only one, so that a second server on the port is
// refused, and lets itself be joined only then.
func open(network string, at netip.AddrPort, o Options) (conns []core.Conn, err error) {
	first, told, err := openSocket(network, at, o, false)
	if err != nil {
		return nil, err
	}
	sockets := []*net.UDPConn{first}
	defer func() {
		if err != nil {
			err = errors.Join(err, closeAll(conns))
			for _, s := range sockets[len(conns):] {
				err = errors.Join(err, s.Close())
			}
			conns = nil
		}
	}()
	local := localAddr(first)
	if o.Workers > 1 {
		if err := withDescriptor(first, share); err != nil {
			return nil, fmt.Errorf("listen on %v: %w", local, err)
		}
	}
	for len(sockets) < o.Workers {
		next, _, err := openSocket(network, netip.AddrPortFrom(at.Addr(), local.Port()), o, true)
		if err != nil {
			return nil, err
		}
		sockets = append(sockets, next)
	}
	for i, s := range sockets {
		b := setBuffers(s, o)
		if i == 0 {
			warnOfBuffers(local, b, o)
		}
		c, err := newConn(s, local, told, i > 0, b, o)
		if err != nil {
			return conns, fmt.Errorf("listen on %v: %w", local, err)
		}
		conns = append(conns, c)
	}
	return conns, nil
}

// openSocket opens one socket. Shared says that it joins another at its address. Told says that the kernel
// will tell the address that each datagram is sent to.
func openSocket(network string, at netip.AddrPort, o Options, shared bool) (_ *net.UDPConn, told bool, err error) {
	wildcard := at.Addr().IsUnspecified()
	address := at.String()
	if network == "udp" {
		address = fmt.Sprintf(":%d", at.Port()) // net takes "[::]" for IPv6, whether the host has it or not
	}
	config := net.ListenConfig{Control: control(wildcard, shared, &told)}
	packets, err := config.ListenPacket(context.Background(), network, address)
	if err != nil {
		return nil, false, listenError(at, err)
	}
	return packets.(*net.UDPConn), told, nil
}

// listenError says what failed and what to do about it.
func listenError(at netip.AddrPort, err error) error {
	err = bare(err)
	advice := ""
	switch {
	case isInUse(err):
		err = asInUse(err)
		advice = ": another program has the port; end that one or choose another port"
	case isForbidden(err) && at.Port() < 1024:
		advice = ": ports below 1024 are for privileged users; choose a higher one"
	case isNoLocalAddr(err):
		advice = ": no interface of this host has that address"
	}
	return fmt.Errorf("listen on %v: %w%s", at, err, advice)
}

// localAddr returns the address that c is bound to, with IPv4 as such and IPv6 with its zone.
func localAddr(c *net.UDPConn) netip.AddrPort {
	a := c.LocalAddr().(*net.UDPAddr).AddrPort()
	return unmapped(a)
}

// unmapped returns a with an IPv4-mapped IPv6 address as IPv4.
func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
