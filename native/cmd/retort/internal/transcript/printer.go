// Package transcript prints what a server's clients say, beside the datagrams' way: a worker puts each event
// into a ring of its own and goes on, and one goroutine turns the rings into lines. A standard output that
// nobody reads fills the rings, and then lines are lost and counted; replies never are.
package transcript

import (
	"context"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/retort-udp/retort/native/cmd/retort/internal/pytext"
)

// chunk is how many bytes are written at once, give or take one line.
const chunk = 64 << 10

// Printer prints the lines of its Recorders, each Recorder's in their order.
type Printer struct {
	out io.Writer

	mu        sync.Mutex
	recorders []*Recorder
	err       error // the first error of out
	gone      Stats // what Recorders have counted that are no more

	printed atomic.Uint64
	resting atomic.Bool   // the goroutine waits for wake, or is about to
	wake    chan struct{} // has room for one
	closing atomic.Bool
	done    chan struct{} // closed when the goroutine has ended
}

// Start starts a Printer that writes head to out first, whole, and then lines. Close ends it.
func Start(out io.Writer, head []byte) *Printer {
	p := &Printer{out: out, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go p.run(head)
	return p
}

// Recorder returns a new Recorder that holds about size bytes of text, and MinBuffer at least, until they are
// printed.
func (p *Printer) Recorder(size int) *Recorder {
	r := newRecorder(p, size)
	p.mu.Lock()
	p.recorders = append(p.recorders, r)
	p.mu.Unlock()
	return r
}

// Stats is what a Printer has counted. Lines that are recorded, and neither lost nor printed, wait.
type Stats struct {
	Recorded uint64 // lines that a Recorder took
	Printed  uint64 // lines that were written
	Lost     uint64 // lines that found no room, because out is slower than the datagrams
	NonASCII uint64 // datagrams with bytes above 0x7f, printed or not
	Err      error  // why nothing is written any more; nil as long as it is
}

// Unprinted returns how many lines never came out, once the Printer is closed.
func (s Stats) Unprinted() uint64 { return s.Lost + s.Recorded - s.Printed }

// Stats returns what was counted until now.
func (p *Printer) Stats() Stats {
	s := Stats{Printed: p.printed.Load()} // first: it never exceeds Recorded
	p.mu.Lock()
	defer p.mu.Unlock()
	s.Err = p.err
	s.add(&p.gone)
	for _, r := range p.recorders {
		s.add(r.stats())
	}
	return s
}

// add adds what Recorders have counted.
func (s *Stats) add(more *Stats) {
	s.Recorded += more.Recorded
	s.Lost += more.Lost
	s.NonASCII += more.NonASCII
}

// Close waits until all that is recorded is printed, or until ctx ends. The goroutine of a Printer whose
// out never returns is left behind.
func (p *Printer) Close(ctx context.Context) {
	p.closing.Store(true)
	p.rouse()
	select {
	case <-p.done:
	case <-ctx.Done():
	}
}

func (p *Printer) run(head []byte) {
	defer close(p.done)
	p.write(head, 0)
	var lines []byte
	for {
		last := p.closing.Load() // before the look: what was recorded before Close is printed
		busy := false
		for _, r := range p.all() {
			ended := r.ended.Load() // before the look, too
			var n uint64
			if lines, n = r.appendLines(lines[:0], chunk); n > 0 {
				p.write(lines, n)
				busy = true
			} else if ended {
				p.forget(r)
			}
		}
		switch {
		case busy:
		case last:
			return
		default:
			p.rest()
		}
	}
}

func (p *Printer) all() []*Recorder {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.recorders
}

// forget lets go of a Recorder that has ended, and keeps its counts.
func (p *Printer) forget(r *Recorder) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gone.add(r.stats())
	p.recorders = slices.DeleteFunc(slices.Clone(p.recorders), func(o *Recorder) bool { return o == r })
}

// write hands text to out, which is n lines of events. After an error it only throws text away, so that
// the Recorders never fill for good.
func (p *Printer) write(text []byte, n uint64) {
	if p.failed() != nil {
		return
	}
	if _, err := p.out.Write(text); err != nil {
		p.mu.Lock()
		p.err = err
		p.mu.Unlock()
		return
	}
	p.printed.Add(n)
}

func (p *Printer) failed() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// rest waits for rouse. A Recorder that records between the last look at it and the Store here is seen by
// the second look; one that records later sees resting.
func (p *Printer) rest() {
	p.resting.Store(true)
	if p.idle() {
		<-p.wake
	}
	p.resting.Store(false)
}

func (p *Printer) idle() bool {
	if p.closing.Load() {
		return false
	}
	for _, r := range p.all() {
		if r.recorded.Load() != r.taken.Load() || r.ended.Load() {
			return false
		}
	}
	return true
}

// rouse ends a rest. It costs one load while the Printer is busy.
func (p *Printer) rouse() {
	if p.resting.Load() && p.resting.CompareAndSwap(true, false) {
		select {
		case p.wake <- struct{}{}:
		default: // it is awake already
		}
	}
}

func appendLine(dst []byte, e *entry) []byte {
	scope := pytext.Scope(e.from.Addr())
	switch e.event {
	case Dropped:
		dst = append(dst, "Pretending to drop packet from "...)
		dst = pytext.AppendAddr(dst, e.from, scope)
	default:
		dst = append(dst, "The client at "...)
		dst = pytext.AppendAddr(dst, e.from, scope)
		dst = append(dst, " says "...)
		dst = pytext.AppendQuoted(dst, e.text)
	}
	return append(dst, '\n')
}
