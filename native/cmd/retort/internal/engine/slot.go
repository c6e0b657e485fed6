package engine

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/reply"
	"github.com/retort-udp/retort/wasmhandler"
)

// Handler is a handler that is ready to serve, with what an operator wants to know of it.
type Handler struct {
	Name    string // as the configuration calls it
	Version string // what the module says of itself; "": nothing, or it is built in
	SHA256  string // of the module, in hexadecimal; "": it is built in

	Handler core.Handler        // configured
	Module  *wasmhandler.Module // Handler, when that is a module; nil: it is built in
}

// Close closes the module, or whatever else Handler is when it is an io.Closer. Instances that workers still have
// go on until they let go of them.
func (h *Handler) Close() error {
	if c, ok := h.Handler.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// Slot is a place for a handler. Listeners refer to it, and follow when the handler is replaced.
type Slot struct {
	name string
	swap core.Swap

	mu      sync.Mutex
	current *Handler // nil: silence
	retired *wasmhandler.Module
	past    wasmhandler.Stats // of modules before retired
	swaps   uint64
	closed  bool
}

func newSlot(name string, h *Handler) *Slot {
	s := &Slot{name: name}
	if err := s.Set(h); err != nil {
		panic(err) // there is no worker whose instance could fail
	}
	s.swaps = 0
	return s
}

// Set replaces the handler: each worker of each listener takes its instance of h between two datagrams, so that
// none is lost by it or answered twice. When an instance of h cannot be made, the old handler goes on, h is not
// closed, and Set returns why. Otherwise Set closes the old handler. A nil h is silence. A slot that was removed, or
// whose Engine has ended, takes no handler: Set returns ErrEnded.
func (s *Slot) Set(h *Handler) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fmt.Errorf("the handler of %q: %w", s.name, ErrEnded)
	}
	return s.set(h)
}

// set is called with s.mu held.
func (s *Slot) set(h *Handler) error {
	var next core.Handler = reply.Drop{}
	if h != nil {
		next = h.Handler
	}
	if err := s.swap.Set(next); err != nil {
		return fmt.Errorf("the handler of %q stays: %w", s.name, err)
	}
	s.swaps++
	return s.retire(h)
}

// retire makes h the current handler and closes the one before. What that counts from now on, in the hands of
// workers that have not let go of it, is asked for once more when its successor retires.
func (s *Slot) retire(h *Handler) error {
	old := s.current
	s.current = h
	if old == nil {
		return nil
	}
	if old.Module != nil {
		if s.retired != nil {
			add(&s.past, s.retired.Stats())
		}
		s.retired = old.Module
	}
	if err := old.Close(); err != nil {
		return &CloseError{err}
	}
	return nil
}

// CloseError is an error of Slot.Set that did not keep the new handler from being set: the old one could not be
// closed.
type CloseError struct{ Err error }

func (e *CloseError) Error() string { return "closing the handler that was replaced: " + e.Err.Error() }
func (e *CloseError) Unwrap() error { return e.Err }

// close makes the slot silent for good. No worker answers from it any more.
func (s *Slot) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	err := s.set(nil)
	if e, ok := errors.AsType[*CloseError](err); ok {
		return e.Err
	}
	return err
}

// handler returns what follows the slot.
func (s *Slot) handler() core.Handler { return &s.swap }

// Name returns how the configuration calls what is in the slot, be it there or not.
func (s *Slot) Name() string { return s.name }

// Current returns the handler; nil is silence.
func (s *Slot) Current() *Handler {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

// Swaps returns how often the handler was replaced.
func (s *Slot) Swaps() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.swaps
}

// Stats returns what all modules of the slot have counted together, those that were replaced included, so that no
// count ever falls.
func (s *Slot) Stats() wasmhandler.Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	total := s.past
	if s.retired != nil {
		add(&total, s.retired.Stats())
	}
	if s.current != nil && s.current.Module != nil {
		add(&total, s.current.Module.Stats())
	}
	return total
}

// add adds what was counted in more to total.
func add(total *wasmhandler.Stats, more wasmhandler.Stats) {
	for cause, n := range more.Faults {
		total.Faults[cause] += n
	}
	total.Resets += more.Resets
	total.Restarts += more.Restarts
	total.Failures += more.Failures
	total.Fuel += more.Fuel
	total.Silenced += more.Silenced
	total.Paused += more.Paused
	total.Checks += more.Checks
	total.Unfit += more.Unfit
	total.LogLines += more.LogLines
	total.LogDropped += more.LogDropped
}
