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
	"net"
	"net/netip"

	"github.com/retort-udp/retort/core"
)

// Options says how Listen opens sockets. The zero value is a good default.
type Options struct {
	// ReadBuffer is the room in bytes that the kernel keeps for the datagrams of each socket that
	// wait to be received; it loses those that find it full. 0 is the system's default, raised where
	// that does not hold one largest datagram. A size that the system does not grant is an error.
	ReadBuffer int

	// WriteBuffer is the same for replies that wait to be sent.
	WriteBuffer int
}

// maxBuffer is the largest buffer that may be asked for. Kernels count in a signed 32-bit number, and
// Linux doubles it.
const maxBuffer = 1<<30 - 1

func (o *Options) check() error {
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
	return gather(open(networkOf(ip), netip.AddrPortFrom(ip, port), o))
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

// gather makes what open returns what Listen returns.
func gather(c *portable, err error) ([]core.Conn, error) {
	if err != nil {
		return nil, err
	}
	return []core.Conn{c}, nil
}

// listenBoth listens on every address of both families. Where a socket of both families can tell the
// address that an IPv4 datagram was sent to, or nothing can, it opens one of those.
func listenBoth(port uint16, o Options) ([]core.Conn, error) {
	if oneSocketForBoth {
		return gather(open("udp", netip.AddrPortFrom(netip.IPv6Unspecified(), port), o))
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
			chosen = four.LocalAddr().Port()
		}
		six, err6 := open("udp6", netip.AddrPortFrom(netip.IPv6Unspecified(), chosen), o)
		switch {
		case err4 == nil && err6 == nil:
			return []core.Conn{four, six}, nil
		case err6 == nil:
			return []core.Conn{six}, nil
		case err4 != nil:
			return nil, errors.Join(err4, err6)
		case lacksFamily(err6):
			return []core.Conn{four}, nil
		}
		err := errors.Join(err6, four.Close())
		if port != 0 || !isInUse(err6) || attempt == attempts {
			return nil, err
		}
	}
}

// open opens a socket of one of the networks "udp4", "udp6" and, for both families at once, "udp".
func open(network string, at netip.AddrPort, o Options) (*portable, error) {
	wildcard := at.Addr().IsUnspecified()
	address := at.String()
	if network == "udp" {
		address = fmt.Sprintf(":%d", at.Port()) // net takes "[::]" for IPv6, whether the host has it or not
	}
	var told bool
	config := net.ListenConfig{Control: control(wildcard, &told)}
	packets, err := config.ListenPacket(context.Background(), network, address)
	if err != nil {
		return nil, listenError(at, err)
	}
	c := packets.(*net.UDPConn)
	if err := setBuffers(c, o); err != nil {
		return nil, errors.Join(fmt.Errorf("listen on %v: %w", at, err), c.Close())
	}
	return newPortable(newSocket(c), localAddr(c), told), nil
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
