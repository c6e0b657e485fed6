// Package engine runs the listeners of one process: each has its addresses, its guard and its handler, and they
// start, change and end independently.
//
// Open binds the sockets of listeners, all of them or none, and Start has them answer:
//
//	e := engine.New(log)
//	slot := e.NewSlot("echo", &engine.Handler{Name: "echo", Handler: reply.Echo{}})
//	listeners, err := e.Open(engine.Spec{Name: "main", Addresses: []string{"127.0.0.1:1060"}, Slot: slot})
//	e.Start(listeners...)
//	err = e.Run(ctx) // until ctx ends, or a listener fails
//
// A [Slot] is a place for a handler, which listeners refer to: [Slot.Set] replaces the handler between two
// datagrams of each worker, for all listeners of the slot, and the old one goes on when the new one cannot.
//
// Whoever wants to know asks: [Engine.Listeners] and [Engine.Slots] list what there is, [Listener.Stats] and
// [Slot.Stats] what was counted; each may be called at any time, from any goroutine. Whoever wants to take part in
// what a listener does puts something around its handler or its Conns: [Spec.AroundHandler], [Spec.AroundConn].
// Sockets that exist already, because they were inherited, are served by [Spec.Conns]; [Listener.Conns] are those
// that can be passed on.
package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
)

// Engine runs listeners. New makes one.
type Engine struct {
	log    *slog.Logger
	failed chan error // has room for the first failure

	mu        sync.Mutex
	listeners []*Listener // open, and in Start's hands or not
	slots     []*Slot
	ended     bool // by Run: nothing starts any more
}

// New returns an Engine without listeners. What its servers have to say goes to log; nil is silence.
func New(log *slog.Logger) *Engine { return &Engine{log: log, failed: make(chan error, 1)} }

// ErrEnded is returned by Open and Slot.Set, wrapped, once Run has ended.
var ErrEnded = errors.New("the engine has ended")

// Open binds the sockets of new listeners and checks their policies: all of them are open then, or none is and the
// error names the listener that cannot be. Nothing is answered before Start; what arrives until then waits in the
// sockets' buffers.
func (e *Engine) Open(specs ...Spec) ([]*Listener, error) { return e.OpenInPlace(nil, specs...) }

// OpenInPlace is Open for listeners that are to take the place of old ones, whose names and sockets (Spec.Conns) they
// may have. The old ones answer until they are stopped, which is the caller's to do, after Start. After an error they
// are what they were.
func (e *Engine) OpenInPlace(old []*Listener, specs ...Spec) (opened []*Listener, err error) {
	defer func() {
		if err == nil {
			return
		}
		for _, l := range opened {
			err = errors.Join(err, l.close())
		}
		for _, s := range specs[len(opened):] {
			err = errors.Join(err, closeAll(s.Conns))
		}
		opened = nil
	}()
	for _, s := range specs {
		l, err := open(s)
		if err != nil {
			return opened, fmt.Errorf("%s%w", s.prefix(), err)
		}
		opened = append(opened, l)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ended {
		return opened, ErrEnded
	}
	stay := slices.DeleteFunc(slices.Clone(e.listeners), func(l *Listener) bool { return slices.Contains(old, l) })
	all := slices.Concat(stay, opened)
	for i, l := range opened {
		if slices.ContainsFunc(all[:len(stay)+i], func(o *Listener) bool { return o.spec.Name == l.spec.Name }) {
			return opened, fmt.Errorf("there are two listeners called %q", l.spec.Name)
		}
		if err := l.prepare(all); err != nil {
			return opened, fmt.Errorf("%s%w", l.spec.prefix(), err)
		}
	}
	e.listeners = all
	return opened, nil
}

// Restore undoes OpenInPlace: the new listeners are stopped, and the old ones go on.
func (e *Engine) Restore(old, opened []*Listener) error {
	e.mu.Lock()
	ended := e.ended
	e.listeners = slices.Concat(e.listeners, old)
	e.mu.Unlock()
	if ended { // and did not know of them
		return e.Stop(slices.Concat(opened, old)...)
	}
	return e.Stop(opened...)
}

// Start has listeners answer that Open has returned, and that were not started or stopped before.
func (e *Engine) Start(listeners ...*Listener) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, l := range listeners {
		if !e.ended && slices.Contains(e.listeners, l) {
			l.start(e.log, e.fail)
		}
	}
}

// fail has Run end with the first error of a listener.
func (e *Engine) fail(err error) {
	select {
	case e.failed <- err:
	default: // one is enough
	}
}

// Stop lets listeners answer what has arrived, for as long as their Drain says, and closes their sockets; one whose
// sockets others of the Engine have by now ends at once. The others go on. It returns the errors of those that had
// failed. A listener is stopped once; what it counted can still be asked for.
func (e *Engine) Stop(listeners ...*Listener) error {
	e.mu.Lock()
	e.listeners = slices.DeleteFunc(slices.Clone(e.listeners), func(l *Listener) bool { return slices.Contains(listeners, l) })
	for _, l := range listeners {
		l.tell(l.succeeded(e.listeners))
	}
	e.mu.Unlock()
	return end(listeners)
}

// end waits for the end of listeners that were told to end.
func end(listeners []*Listener) error {
	var all error
	for _, l := range listeners {
		if err := errors.Join(l.wait(), l.close()); err != nil {
			all = errors.Join(all, fmt.Errorf("%s%w", l.spec.prefix(), err))
		}
	}
	return all
}

// Run waits until ctx ends or a listener fails. Then it stops all listeners and closes all handlers; Listeners goes
// on to return those that it stopped. When the cause of ctx is server.ErrSucceeded they end at once.
func (e *Engine) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-e.failed: // close returns it
	}
	return e.close(context.Cause(ctx))
}

// Close stops all listeners and closes all handlers, as Run does in the end.
func (e *Engine) Close() error { return e.close(nil) }

func (e *Engine) close(cause error) error {
	e.mu.Lock()
	again := e.ended
	e.ended = true
	listeners, slots := e.listeners, e.slots
	e.mu.Unlock()
	if again {
		return nil
	}
	for _, l := range listeners {
		l.tell(cause)
	}
	err := end(listeners)
	for _, s := range slots {
		err = errors.Join(err, s.close())
	}
	return err
}

// Listeners returns those that are open, in the order in which they were opened.
func (e *Engine) Listeners() []*Listener {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.listeners)
}

// Slots returns all that NewSlot has made and RemoveSlot has not removed, in that order.
func (e *Engine) Slots() []*Slot {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.slots)
}

// NewSlot makes a slot with a handler in it; nil leaves it empty. The Engine closes the handler in the end.
func (e *Engine) NewSlot(name string, h *Handler) *Slot {
	s := newSlot(name, h)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.slots = append(e.slots, s)
	return s
}

// RemoveSlot closes the handler of a slot that no listener refers to any more.
func (e *Engine) RemoveSlot(s *Slot) error {
	e.mu.Lock()
	e.slots = slices.DeleteFunc(slices.Clone(e.slots), func(o *Slot) bool { return o == s })
	e.mu.Unlock()
	return s.close()
}
