package load

// One worker: its share of the sockets, and the loop that keeps them busy.

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	// chore is how often a worker looks at what is not urgent: expired requests, the context, progress.
	chore = int64(time.Millisecond)

	// silence is how long a server may answer nothing at all, while requests get lost, before it is left
	// alone.
	silence      = int64(2 * time.Second)
	silentLosses = 5 // at least

	// drainTimeouts bounds the wait for the last replies, in timeouts.
	drainTimeouts = 10

	// maxRetired is how many ports are kept for late replies when they do not ask any longer.
	maxRetired = 256

	// sweeps is how often a port is emptied in search of strays; one that is flooded never is empty.
	sweeps = 64

	// How many requests are sent at once, and how many bytes they may have together.
	batch     = 64
	gsoBatch  = 1024
	maxPacked = 1 << 20

	// socketBuffer is what is asked of the kernel for each socket: room for the replies to a window.
	socketBuffer = 8 << 20

	// mostOutstanding bounds what an open loop may have outstanding on all sockets.
	mostOutstanding = 1 << 16

	// The range and precision of latencies, in nanoseconds and decimal digits.
	maxLatency = int64(time.Minute)
	digits     = 3
)

// port is a local port.
type port struct {
	socket
	ledger
	number int // in ids
}

// retiredPort is one whose requests were given up without knowing which: what still comes there is late.
type retiredPort struct {
	socket
	warmup uint64 // replies that are missing, to requests that are not counted
	owed   uint64 // and to those that are
}

// worker is one thread of a run. All times are its clock's.
type worker struct {
	o       *Options
	number  int // among the workers
	judge   judge
	clock   clock
	network network

	ports    []*port
	retired  []retiredPort // the oldest first
	requests []byte        // packed
	batch    int           // how many they are
	inbox    inbox

	mark, end int64  // of measuring
	stopped   int64  // when sending really ended
	pace      pace   // of an open loop
	warming   bool   // pace is that of the warm-up
	budget    uint64 // measured requests that a closed loop with a Count may still send
	sending   bool

	turn      int // the port that a round begins with
	swept     int // the port that was last asked for strays
	nextChore int64
	heard     int64 // when the last right reply came
	unheard   int   // requests that were lost since

	latencies *hdrhistogram.Histogram
	latency   int64 // that of the latest replies, so many of which are not in the histogram yet:
	repeated  int64

	strays    Counts // what no ledger has
	completed uint64 // right replies between mark and the end of sending
	idle      int64  // time in which there was nothing to do but wait, between the same
	unsent    uint64 // requests that were due and not sent
	problems  uint64 // errors of sockets
	problem   error  // the latest

	sent, answered, lost atomic.Uint64 // for others to read while it runs
}

// newWorker opens a worker's sockets: those of every Threads-th number.
func newWorker(o *Options, number int, c clock) (*worker, error) {
	w := &worker{
		o:         o,
		number:    number,
		judge:     newJudge(o),
		clock:     c,
		batch:     o.batch(),
		latencies: hdrhistogram.New(1, maxLatency, digits),
	}
	w.requests = newRequests(w.batch, o.Size)
	w.network = o.network(c)
	for i := number; i < o.Sockets; i += o.Threads {
		s, err := w.network.open()
		if err != nil {
			w.close()
			return nil, fmt.Errorf("socket %d of %d: %w", i+1, o.Sockets, err)
		}
		w.ports = append(w.ports, &port{s, newLedger(o.limit(i)), i})
	}
	return w, nil
}

// batch is how many requests are sent at once.
func (o *Options) batch() int {
	n := batch
	if o.GSO {
		n = gsoBatch
	}
	return max(1, min(n, maxPacked/max(1, o.Size)))
}

func (o *Options) network(c clock) network {
	j := newJudge(o)
	s := shape{target: o.Target, size: o.Size, most: j.most(), gso: o.GSO, buffer: socketBuffer, clock: c}
	switch {
	case o.sockets != nil:
		return o.sockets(s)
	case o.Portable:
		return newPortable(s)
	}
	return newNetwork(s)
}

// limit is how many requests socket i may have outstanding.
func (o *Options) limit(i int) int {
	switch {
	case o.Rate == 0:
		return int(share(uint64(o.Window), i, o.Sockets))
	case o.identified():
		return max(16, mostOutstanding/o.Sockets)
	}
	return 1 // so that a reply that is missing cannot be taken for one that is slow
}

// share is the part of total that the i-th of n has.
func share(total uint64, i, n int) uint64 { return (total + uint64(n-1-i)) / uint64(n) }

func (w *worker) close() {
	for _, p := range w.ports {
		p.close()
	}
	for _, p := range w.retired {
		p.close()
	}
}

// run asks, from start on, until the time is over, the context ends or the server is gone, and waits for the
// last replies.
func (w *worker) run(ctx context.Context, start int64) error {
	if w.network.thread() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
	}
	w.begin(start)
	err := w.ask(ctx)
	w.sending, w.stopped = false, w.clock.now()
	if err == nil {
		w.drain()
	}
	for _, p := range w.ports {
		w.abandon(p)
	}
	if err == nil {
		w.linger(ctx)
	}
	w.publish()
	return err
}

// ask keeps asking until that is over or the context ends.
func (w *worker) ask(ctx context.Context) error {
	for rounds := 0; ; {
		now := w.clock.now()
		if now >= w.nextChore {
			if err := w.chores(now); err != nil {
				return err
			}
			if ctx.Err() != nil {
				return nil
			}
		}
		if w.over(now) {
			w.unsent = w.pace.left()
			return nil
		}
		if w.round(now) {
			rounds = 0
			continue
		}
		w.network.rest(rounds, w.pause(now))
		rounds++
		if now >= w.mark {
			w.idle += w.clock.now() - now
		}
	}
}

func (w *worker) begin(start int64) {
	w.mark = start + int64(w.o.Warmup)
	w.end = w.mark + int64(w.o.Duration)
	w.heard = start
	w.sending = true
	w.budget = share(w.o.Count, w.number, w.o.Threads)
	for _, p := range w.ports {
		p.mark = w.mark
	}
	if w.o.Rate > 0 {
		w.warming = true
		w.pace = newPace(start, w.o.Rate, int64(w.o.Warmup), 0, w.number, w.o.Threads)
	}
}

// over says whether everything was sent that is to be sent. What an open loop owes it may pay until the
// timeout is over.
func (w *worker) over(now int64) bool {
	if w.o.Rate == 0 {
		return now >= w.end || w.o.Count > 0 && w.budget == 0
	}
	if w.warming && now >= w.mark {
		w.warming = false
		w.pace = newPace(w.mark, w.o.Rate, int64(w.o.Duration), w.o.Count, w.number, w.o.Threads)
	}
	switch {
	case w.warming:
		return false
	case w.pace.left() == 0:
		return now >= w.end || w.o.Count > 0
	}
	return now >= w.end+int64(w.o.Timeout)
}

// round receives and sends once on every port, and says whether there was anything to do.
func (w *worker) round(now int64) (busy bool) {
	due := 0
	if w.o.Rate > 0 {
		due = w.pace.ready(now, len(w.ports)*w.batch)
	}
	w.turn++
	for i := range w.ports {
		p := w.ports[(w.turn+i)%len(w.ports)]
		fair := (due + len(w.ports) - i - 1) / (len(w.ports) - i)
		want := w.quota(p, fair)
		if p.outstanding == 0 && want == 0 {
			continue
		}
		// A port that asks again is emptied first: what waits there is no reply to the new request.
		if w.receive(p) {
			busy = true
			want = w.quota(p, fair)
		}
		if n := w.send(p, want); n > 0 {
			busy = true
			due -= n
		}
	}
	return busy
}

// quota is how many requests to send from p: all that there is room for in a closed loop, a fair part of what
// is due in an open one.
func (w *worker) quota(p *port, fair int) int {
	n := p.room()
	switch {
	case !w.sending:
		return 0
	case w.o.Rate > 0:
		return min(n, fair)
	case w.o.Count > 0:
		return int(min(uint64(n), w.budget))
	}
	return n
}

// send sends n requests from p, fewer when the system has no room for them, and returns how many it sent.
func (w *worker) send(p *port, n int) (sent int) {
	for sent < n {
		count := min(n-sent, w.batch)
		packed := w.requests[:count*w.o.Size]
		if w.o.Size >= IDSize { // also where replies do not repeat it: captures are easier to read
			for i := range count {
				putID(packed[i*w.o.Size:], p.tail+uint64(i), p.number)
			}
		}
		now := w.clock.now()
		accepted, err := p.socket.send(packed, count)
		if err != nil {
			w.trouble(err)
		}
		w.enter(p, accepted, now)
		sent += accepted
		if accepted < count {
			break
		}
	}
	return sent
}

// enter enters n requests, which were sent now.
func (w *worker) enter(p *port, n int, now int64) {
	for range n {
		due := now
		if w.o.Rate > 0 {
			due, _ = w.pace.due(0)
			w.pace.issued++
		} else if due >= w.mark && w.budget > 0 {
			w.budget--
		}
		p.ledger.send(due, now)
	}
}

func (w *worker) trouble(err error) {
	w.problems++
	w.problem = err
}

// pause is how long a worker may rest.
func (w *worker) pause(now int64) time.Duration {
	until := w.nextChore
	if w.o.Rate > 0 {
		if at, ok := w.pace.due(0); ok && at > now { // one that is overdue waits for replies
			until = min(until, at)
		}
	}
	return time.Duration(until - now)
}
