package native

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/retort-udp/retort/core"
)

// Probe is what ProbeMTU found out.
type Probe struct {
	// Sent says that the datagram left this host whole. A router behind it may still drop it; its
	// complaint then lowers the path MTU that the next probe meets.
	Sent bool

	// MTU is the largest IP packet in bytes, headers included, that takes the way to the host as far as
	// the kernel knows it by now; 0 where the kernel does not tell.
	MTU int
}

// ProbeMTU sends one datagram with size bytes of payload, all zero, to addr, a "host:port", and forbids to
// fragment it on the way (path MTU discovery: RFC 1191, RFC 8201). Ctx bounds the look-up of the name.
//
// A size that no datagram has is an ErrTooLong; a system that cannot forbid fragmenting is an
// errors.ErrUnsupported. That the datagram is too large for the path is no error, but a Probe.
func ProbeMTU(ctx context.Context, addr string, size int) (Probe, error) {
	p, err := probeMTU(ctx, addr, size)
	if err != nil {
		return Probe{}, fmt.Errorf("probe the path MTU to %q with %d bytes: %w", addr, size, err)
	}
	return p, nil
}

func probeMTU(ctx context.Context, addr string, size int) (p Probe, err error) {
	to, err := destination(ctx, addr)
	if err != nil {
		return p, err
	}
	switch limit := core.MaxPayload(to.Addr()); {
	case size < 0:
		return p, errors.New("the size is negative")
	case size > limit:
		return p, fmt.Errorf("%w, which carries %d at most", ErrTooLong, limit)
	}
	c, err := openTo(to, true)
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()

	six := to.Addr().Is6()
	err = withDescriptor(c, func(fd uintptr) error { return forbidFragments(fd, six) })
	if err != nil {
		return p, err
	}
	_, err = c.Write(make([]byte, size))
	switch {
	case err == nil:
		p.Sent = true
	case causeOfSend(err) != tooLong:
		return p, err
	}
	return p, withDescriptor(c, func(fd uintptr) error {
		p.MTU = pathMTU(fd, six)
		return nil
	})
}

// withDescriptor calls f with the descriptor of c's socket.
func withDescriptor(c syscall.Conn, f func(fd uintptr) error) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = f(fd) }); err != nil {
		return err
	}
	return failed
}
