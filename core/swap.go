package core

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
)

// Swap is a Handler whose target can be replaced while it serves: no datagram is lost by it or
// answered twice. The zero Swap is silent until Set.
//
// Each worker of a server holds its own instance of the target and takes the next one between two
// datagrams, so that nothing waits and nothing is shared on a datagram's way.
type Swap struct {
	mu      sync.Mutex
	target  Handler
	workers map[*swapWorker]struct{}
	direct  *swapWorker // answers for callers of Reply that are no worker
	turn    sync.Mutex  // they take turns on it
}

var (
	_ Handler   = (*Swap)(nil)
	_ PerWorker = (*Swap)(nil)
	_ Unwrapper = (*Swap)(nil)
)

// Set makes h the target. It first makes an instance of h for every worker; when one of them fails,
// Set returns that error and the old target goes on. A worker takes its instance at its next
// datagram, and closes the old one itself then; Set does not wait for that.
//
// Configure h before, where it needs to be.
func (s *Swap) Set(h Handler) error {
	s.mu.Lock()
	defer s.mu.Unlock()

	made := make(map[*swapWorker]Handler, len(s.workers))
	for w := range s.workers {
		instance, err := forWorker(h)
		if err != nil {
			for _, m := range made {
				err = errors.Join(err, closeInstance(m, h))
			}
			return err
		}
		made[w] = instance
	}
	for w, instance := range made {
		w.offer(&swapInstance{handler: instance, target: h})
	}
	s.target = h
	return nil
}

// Unwrap returns the present target; nil before the first Set.
func (s *Swap) Unwrap() Handler {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.target
}

// ForWorker returns a Handler that follows s.
func (s *Swap) ForWorker() (Handler, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.newWorker()
}

// Reply answers with the present target. Calls take turns: a server uses ForWorker instead.
func (s *Swap) Reply(dst []byte, d *Datagram) ([]byte, error) {
	s.turn.Lock()
	defer s.turn.Unlock()
	if s.direct == nil {
		s.mu.Lock()
		w, err := s.newWorker()
		s.mu.Unlock()
		if err != nil {
			return nil, err
		}
		s.direct = w
	}
	return s.direct.Reply(dst, d)
}

// newWorker is called with s.mu held.
func (s *Swap) newWorker() (*swapWorker, error) {
	w := &swapWorker{swap: s}
	if s.target != nil {
		instance, err := forWorker(s.target)
		if err != nil {
			return nil, err
		}
		w.now = &swapInstance{handler: instance, target: s.target}
	}
	if s.workers == nil {
		s.workers = make(map[*swapWorker]struct{})
	}
	s.workers[w] = struct{}{}
	return w, nil
}

// swapInstance is a worker's own instance of a target, which it must close if it was made for it.
type swapInstance struct {
	handler Handler
	target  Handler
}

func (i *swapInstance) close() error {
	if i == nil {
		return nil
	}
	return closeInstance(i.handler, i.target)
}

// forWorker returns h, or its instance for one worker.
func forWorker(h Handler) (Handler, error) {
	if p, ok := h.(PerWorker); ok {
		return p.ForWorker()
	}
	return h, nil
}

// closeInstance closes what forWorker(target) returned, unless that was target itself.
func closeInstance(instance, target Handler) error {
	if _, perWorker := target.(PerWorker); !perWorker {
		return nil
	}
	if c, ok := instance.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// swapWorker is one worker's view of a Swap.
type swapWorker struct {
	swap *Swap
	now  *swapInstance                // the worker's alone; nil: silent
	next atomic.Pointer[swapInstance] // offered by Set, taken by the worker
}

// offer replaces what the worker has not taken yet. Whoever swaps an instance out of next owns it,
// so that each is closed once.
func (w *swapWorker) offer(i *swapInstance) {
	_ = w.next.Swap(i).close() // never served; nobody is left to hear of it
}

// take moves on to the newest instance. The plain load keeps the common case free of a locked
// instruction.
func (w *swapWorker) take() {
	if w.next.Load() == nil {
		return
	}
	if next := w.next.Swap(nil); next != nil {
		_ = w.now.close()
		w.now = next
	}
}

func (w *swapWorker) Reply(dst []byte, d *Datagram) ([]byte, error) {
	w.take()
	if w.now == nil {
		return nil, nil
	}
	return w.now.handler.Reply(dst, d)
}

// Unwrap lets As see the interfaces of the instance that answers the next datagram.
func (w *swapWorker) Unwrap() Handler {
	w.take()
	if w.now == nil {
		return nil
	}
	return w.now.handler
}

// Close closes the worker's instances; the Swap forgets the worker.
func (w *swapWorker) Close() error {
	w.swap.mu.Lock()
	delete(w.swap.workers, w)
	w.swap.mu.Unlock()
	err := w.next.Swap(nil).close()
	now := w.now
	w.now = nil
	return errors.Join(err, now.close())
}
