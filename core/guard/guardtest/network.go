// Package guardtest is a network in virtual time, for tests of what a guard makes of servers, loops and clients.
// A [Network] loses, doubles, delays and reorders datagrams from a seed; on it are real servers, whose workers receive
// from its [Host]s, servers of other people's, which are [Service]s, and [Client]s. Virtual time passes as fast as the
// servers answer, so ten million datagrams take seconds; and a simulation goes the same way whenever it is run.
package guardtest

import (
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/server"
)

// Epoch is when simulations begin.
var Epoch = time.Date(2026, 11, 22, 13, 40, 0, 0, time.UTC)

// Path is what befalls datagrams on their way.
type Path struct {
	Latency   time.Duration // one way
	Jitter    time.Duration // added to it, evenly drawn from nothing to this
	Tail      time.Duration // added to it, exponentially drawn: a third is longer than this, and one in 150 five times as long
	Lose      float64       // this share
	Duplicate float64       // this share, and no more than once
}

// Network is a network with everybody on it. Its fields may be set before Run.
type Network struct {
	Path  Path
	Batch int                       // the most datagrams that a server receives at once
	Busy  time.Duration             // how long a server is at a batch before it receives the next
	Until time.Duration             // when everything ends, unless it does by itself
	Wrap  func(core.Conn) core.Conn // puts something around the Conns of the servers, if it is not nil

	now     time.Duration
	rng     *rand.Rand
	events  events
	number  uint64
	ends    map[netip.AddrPort]end
	hosts   []*Host
	free    [][]byte // of datagrams that have arrived
	stopped bool     // by an end that has seen enough
	over    bool     // for the hosts, which end one after the other
}

// end is a peer of the servers.
type end interface {
	receive(n *Network, from netip.AddrPort, data []byte)
	alarm(n *Network, why int)
}

// New returns an empty network.
func New(seed uint64, p Path) *Network {
	return &Network{
		Path: p, Batch: 64, Until: 100_000 * time.Hour,
		rng: rand.New(rand.NewPCG(seed, 1)), ends: make(map[netip.AddrPort]end),
	}
}

// Now is the time since Epoch.
func (n *Network) Now() time.Duration { return n.now }

// Pending is how many datagrams, and alarms of Clients, have yet to arrive.
func (n *Network) Pending() int { return len(n.events) }

// Send sends a copy of data. Nobody checks that it comes from there: that is how to forge.
func (n *Network) Send(from, to netip.AddrPort, data []byte) {
	copies := 1
	if n.Path.Duplicate > 0 && n.rng.Float64() < n.Path.Duplicate {
		copies = 2
	}
	if n.Path.Lose > 0 && n.rng.Float64() < n.Path.Lose {
		copies--
	}
	for range copies {
		delay := n.Path.Latency
		if n.Path.Jitter > 0 {
			delay += time.Duration(n.rng.Int64N(int64(n.Path.Jitter) + 1))
		}
		if n.Path.Tail > 0 {
			delay += time.Duration(n.rng.ExpFloat64() * float64(n.Path.Tail))
		}
		n.Deliver(n.now+delay, from, to, data)
	}
}

// Deliver has a copy of data arrive at a time of its own, whatever the path does to others.
func (n *Network) Deliver(at time.Duration, from, to netip.AddrPort, data []byte) {
	var buffer []byte
	if last := len(n.free) - 1; last >= 0 {
		buffer, n.free = n.free[last], n.free[:last]
	}
	n.push(event{at: at, from: from, to: to, data: append(buffer[:0], data...)})
}

// wake calls e.alarm(n, why) after a while.
func (n *Network) wake(after time.Duration, e end, why int) {
	n.push(event{at: n.now + after, end: e, why: why})
}

func (n *Network) push(e event) {
	e.number = n.number
	n.number++
	n.events.push(e)
}

// step lets the next thing happen, unless there is nothing more.
func (n *Network) step() bool {
	if n.stopped || len(n.events) == 0 || n.events[0].at > n.Until {
		return false
	}
	e := n.events.pop()
	n.now = max(n.now, e.at)
	if e.end != nil {
		e.end.alarm(n, e.why)
		return true
	}
	for _, h := range n.hosts {
		if h.addr == e.to {
			h.inbox = append(h.inbox, e)
			return true
		}
	}
	if peer := n.ends[e.to]; peer != nil {
		peer.receive(n, e.from, e.data)
	}
	n.free = append(n.free, e.data)
	return true
}

// Run runs the servers, each on the host that was made in its place, until nothing more happens, and returns what
// they counted.
func (n *Network) Run(t testing.TB, servers ...*server.Server) []server.Stats {
	t.Helper()
	var all sync.WaitGroup
	n.hosts[0].turn <- struct{}{}
	stats := make([]server.Stats, len(servers))
	for i, s := range servers {
		var c core.Conn = n.hosts[i]
		if n.Wrap != nil {
			c = n.Wrap(c)
		}
		all.Go(func() {
			if err := s.Serve(t.Context(), c); err != nil {
				t.Errorf("serve on %v: %v", c.LocalAddr(), err)
			}
			stats[i] = s.Stats()
		})
	}
	all.Wait()
	return stats
}

// event is the arrival of a datagram, or an alarm when it has an end.
type event struct {
	at     time.Duration
	number uint64 // events at one time keep their order
	from   netip.AddrPort
	to     netip.AddrPort
	data   []byte
	end    end
	why    int
}

func (e *event) before(f *event) bool {
	return e.at < f.at || e.at == f.at && e.number < f.number
}

// events is a heap by time. Package container/heap would allocate for each.
type events []event

func (h *events) push(e event) {
	all := append(*h, e)
	for i := len(all) - 1; i > 0; {
		parent := (i - 1) / 2
		if !all[i].before(&all[parent]) {
			break
		}
		all[i], all[parent] = all[parent], all[i]
		i = parent
	}
	*h = all
}

func (h *events) pop() event {
	all := *h
	first, last := all[0], len(all)-1
	all[0] = all[last]
	all[last] = event{}
	all = all[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			break
		}
		if child+1 < last && all[child+1].before(&all[child]) {
			child++
		}
		if !all[child].before(&all[i]) {
			break
		}
		all[i], all[child] = all[child], all[i]
		i = child
	}
	*h = all
	return first
}
