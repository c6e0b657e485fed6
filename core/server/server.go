// Package server walks datagrams from a transport through the guard to a handler and back.
//
// It reads like net/http: make a [Server], give it a Handler, Serve.
package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/guard"
)

// DefaultDrain is how long a Server goes on answering when it is told to end, unless Drain says
// otherwise: long enough to empty a socket's buffer, too short for a person to wait.
const DefaultDrain = 20 * time.Millisecond

// ErrSucceeded is a cause for Serve's context to end with (context.WithCancelCause) when another server has the same
// sockets and answers already what arrives there. Then the Server ends at once, whatever Drain says: what it would
// go on to answer is as well off there, and what the guard withholds from a peer that turns there should not wait.
var ErrSucceeded = errors.New("another server has the sockets")

// Server answers the datagrams of its Conns. Every field but Handler has a good zero value; none may
// change while it serves.
type Server struct {
	// Handler answers. Configure it before, where it needs to be.
	Handler core.Handler

	// Guard says which datagrams are answered at all, how long the replies may be, and how loops end;
	// nil is the zero Policy. Serve refuses one that Validate does.
	Guard *guard.Policy

	// Log is told what an operator should know, at most once a second for each kind of thing and
	// never about ordinary datagrams; nil is silence.
	Log *slog.Logger

	// Drain is how long the Server goes on when Serve's context has ended, so that the requests
	// that had arrived by then are answered. Zero is DefaultDrain, negative is not at all.
	Drain time.Duration

	// Observe is told what became of each datagram, by each worker in the worker's own goroutine: it must be safe
	// for that, and it delays what comes after. That it panics is logged and counted, as when the handler does. Nil,
	// the default, costs nothing.
	Observe func(*Observation)

	mu      sync.Mutex
	workers map[*worker]struct{} // those that serve now
	past    Stats                // of those that have ended
}

// Serve answers what the conns receive, with one worker for each, until ctx ends; then it lets the
// workers finish, sends the replies that the guard withholds from peers that may wait for them, and
// returns nil. When a Conn or a worker's handler fails, all of them stop and Serve returns what failed.
// It leaves the conns open: they belong to the caller.
//
// Serve may run several times at once, with other conns; Stats counts them all.
func (s *Server) Serve(ctx context.Context, conns ...core.Conn) error {
	workers, err := s.hire(conns)
	if err != nil {
		return err
	}

	results := make(chan error, len(workers))
	for _, w := range workers {
		go func() { results <- errors.Join(w.run(), s.dismiss(w)) }()
	}
	ended := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() { s.interruptAfter(ctx, conns, ended) })

	var all error
	for range workers {
		if err := <-results; err != nil {
			all = errors.Join(all, err)
			interrupt(conns)
		}
	}
	close(ended)
	watch.Wait()
	return all
}

// interruptAfter interrupts the conns when ctx has ended and the time to drain is over; it returns
// early when the workers have ended.
func (s *Server) interruptAfter(ctx context.Context, conns []core.Conn, ended <-chan struct{}) {
	select {
	case <-ctx.Done():
	case <-ended:
		return
	}
	drain := s.drain()
	if errors.Is(context.Cause(ctx), ErrSucceeded) {
		drain = 0
	}
	select {
	case <-time.After(drain):
		interrupt(conns)
	case <-ended:
	}
}

func interrupt(conns []core.Conn) {
	for _, c := range conns {
		c.Interrupt()
	}
}

func (s *Server) drain() time.Duration {
	switch {
	case s.Drain == 0:
		return DefaultDrain
	case s.Drain < 0:
		return 0
	}
	return s.Drain
}

// hire makes a worker for each Conn, or none.
func (s *Server) hire(conns []core.Conn) (workers []*worker, err error) {
	if s.Handler == nil {
		return nil, errors.New("serve: the Server has no Handler")
	}
	if len(conns) == 0 {
		return nil, errors.New("serve: there is no Conn to serve")
	}
	addresses := make([]netip.AddrPort, len(conns))
	for i, c := range conns {
		addresses[i] = c.LocalAddr()
	}
	shield, err := guard.New(s.Guard, addresses...)
	if err != nil {
		return nil, fmt.Errorf("serve: %w", err)
	}
	for _, c := range conns {
		handler := s.Handler
		if p, ok := handler.(core.PerWorker); ok {
			if handler, err = p.ForWorker(); err != nil {
				for _, w := range workers {
					err = errors.Join(err, w.close())
				}
				return nil, fmt.Errorf("serve %v: make a handler: %w", c.LocalAddr(), err)
			}
		}
		workers = append(workers, newWorker(s, c, shield, handler))
	}
	s.warn(shield.Warnings())
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.workers == nil {
		s.workers = make(map[*worker]struct{})
	}
	for _, w := range workers {
		s.workers[w] = struct{}{}
	}
	return workers, nil
}

// warn logs what an operator should know before anything else happens.
func (s *Server) warn(warnings []string) {
	for _, what := range warnings {
		if s.Log != nil {
			s.Log.LogAttrs(context.Background(), slog.LevelWarn, what)
		}
	}
}

// dismiss closes what was made for w and keeps its counts.
func (s *Server) dismiss(w *worker) error {
	s.mu.Lock()
	delete(s.workers, w)
	w.counters.addTo(&s.past)
	s.mu.Unlock()
	return w.close()
}

// Stats returns what the Server has counted until now, over all its workers and calls of Serve.
// A datagram is counted at the end of its batch.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	total := s.past.clone()
	for w := range s.workers {
		w.counters.addTo(&total)
	}
	return total
}

// close closes the handler if it was made for this worker.
func (w *worker) close() error {
	if _, made := w.server.Handler.(core.PerWorker); !made {
		return nil
	}
	if c, ok := w.handler.(io.Closer); ok {
		return c.Close()
	}
	return nil
}
