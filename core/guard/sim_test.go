package guard_test

// A network in virtual time, with real servers on it: a server.Server's own worker runs the clock, by
// calling Receive. One goroutine moves at a time, and everything comes from a seed, so that a simulation
// goes the same way whenever it is run.

import (
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/guard"
	"github.com/retort-udp/retort/core/server"
)

// path is what befalls datagrams on their way.
type path struct {
	latency   time.Duration // one way
	jitter    time.Duration // added to it, evenly drawn from nothing to this
	lose      float64
	duplicate float64
}

// end is a peer on the network.
type end interface {
	receive(w *world, from netip.AddrPort, data []byte)
	alarm(w *world, number int)
}

// world is the network.
type world struct {
	path    path
	batch   int           // the most datagrams that a server receives at once
	busy    time.Duration // how long a server is at a batch before it receives the next
	until   time.Duration // when it ends at the latest
	stopped bool          // by an end that has seen enough

	now    time.Duration
	rng    *rand.Rand
	events []event // a heap by time
	number uint64
	ends   map[netip.AddrPort]end
	hosts  []*host
	free   [][]byte
	over   bool
}

// event is the arrival of a datagram, or an alarm when it has no data.
type event struct {
	at     time.Duration
	number uint64 // events at one time keep their order
	from   netip.AddrPort
	to     netip.AddrPort
	data   []byte
	end    end
	alarm  int
}

func newWorld(seed uint64, p path) *world {
	return &world{
		path: p, batch: 64, until: 1000 * time.Hour,
		rng: rand.New(rand.NewPCG(seed, 1)), ends: make(map[netip.AddrPort]end),
	}
}

// epoch is when simulations begin.
var epoch = time.Date(2026, 11, 22, 13, 40, 0, 0, time.UTC)

// send sends a copy of data.
func (w *world) send(from, to netip.AddrPort, data []byte) {
	n := 1
	if w.path.duplicate > 0 && w.rng.Float64() < w.path.duplicate {
		n = 2
	}
	if w.path.lose > 0 && w.rng.Float64() < w.path.lose {
		n--
	}
	for range n {
		delay := w.path.latency
		if w.path.jitter > 0 {
			delay += time.Duration(w.rng.Int64N(int64(w.path.jitter) + 1))
		}
		var buffer []byte
		if last := len(w.free) - 1; last >= 0 {
			buffer, w.free = w.free[last], w.free[:last]
		}
		w.push(event{at: w.now + delay, from: from, to: to, data: append(buffer[:0], data...)})
	}
}

// wake calls e.alarm(number) after a while.
func (w *world) wake(after time.Duration, e end, number int) {
	w.push(event{at: w.now + after, end: e, alarm: number})
}

func (w *world) push(e event) {
	e.number = w.number
	w.number++
	h := append(w.events, e)
	i := len(h) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !h[i].before(&h[parent]) {
			break
		}
		h[i], h[parent] = h[parent], h[i]
		i = parent
	}
	w.events = h
}

func (e *event) before(f *event) bool {
	return e.at < f.at || e.at == f.at && e.number < f.number
}

func (w *world) pop() event {
	h := w.events
	top, last := h[0], len(h)-1
	h[0] = h[last]
	h[last] = event{}
	h = h[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			break
		}
		if child+1 < last && h[child+1].before(&h[child]) {
			child++
		}
		if !h[child].before(&h[i]) {
			break
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
	w.events = h
	return top
}

// step lets the next thing happen, unless there is nothing more.
func (w *world) step() bool {
	if w.stopped || len(w.events) == 0 || w.events[0].at > w.until {
		return false
	}
	e := w.pop()
	w.now = max(w.now, e.at)
	if e.end != nil {
		e.end.alarm(w, e.alarm)
		return true
	}
	for _, h := range w.hosts {
		if h.addr == e.to {
			h.inbox = append(h.inbox, e)
			return true
		}
	}
	if peer := w.ends[e.to]; peer != nil {
		peer.receive(w, e.from, e.data)
	}
	w.free = append(w.free, e.data)
	return true
}

// host is the Conn of a server.
type host struct {
	world *world
	addr  netip.AddrPort
	turn  chan struct{} // holds one token when this host's goroutine may move
	moves bool
	freed time.Duration // when it is done with the batch at hand
	inbox []event
	taken int // of the inbox, by the batch at hand
}

func (w *world) listen(addr string) *host {
	h := &host{world: w, addr: netip.MustParseAddrPort(addr), turn: make(chan struct{}, 1)}
	w.hosts = append(w.hosts, h)
	return h
}

// run runs the servers, each on its host, until nothing more happens, and returns what they counted.
func (w *world) run(t testing.TB, servers ...*server.Server) []server.Stats {
	t.Helper()
	var all sync.WaitGroup
	w.hosts[0].turn <- struct{}{}
	stats := make([]server.Stats, len(servers))
	for i, s := range servers {
		all.Go(func() {
			if err := s.Serve(t.Context(), w.hosts[i]); err != nil {
				t.Errorf("Serve on %v: %v", w.hosts[i].addr, err)
			}
			stats[i] = s.Stats()
		})
	}
	all.Wait()
	return stats
}

// Receive lets the world go on until there is something to receive.
func (h *host) Receive(b *core.Batch) error {
	w := h.world
	h.wait()
	for _, e := range h.inbox[:h.taken] {
		w.free = append(w.free, e.data)
	}
	h.inbox = h.inbox[:copy(h.inbox, h.inbox[h.taken:])]
	h.taken = 0
	for {
		h.wait()
		for len(w.events) > 0 && w.events[0].at <= h.freed && w.step() {
		}
		if len(h.inbox) > 0 && !w.over {
			h.fill(b)
			return nil
		}
		if other := w.waiting(); other != nil {
			h.handOver(other)
			continue
		}
		if !w.step() || w.over {
			w.over = true
			for _, other := range w.hosts {
				if other != h {
					h.handOver(other)
				}
			}
			return core.ErrInterrupted
		}
	}
}

// wait waits until it is this host's turn to move.
func (h *host) wait() {
	if !h.moves {
		<-h.turn
		h.moves = true
	}
}

// handOver lets another host move.
func (h *host) handOver(to *host) {
	h.moves = false
	select {
	case to.turn <- struct{}{}:
	default:
	}
}

// waiting returns a host that has something to receive.
func (w *world) waiting() *host {
	for _, h := range w.hosts {
		if len(h.inbox) > 0 && !w.over {
			return h
		}
	}
	return nil
}

func (h *host) fill(b *core.Batch) {
	w := h.world
	w.now = max(w.now, h.freed)
	h.freed = w.now + w.busy
	h.taken = min(len(h.inbox), w.batch)
	b.Time = epoch.Add(w.now)
	b.Messages = b.Messages[:0]
	for _, e := range h.inbox[:h.taken] {
		b.Messages = append(b.Messages, core.Message{Data: e.data, From: e.from, To: h.addr})
	}
	b.More = len(h.inbox) > h.taken
}

func (h *host) Send(b *core.Batch) error {
	for _, r := range b.Replies {
		m := &b.Messages[r.Message]
		h.world.send(h.addr, m.From, r.Data)
	}
	return nil
}

func (h *host) Interrupt()                {}
func (h *host) LocalAddr() netip.AddrPort { return h.addr }
func (h *host) Close() error              { return nil }

// responder is a server of somebody else's: it answers each datagram at once, or not when answer returns
// nil.
type responder struct {
	addr   netip.AddrPort
	answer func(w *world, data []byte) []byte
}

func (w *world) respond(addr string, answer func(w *world, data []byte) []byte) *responder {
	r := &responder{netip.MustParseAddrPort(addr), answer}
	w.ends[r.addr] = r
	return r
}

func (r *responder) receive(w *world, from netip.AddrPort, data []byte) {
	if reply := r.answer(w, data); reply != nil {
		w.send(r.addr, from, reply)
	}
}

func (r *responder) alarm(*world, int) {}

// client is an honest client that keeps a number of requests outstanding. Its network loses nothing, so that
// whatever it misses for a second is what the server did not answer; then it asks again.
type client struct {
	addr    netip.AddrPort
	server  netip.AddrPort
	window  int
	think   time.Duration // between a reply and the next request
	left    int           // requests to send still; the world stops when there are no more
	request func(n int) []byte

	sent, got, lost int
	asked           time.Duration // when it last did
	waiting         bool          // for a reply, with a window of 1
}

// retry is when a client with one request outstanding gives the reply up for lost, beside the time that it
// may be on its way: later than anything is withheld.
const retry = 2 * time.Second

// What a client is woken for.
const (
	alarmAsk = iota
	alarmRetry
)

// start sends the first window of requests.
func (c *client) start(w *world) {
	w.ends[c.addr] = c
	for range c.window {
		c.ask(w)
	}
	if c.window == 1 {
		w.wake(c.patience(w), c, alarmRetry)
	}
}

func (c *client) patience(w *world) time.Duration {
	return retry + 2*(w.path.latency+w.path.jitter) + w.busy
}

func (c *client) ask(w *world) {
	if c.left == 0 {
		w.stopped = true
		return
	}
	c.left--
	data := c.request(c.sent)
	c.sent++
	c.asked, c.waiting = w.now, true
	w.send(c.addr, c.server, data)
}

func (c *client) receive(w *world, _ netip.AddrPort, _ []byte) {
	c.got++
	c.waiting = false
	if c.think > 0 {
		w.wake(c.think, c, alarmAsk)
		return
	}
	c.ask(w)
}

func (c *client) alarm(w *world, why int) {
	if why == alarmAsk {
		c.ask(w)
		return
	}
	if c.waiting && w.now-c.asked >= c.patience(w) {
		c.lost++
		c.ask(w)
	}
	w.wake(max(c.asked+c.patience(w)-w.now, time.Millisecond), c, alarmRetry)
}

// newWorker returns a guard's worker for a server that listens there.
func newWorker(t testing.TB, p *guard.Policy, h core.Handler, listening ...string) *guard.Worker {
	t.Helper()
	var addrs []netip.AddrPort
	for _, l := range listening {
		addrs = append(addrs, netip.MustParseAddrPort(l))
	}
	g, err := guard.New(p, addrs...)
	if err != nil {
		t.Fatal(err)
	}
	w := g.ForWorker(h)
	w.Begin(epoch)
	return w
}
