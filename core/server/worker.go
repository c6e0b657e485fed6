package server

import (
	"errors"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/guard"
)

// idleEvery is how often, at most, an Idler gets its moment.
const idleEvery = 100 * time.Millisecond

// worker owns a Conn, a Batch and a handler. It shares nothing with other workers that is written for
// each datagram: it counts in a tally of its own and publishes that once a batch.
type worker struct {
	server  *Server
	conn    core.Conn
	guard   *guard.Guard
	handler core.Handler

	batch    *core.Batch
	message  int           // index of the message that datagram came in
	rest     []byte        // of that message: the segments behind datagram
	datagram core.Datagram // the one that is being answered

	tally    tally
	counters counters
	idled    time.Time
	faultLog throttle
	panicLog throttle
}

func newWorker(s *Server, c core.Conn, g *guard.Guard, h core.Handler) *worker {
	return &worker{server: s, conn: c, guard: g, handler: h, batch: core.NewBatch()}
}

// run serves until the Conn is interrupted.
func (w *worker) run() error {
	defer w.publish()
	for {
		if err := w.conn.Receive(w.batch); err != nil {
			if errors.Is(err, core.ErrInterrupted) {
				return nil
			}
			return err
		}
		if err := w.answer(); err != nil {
			return err
		}
		w.publish()
		w.idle()
	}
}

func (w *worker) publish() { w.counters.publish(&w.tally, &w.batch.Losses) }

// answer answers the batch. A handler that panics costs one datagram: walk is entered again behind it,
// so that the price of recovering is paid once a batch.
func (w *worker) answer() error {
	w.message, w.rest = -1, nil
	for {
		done, err := w.walk()
		if err != nil {
			return err
		}
		if done {
			return w.send()
		}
	}
}

// walk answers datagrams until the batch has no more, or until the handler panics.
func (w *worker) walk() (done bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			w.tally[panics]++
			w.panicked(p)
		}
	}()
	for w.next() {
		if err := w.answerOne(); err != nil {
			return false, err
		}
	}
	return true, nil
}

// next moves on to the next datagram of the batch.
func (w *worker) next() bool {
	d, messages := &w.datagram, w.batch.Messages
	if len(w.rest) == 0 {
		w.message++
		if w.message >= len(messages) {
			return false
		}
		m := &messages[w.message]
		d.From, d.To, d.Time = m.From, m.To, w.batch.Time
		if m.Segment == 0 {
			d.Data = m.Data
			return true
		}
		w.rest = m.Data
	}
	n := min(messages[w.message].Segment, len(w.rest))
	d.Data, w.rest = w.rest[:n:n], w.rest[n:]
	return true
}

// answerOne takes the datagram through the guard and the handler into the batch of replies. Its error
// is the Conn's.
func (w *worker) answerOne() error {
	d := &w.datagram
	w.tally[received]++
	w.tally[receivedBytes] += uint64(len(d.Data))
	if v := w.guard.Admit(d, w.handler); v != guard.Admit {
		w.tally[refused+counter(v)]++
		return nil
	}
	limit := core.MaxPayload(d.From.Addr())
	dst := w.batch.Room(limit)
	if dst == nil {
		if err := w.send(); err != nil {
			return err
		}
		dst = w.batch.Room(limit)
	}
	reply, err := w.handler.Reply(dst, d)
	switch {
	case err != nil:
		w.failed(err)
	case reply == nil:
		w.tally[silent]++
	case len(reply) > limit:
		w.tally[oversize]++
	default:
		w.batch.Answer(w.message, reply)
		w.tally[replied]++
		w.tally[repliedBytes] += uint64(len(reply))
	}
	return nil
}

// send sends the replies that are there.
func (w *worker) send() error {
	n := len(w.batch.Replies)
	if n == 0 {
		return nil
	}
	err := w.conn.Send(w.batch)
	w.counters.latency.observe(time.Since(w.batch.Time), uint64(n))
	w.batch.Clear()
	return err
}

// failed counts an error of the handler by its kind, and logs faults.
func (w *worker) failed(err error) {
	code, isCode := err.(core.Code)
	switch {
	case isCode:
		w.counters.count(code)
	case err == core.ErrMalformed || errors.Is(err, core.ErrMalformed):
		w.tally[malformed]++
	case errors.As(err, &code):
		w.counters.count(code)
	default:
		w.tally[faults]++
		if w.faultLog.allows(w.batch.Time) {
			w.log(slog.LevelWarn, "the handler failed", &w.faultLog, slog.Any("error", err))
		}
	}
}

// panicked logs what a handler panicked with, as long as its stack is still there to be shown.
func (w *worker) panicked(p any) {
	if w.panicLog.allows(w.batch.Time) {
		w.log(slog.LevelError, "the handler panicked", &w.panicLog,
			slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
	}
}

// idle gives an Idler its moment when nothing waits.
func (w *worker) idle() {
	if w.batch.More || w.batch.Time.Sub(w.idled) < idleEvery {
		return
	}
	w.idled = w.batch.Time
	if i, ok := core.As[core.Idler](w.handler); ok {
		defer func() {
			if p := recover(); p != nil {
				w.panicked(p)
			}
		}()
		i.Idle()
	}
}
