package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/guard"
	"github.com/retort-udp/retort/core/server"
	"github.com/retort-udp/retort/native"
)

// Spec says what a listener is. Every field but Slot, and one of Addresses and Conns, has a good zero value.
type Spec struct {
	// Name is how logs, metrics and errors call the listener. No two listeners of an Engine share one.
	Name string

	// Addresses are where it listens, each as native.Listen takes it, with Socket's options.
	Addresses []string
	Socket    native.Options

	// Conns are what it serves in the place of Addresses: sockets that were inherited, say. They are the
	// listener's, which closes them.
	Conns []core.Conn

	// Policy says whom it answers, for the Conns that it has; nil is the safe default. The Engine adds the
	// addresses of its other listeners to Own, for a forged datagram could make two of them answer each other.
	// Each listener counts by itself what a prefix sends: of so many listeners it may have as many times the Rate.
	Policy func([]core.Conn) (*guard.Policy, error)

	// Slot has the handler.
	Slot *Slot

	// Drain is how long the listener goes on answering when it is told to end; 0 is not at all.
	Drain time.Duration

	// AroundHandler, when it is not nil, returns what is to answer in the place of the handler: a handler that
	// decorates it. It is called once, by Start. The handler is a core.PerWorker and a core.Unwrapper, and so
	// must be what decorates it.
	AroundHandler func(core.Handler) core.Handler

	// AroundConn, when it is not nil, returns what is served in the place of each Conn. It is called by Start.
	AroundConn func(core.Conn) core.Conn

	// Observe, when it is not nil, is told what became of each datagram, as server.Server's Observe is.
	Observe func(*server.Observation)
}

// prefix is what errors about the listener begin with.
func (s *Spec) prefix() string {
	if s.Name == "" {
		return ""
	}
	return fmt.Sprintf("listener %q: ", s.Name)
}

// Listener answers the datagrams of its sockets with what is in its slot.
type Listener struct {
	spec    Spec
	conns   []core.Conn
	policy  *guard.Policy
	server  server.Server
	started bool // guarded by the Engine's mu

	quit context.CancelCauseFunc
	done chan struct{} // closed when serving has ended; nil: it never began
	err  error         // then: why, if it was not told to
}

// open binds the sockets.
func open(s Spec) (*Listener, error) {
	if s.Slot == nil {
		return nil, errors.New("it has no slot")
	}
	conns := s.Conns
	if len(conns) == 0 {
		var err error
		if conns, err = native.ListenAll(s.Addresses, s.Socket); err != nil {
			return nil, err
		}
	}
	return &Listener{spec: s, conns: conns}, nil
}

// prepare makes the policy. All are the listeners that the Engine will have: what they listen on is our own.
//
// Those that are open already do not learn of this one, and need not: of every two the one that was opened later knows
// the other. What the earlier one says to it is not answered, and so a loop between them ends with the first reply.
func (l *Listener) prepare(all []*Listener) error {
	policy := l.spec.Policy
	if policy == nil {
		policy = safePolicy
	}
	p, err := policy(l.conns)
	if err != nil {
		return err
	}
	own := *p
	own.Own = slices.Clone(own.Own)
	for _, other := range all {
		if other != l {
			own.Own = append(own.Own, other.Addresses()...)
		}
	}
	if len(own.Local) == 0 && slices.ContainsFunc(own.Own, isWildcard) {
		if own.Local, err = native.LocalAddrs(); err != nil {
			return err
		}
	}
	l.policy = &own
	return own.Validate(l.Addresses()...)
}

// isWildcard says whether a listener on a goes by all names of this host.
func isWildcard(a netip.AddrPort) bool { return a.Addr().IsUnspecified() }

// safePolicy is the zero policy, which knows this host.
func safePolicy(conns []core.Conn) (*guard.Policy, error) {
	p := new(guard.Policy)
	var listening []netip.AddrPort
	for _, c := range conns {
		listening = append(listening, c.LocalAddr())
	}
	return p, native.KnowHost(p, listening...)
}

// start begins to serve. It is called with the Engine's mu held.
func (l *Listener) start(log *slog.Logger, fail func(error)) {
	if l.started {
		return
	}
	l.started = true
	if log != nil && l.spec.Name != "" {
		log = log.With("name", l.spec.Name)
	}
	l.server.Guard, l.server.Log, l.server.Observe = l.policy, log, l.spec.Observe
	l.server.Drain = cmp.Or(l.spec.Drain, -1) // to the Server zero is its default, and less is no time at all
	l.server.Handler = l.spec.Slot.handler()
	if l.spec.AroundHandler != nil {
		l.server.Handler = l.spec.AroundHandler(l.server.Handler)
	}
	served := slices.Clone(l.conns)
	if l.spec.AroundConn != nil {
		for i, c := range served {
			served[i] = l.spec.AroundConn(c)
		}
	}
	ctx, quit := context.WithCancelCause(context.Background())
	l.quit, l.done = quit, make(chan struct{})
	go func() {
		defer close(l.done)
		if l.err = l.server.Serve(ctx, served...); l.err != nil {
			fail(l.err)
		}
	}()
}

// tell begins the listener's end, wait waits for it.
func (l *Listener) tell(cause error) {
	if l.quit != nil {
		l.quit(cause)
	}
}

func (l *Listener) wait() error {
	if l.done == nil {
		return nil
	}
	<-l.done
	return l.err
}

// succeeded says why a listener may end at once, if some of the others answer at each of its addresses.
func (l *Listener) succeeded(others []*Listener) error {
	for _, at := range l.Addresses() {
		if !slices.ContainsFunc(others, func(o *Listener) bool { return o.started && slices.Contains(o.Addresses(), at) }) {
			return nil
		}
	}
	return server.ErrSucceeded
}

func (l *Listener) close() error { return closeAll(l.conns) }

func closeAll(conns []core.Conn) (all error) {
	for _, c := range conns {
		all = errors.Join(all, c.Close())
	}
	return all
}

// Name returns the name of the Spec.
func (l *Listener) Name() string { return l.spec.Name }

// Spec returns what the listener was made from.
func (l *Listener) Spec() Spec { return l.spec }

// Slot returns what has the handler.
func (l *Listener) Slot() *Slot { return l.spec.Slot }

// Policy returns the policy in force. It must not be changed.
func (l *Listener) Policy() *guard.Policy { return l.policy }

// Conns returns the sockets, without what is around them: one for each worker.
func (l *Listener) Conns() []core.Conn { return slices.Clone(l.conns) }

// Addresses returns where the listener listens, with the real ports, each address once.
func (l *Listener) Addresses() (list []netip.AddrPort) {
	for _, c := range l.conns {
		if at := c.LocalAddr(); !slices.Contains(list, at) {
			list = append(list, at)
		}
	}
	return list
}

// Stats returns what was counted until now, also of a listener that has ended.
func (l *Listener) Stats() server.Stats { return l.server.Stats() }
