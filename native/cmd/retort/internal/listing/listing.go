// Package listing puts around a handler what the teaching listing's servers do beside replying: they print what
// each client says, lose datagrams on purpose, and die of a byte that is not ASCII.
package listing

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/native/cmd/retort/internal/pytext"
	"github.com/retort-udp/retort/native/cmd/retort/internal/transcript"
)

// Handler decorates Next. Its fields do not change once it serves.
type Handler struct {
	Next core.Handler

	// Printer prints each datagram before Next sees it; nil prints nothing. Buffer is how many bytes
	// of text wait for it at most, for each worker.
	Printer *transcript.Printer
	Buffer  int

	// Drop is the share of datagrams, from 0 to 1, that are printed as dropped and otherwise ignored.
	// They are chosen by Seed and by the worker's number.
	Drop float64
	Seed uint64

	// Strict, when it is not nil, is called with an error that says what and from whom, once a datagram has
	// a byte above 0x7f. From then on the Handler is silent.
	Strict func(error)

	dead    atomic.Bool   // Strict was called
	workers atomic.Uint64 // how many there were

	turn   sync.Mutex // callers of Reply that are no worker take turns on direct
	direct *worker
}

var (
	_ core.Handler   = (*Handler)(nil)
	_ core.PerWorker = (*Handler)(nil)
	_ core.Unwrapper = (*Handler)(nil)
)

// Unwrap returns h.Next.
func (h *Handler) Unwrap() core.Handler { return h.Next }

// ForWorker returns a Handler with a Recorder and a share of randomness of its own.
func (h *Handler) ForWorker() (core.Handler, error) { return h.newWorker() }

func (h *Handler) newWorker() (*worker, error) {
	w := &worker{shared: h, next: h.Next}
	if p, ok := h.Next.(core.PerWorker); ok {
		next, err := p.ForWorker()
		if err != nil {
			return nil, err
		}
		w.next = next
		w.closer, _ = next.(io.Closer)
	}
	if h.Printer != nil {
		w.recorder = h.Printer.Recorder(h.Buffer)
	}
	w.random = rand.New(rand.NewPCG(h.Seed, h.workers.Add(1)))
	return w, nil
}

// Reply answers as a worker would. Calls take turns: a server uses ForWorker instead.
func (h *Handler) Reply(dst []byte, d *core.Datagram) ([]byte, error) {
	h.turn.Lock()
	defer h.turn.Unlock()
	if h.direct == nil {
		w, err := h.newWorker()
		if err != nil {
			return nil, err
		}
		h.direct = w
	}
	return h.direct.Reply(dst, d)
}

// worker is a Handler for one worker.
type worker struct {
	shared   *Handler
	next     core.Handler
	closer   io.Closer // of next, when that was made for this worker
	recorder *transcript.Recorder
	random   *rand.Rand
}

func (w *worker) Unwrap() core.Handler { return w.next }

// Reply drops, dies, prints and replies, in that order: so does the original, whose dropped datagrams are
// neither read nor shown, and whose last one is not shown.
func (w *worker) Reply(dst []byte, d *core.Datagram) ([]byte, error) {
	if w.shared.Strict != nil && w.shared.dead.Load() {
		return nil, nil
	}
	if w.shared.Drop > 0 && w.random.Float64() < w.shared.Drop {
		w.record(transcript.Dropped, d, nil)
		return nil, nil
	}
	if w.shared.Strict != nil && w.diesOf(d) {
		return nil, nil
	}
	w.record(transcript.Said, d, d.Data)
	return w.next.Reply(dst, d)
}

func (w *worker) record(e transcript.Event, d *core.Datagram, text []byte) {
	if w.recorder != nil {
		w.recorder.Record(e, d.From, text)
	}
}

// diesOf says whether d has a byte that is not ASCII; then it calls Strict, unless another worker has.
func (w *worker) diesOf(d *core.Datagram) bool {
	i := transcript.FirstNonASCII(d.Data)
	if i < 0 {
		return false
	}
	if w.shared.dead.CompareAndSwap(false, true) {
		from := pytext.AppendAddr(nil, d.From, pytext.Scope(d.From.Addr()))
		w.shared.Strict(fmt.Errorf("%w: byte 0x%02x at offset %d of what %s sent", ErrNotASCII, d.Data[i], i, from))
	}
	return true
}

// ErrNotASCII is what Strict is called with, wrapped.
var ErrNotASCII = errors.New("not ASCII")

// Close ends the worker's Recorder, and closes its own instance of the handler below.
func (w *worker) Close() error {
	if w.recorder != nil {
		w.recorder.Close()
	}
	if w.closer == nil {
		return nil
	}
	return w.closer.Close()
}
