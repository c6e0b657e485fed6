// Package lossy has a writer that never makes its caller wait: diagnostics go through it, because a standard
// error that nobody reads must not stop the workers that report to it.
package lossy

import (
	"context"
	"io"
	"sync"
)

// Writer passes on what is written to it, from a goroutine of its own. What finds no room is lost whole and
// counted, so that lines stay lines.
type Writer struct {
	out   io.Writer
	limit int
	done  chan struct{} // closed when the goroutine has ended; nil before Start

	mu      sync.Mutex
	changed sync.Cond // waiting or closed has changed
	waiting []byte
	closed  bool
	lost    uint64
}

// New returns a Writer in front of out that lets at most limit bytes wait. It writes nothing before Start.
func New(out io.Writer, limit int) *Writer {
	w := &Writer{out: out, limit: limit}
	w.changed.L = &w.mu
	return w
}

// Start begins to pass on, with what waits already. It is called once; Close ends it.
func (w *Writer) Start() {
	w.done = make(chan struct{})
	go w.run()
}

// Write queues a copy of p, or loses it when there is no room or when the Writer is closed. It returns
// len(p) and no error either way.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || len(w.waiting)+len(p) > w.limit {
		w.lost++
		return len(p), nil
	}
	w.waiting = append(w.waiting, p...)
	w.changed.Signal()
	return len(p), nil
}

// Lost returns how many calls of Write were lost.
func (w *Writer) Lost() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lost
}

// Close waits until all that waits is written, or until ctx ends. The goroutine of a Writer whose out never
// returns is left behind. What waits in a Writer that was not started is forgotten.
func (w *Writer) Close(ctx context.Context) {
	w.mu.Lock()
	w.closed = true
	w.changed.Signal()
	w.mu.Unlock()
	if w.done == nil {
		return
	}
	select {
	case <-w.done:
	case <-ctx.Done():
	}
}

func (w *Writer) run() {
	defer close(w.done)
	var spare []byte
	for {
		w.mu.Lock()
		for len(w.waiting) == 0 && !w.closed {
			w.changed.Wait()
		}
		text := w.waiting
		w.waiting = spare[:0]
		w.mu.Unlock()
		if len(text) == 0 {
			return
		}
		// There is nobody to tell that diagnostics cannot be written.
		_, _ = w.out.Write(text)
		spare = text
	}
}
