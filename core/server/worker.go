package server

import (
	"errors"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/guard"
)

// sampleEvery is of how many datagrams the handler's time is taken for one: two looks at the clock for each would
// cost more than many a handler.
const sampleEvery = 256

// idleEvery is how often, at most, an Idler gets its moment.
const idleEvery = 100 * time.Millisecond

// worker owns a Conn, a Batch and a handler. It shares nothing with other workers that is written for
// each datagram: it counts in a tally of its own and publishes that once a batch.
type worker struct {
	server  *Server
	conn    core.Conn
	shield  *guard.Guard  // all workers'
	guard   *guard.Worker // this one's side of it
	handler core.Handler

	batch    *core.Batch
	arrived  int           // how many of its messages have; behind them are those that withheld replies answer
	message  int           // index of the message that datagram came in
	rest     []byte        // of that message: the segments behind datagram
	datagram core.Datagram // the one that is being answered
	asking   bool          // the handler: that it panics is due to the datagram, and its sender pays
	untold   bool          // that it panicked: who observes is to know

	observation Observation // for who wants to know; used again and again

	untimed    int // datagrams until the handler's time is taken
	tally      tally
	counters   counters
	idled      time.Time
	faultLog   throttle
	panicLog   throttle
	refusalLog [guard.Verdicts]throttle
}

func newWorker(s *Server, c core.Conn, g *guard.Guard, h core.Handler) *worker {
	return &worker{server: s, conn: c, shield: g, guard: g.ForWorker(h), handler: h, batch: core.NewBatch()}
}

// run serves until the Conn is interrupted.
func (w *worker) run() error {
	defer w.end()
	for {
		w.batch.Until = w.guard.Until()
		if err := w.conn.Receive(w.batch); err != nil {
			if errors.Is(err, core.ErrInterrupted) {
				return w.releaseAll()
			}
			return err
		}
		w.guard.Begin(w.batch.Time)
		if err := w.answer(); err != nil {
			return err
		}
		w.publish()
		w.idle()
	}
}

// releaseAll sends the replies that are withheld still. Their peers may go on with another server, which has taken
// over the socket.
func (w *worker) releaseAll() error {
	b := w.batch
	b.Messages, b.Time = b.Messages[:0], time.Now()
	b.Clear()
	w.guard.Begin(b.Time) // with it, what has waited for long enough to end a loop is lost
	w.guard.ReleaseAll()
	return w.answer()
}

// releaseLate releases replies that were withheld, each without another datagram of its peer. The messages that they
// answer go behind those that have arrived.
func (w *worker) releaseLate() error {
	b := w.batch
	for {
		m, reply, ok := w.guard.Late()
		if !ok {
			return nil
		}
		dst, err := w.room(len(reply))
		if err != nil {
			return err
		}
		w.message, b.Messages = len(b.Messages), append(b.Messages, m)
		w.datagram = core.Datagram{From: m.From, To: m.To, Time: b.Time}
		w.release(dst, reply)
	}
}

// release puts a reply that was withheld into the batch, to the message at hand. Dst has room for it.
func (w *worker) release(dst, withheld []byte) {
	w.reply(append(dst, withheld...))
	w.observe(Observation{Outcome: Released, Reply: withheld})
}

// publish makes the counts public, at the end of a batch.
func (w *worker) publish() {
	if lost := w.guard.Counts.Lost; lost > 0 {
		w.logRefusal(guard.Loop, w.guard.Counts.LostFrom.Addr())
	}
	w.counters.publish(&w.tally, &w.batch.Losses, &w.guard.Counts)
}

// end publishes what is left to count.
func (w *worker) end() {
	w.guard.Close()
	w.publish()
}

// answer answers the batch that has begun, and releases what is late. A handler that panics costs one datagram: walk is
// entered again behind it, so that the price of recovering is paid once a batch.
func (w *worker) answer() error {
	w.guard.Meet(w.batch.Messages)
	w.arrived, w.message, w.rest = len(w.batch.Messages), -1, nil
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

// walk answers datagrams until the batch has no more, and releases what is late, or until somebody panics.
func (w *worker) walk() (done bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			w.tally[panics]++
			w.panicked(p)
			if w.asking { // else it was who observes, and has no need to be told
				w.guard.Fault()
				w.untold = true
			}
		}
	}()
	if w.untold { // here, because who observes may panic, too
		w.untold = false
		w.observe(Observation{Outcome: Fault})
	}
	for w.next() {
		if err := w.answerOne(); err != nil {
			return false, err
		}
	}
	return true, w.releaseLate()
}

// next moves on to the next datagram of the batch.
func (w *worker) next() bool {
	d, messages := &w.datagram, w.batch.Messages
	if len(w.rest) == 0 {
		w.message++
		if w.message >= w.arrived {
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
	w.asking = true // whether it is an answer
	limit, verdict := w.guard.Admit(w.message, d)
	if verdict != guard.Admit {
		w.refuse(verdict)
		return nil
	}
	if withheld := w.guard.Release(); withheld != nil {
		dst, err := w.room(len(withheld))
		if err != nil {
			return err
		}
		w.release(dst, withheld)
	}
	dst, err := w.room(limit)
	if err != nil {
		return err
	}
	reply, err := w.ask(dst)
	switch {
	case err != nil:
		w.failed(err)
		w.observeError(err)
	case reply == nil:
		w.tally[silent]++
		w.observe(Observation{Outcome: Silent})
	case len(reply) > limit:
		w.tooLong(len(reply))
	case w.guard.Replied(d.Data, reply):
		w.reply(reply)
		w.observe(Observation{Outcome: Replied, Reply: reply})
	default:
		w.observe(Observation{Outcome: Withheld})
	}
	return nil
}

// ask has the handler answer the datagram at hand.
func (w *worker) ask(dst []byte) ([]byte, error) {
	w.asking = true
	if w.untimed > 0 {
		w.untimed--
		return w.handler.Reply(dst, &w.datagram)
	}
	w.untimed = sampleEvery - 1
	start := time.Now()
	reply, err := w.handler.Reply(dst, &w.datagram)
	w.counters.handling.observe(time.Since(start), 1)
	return reply, err
}

// room returns room for a reply of at most limit bytes. When the batch has none it sends what is there.
func (w *worker) room(limit int) ([]byte, error) {
	if dst := w.batch.Room(limit); dst != nil {
		return dst, nil
	}
	if err := w.send(); err != nil {
		return nil, err
	}
	return w.batch.Room(limit), nil
}

// reply puts a reply to the message at hand into the batch.
func (w *worker) reply(data []byte) {
	w.batch.Answer(w.message, data)
	w.tally[replied]++
	w.tally[repliedBytes] += uint64(len(data))
}

// refuse counts a datagram that the guard does not let us answer.
func (w *worker) refuse(v guard.Verdict) {
	w.tally[refused+counter(v)]++
	w.logRefusal(v, w.datagram.From.Addr())
	w.observe(Observation{Outcome: Refused, Verdict: v})
}

// tooLong counts a reply of n bytes, which is more than it may have.
func (w *worker) tooLong(n int) {
	if n <= core.MaxPayload(w.datagram.From.Addr()) {
		w.refuse(guard.Amplification)
		return
	}
	w.tally[oversize]++
	w.observe(Observation{Outcome: Oversize})
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
		w.guard.Fault()
		if w.faultLog.allows(w.batch.Time, logEvery) {
			w.log(slog.LevelWarn, "the handler failed", &w.faultLog, slog.Any("error", err))
		}
	}
}

// logRefusal logs that a datagram from an address was refused. It names the prefix, for there may be many
// like it.
func (w *worker) logRefusal(v guard.Verdict, from netip.Addr) {
	if t := &w.refusalLog[v]; w.server.Log != nil && t.allows(w.batch.Time, refusalEvery) {
		w.logLine(slog.LevelInfo, "refused", t, slog.Any("reason", v), slog.Any("prefix", w.shield.Prefix(from)))
	}
}

// panicked logs what a handler panicked with, as long as its stack is still there to be shown.
func (w *worker) panicked(p any) {
	if w.panicLog.allows(w.batch.Time, logEvery) {
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
