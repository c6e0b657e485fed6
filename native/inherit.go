package native

// Sockets that go from one process to another: a service manager binds them, or a server hands them over to its
// successor. Both processes then have the same socket, with all that waits in it.

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"

	"github.com/retort-udp/retort/core"
)

// Inherited is a bound UDP socket that was inherited and is not served yet. What arrives waits in it.
type Inherited struct {
	conn  *net.UDPConn
	local netip.AddrPort
}

// Inherit takes over the descriptor of a socket that another process has bound. The descriptor is closed, be there
// an error or not. Systems whose net.FilePacketConn does not work have an error here: Windows is one.
func Inherit(descriptor uintptr) (*Inherited, error) {
	file := os.NewFile(descriptor, fmt.Sprintf("descriptor %d", descriptor))
	if file == nil {
		return nil, fmt.Errorf("descriptor %d is none", descriptor)
	}
	packets, err := net.FilePacketConn(file)
	err = errors.Join(err, file.Close())
	if err != nil {
		if packets != nil {
			err = errors.Join(err, packets.Close())
		}
		return nil, fmt.Errorf("descriptor %d is no UDP socket: %w", descriptor, bare(err))
	}
	conn, ok := packets.(*net.UDPConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("descriptor %d is no UDP socket, but one of %s", descriptor, packets.LocalAddr().Network()),
			packets.Close())
	}
	s := &Inherited{conn: conn, local: localAddr(conn)}
	switch {
	case conn.RemoteAddr() != nil:
		err = fmt.Errorf("descriptor %d is a socket that is connected to %v, and none that everybody can ask", descriptor, conn.RemoteAddr())
	case s.local.Port() == 0:
		err = fmt.Errorf("descriptor %d is a socket that is not bound to an address", descriptor)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return s, nil
}

// Addr returns the address that the socket is bound to.
func (s *Inherited) Addr() netip.AddrPort { return s.local }

// Close closes the socket in this process. What waits in it is lost when no other process has it.
func (s *Inherited) Close() error { return s.conn.Close() }

// Adopt makes a Conn of each socket, as Listen would have made it with these Options; Workers is not looked at. The
// sockets are the Conns' then; after an error all are closed. Several at one address are taken for a group that
// shares it (SO_REUSEPORT), as Listen makes one. Where the last owner had the kernel join datagrams, and the Options do not
// ask for it, that ends as soon as none waits; a portable Conn (Options.Portable) cannot wait for that.
func Adopt(sockets []*Inherited, o Options) (conns []core.Conn, err error) {
	o.Workers = 1
	err = o.check()
	known := make(map[netip.AddrPort]bool)
	for i, s := range sockets {
		var c core.Conn
		if err == nil {
			c, err = s.adopt(known[s.local], o)
		}
		if err != nil {
			for _, rest := range sockets[i:] {
				err = errors.Join(err, rest.Close())
			}
			return nil, errors.Join(err, closeAll(conns))
		}
		known[s.local] = true
		conns = append(conns, c)
	}
	return conns, nil
}

// adopt makes a Conn. Shared says that another one has the address, too.
func (s *Inherited) adopt(shared bool, o Options) (core.Conn, error) {
	told := false
	err := withDescriptor(s.conn, func(fd uintptr) error {
		if s.local.Addr().IsUnspecified() {
			told = enablePktinfo(fd, s.local.Addr().Is6()) == nil
		}
		return forget(fd)
	})
	if err != nil {
		return nil, fmt.Errorf("take over the socket of %v: %w", s.local, err)
	}
	b := setBuffers(s.conn, o)
	if !shared {
		warnOfBuffers(s.local, b, o)
	}
	c, err := newConn(s.conn, s.local, told, shared, b, o)
	if err != nil {
		return nil, fmt.Errorf("take over the socket of %v: %w", s.local, err)
	}
	return c, nil
}

// WithDescriptor calls f with the descriptor of c's socket, which stays open meanwhile. F may duplicate it, so as
// to hand the socket over; it must neither close it nor change whether it blocks. The error is f's, or says that c
// is closed or no Conn of this package.
func WithDescriptor(c core.Conn, f func(fd uintptr) error) error {
	own, ok := c.(interface {
		withDescriptor(f func(fd uintptr) error) error
	})
	if !ok {
		return fmt.Errorf("%T has no socket", c)
	}
	return own.withDescriptor(f)
}

func (c *portable) withDescriptor(f func(fd uintptr) error) error {
	s, ok := c.socket.(syscall.Conn)
	if !ok {
		return fmt.Errorf("%T has no descriptor", c.socket)
	}
	return withDescriptor(s, f)
}
