package guard_test

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/guard"
)

// hall is the workers of a guard in a crowd: so many strangers have come that a datagram that finds little in its bucket
// passes by.
type hall struct {
	t     testing.TB
	guard *guard.Guard
	each  []gate
	rng   *rand.Rand
	now   time.Duration
}

// newHall returns a hall with so many workers, which a crowd has just been to.
func newHall(t testing.TB, workers int, p *guard.Policy) *hall {
	t.Helper()
	g, err := guard.New(p, public)
	if err != nil {
		t.Fatal(err)
	}
	h := &hall{t: t, guard: g, rng: rand.New(rand.NewPCG(p.Seed, 14))}
	for range workers {
		h.each = append(h.each, h.newcomer())
	}
	for _, g := range h.each {
		h.crowd(g, 20_000)
	}
	h.at(100 * time.Millisecond) // what the strangers were charged for is dry
	return h
}

// newcomer returns another worker, which has had no crowd.
func (h *hall) newcomer() gate {
	g := gateOf(h.t, &worker{Worker: h.guard.ForWorker(silent)})
	g.at(h.now)
	return g
}

// crowd has so many strangers come to a worker.
func (h *hall) crowd(g gate, strangers int) {
	h.t.Helper()
	for range strangers {
		g.admits(randomPeer(h.rng).Addr())
	}
}

// at begins a batch at each worker.
func (h *hall) at(now time.Duration) {
	h.now = now
	for _, g := range h.each {
		g.at(now)
	}
}

// close ends the workers, which pay what they owe.
func (h *hall) close() {
	for _, g := range h.each {
		g.w.Close()
	}
}

// room returns how many datagrams from addr are admitted at once before its bucket is full, by a worker that has no
// crowd.
func room(g gate, addr netip.Addr) (admitted int) {
	g.t.Helper()
	for refused := 0; refused < 8000; refused++ {
		for ; g.admits(addr); refused = 0 {
			if admitted++; admitted == 10*burst {
				g.t.Fatalf("the bucket of %v has no bottom", addr)
			}
		}
	}
	return admitted
}

// prefixOf returns an address in a prefix of its own, that no stranger has.
func prefixOf(i int) netip.Addr { return netip.AddrFrom4([4]byte{172, byte(i >> 8), byte(i), 7}) }

// batch has a worker meet so many messages from each of addrs at once, in turn, of so many datagrams each. It returns
// how many were admitted of each, and calls admits after each of these.
func batch(g gate, addrs []netip.Addr, messages, datagrams int, admits func()) []int {
	g.t.Helper()
	var met []core.Message
	for range messages {
		for _, addr := range addrs {
			met = append(met, core.Message{From: netip.AddrPortFrom(addr, 40000), To: public})
		}
	}
	admitted := make([]int, len(addrs))
	g.w.Meet(met)
	for i, m := range met {
		for range datagrams {
			switch _, v := g.w.Worker.Admit(i, &core.Datagram{From: m.From, To: m.To}); v {
			case guard.Admit:
				admitted[i%len(addrs)]++
				admits()
			case guard.Rate:
			default:
				g.t.Fatalf("from %v: %v", m.From, v)
			}
		}
	}
	return admitted
}

// What is charged in a crowd is what is admitted: not for each prefix, for that is a matter of luck, but for all of
// them together, however their datagrams come. And the luck is that of independent draws.
func TestCrowdIsChargedForWhatIsAdmitted(t *testing.T) {
	const burst = 2000
	const paid = 8           // by one datagram of so many that pass by, for all of them
	const light = burst / 64 // what a bucket may hold before nothing of its prefix passes by
	const draws = light/paid + 1
	nothing := func() {}
	prefixes := 250
	switch {
	case long():
		prefixes = 2000
	case quick():
		prefixes = 50
	}
	for i, tt := range []struct {
		name    string
		workers int
		send    func(h *hall, addrs []netip.Addr, admitted []int)
	}{
		{"one by one", 1, func(h *hall, addrs []netip.Addr, admitted []int) {
			for range 200 {
				for i, addr := range addrs {
					if h.each[0].admits(addr) {
						admitted[i]++
					}
				}
			}
		}},
		{"one prefix after the other", 1, func(h *hall, addrs []netip.Addr, admitted []int) {
			for i, addr := range addrs {
				for range 200 {
					if h.each[0].admits(addr) {
						admitted[i]++
					}
				}
			}
		}},
		{"several in a batch", 1, func(h *hall, addrs []netip.Addr, admitted []int) {
			for i := 0; i < len(addrs); i += 5 {
				for range 10 {
					for j, n := range batch(h.each[0], addrs[i:i+5], 20, 1, nothing) {
						admitted[i+j] += n
					}
				}
			}
		}},
		{"many in a message", 1, func(h *hall, addrs []netip.Addr, admitted []int) {
			for i := 0; i < len(addrs); i += 5 {
				for j, n := range batch(h.each[0], addrs[i:i+5], 3, 60, nothing) {
					admitted[i+j] += n
				}
			}
		}},
		{"spread over workers", 20, func(h *hall, addrs []netip.Addr, admitted []int) {
			for range 10 {
				for _, g := range h.each {
					for i, addr := range addrs {
						if g.admits(addr) {
							admitted[i]++
						}
					}
				}
			}
		}},
		{"spread over workers that run at the same time", 8, func(h *hall, addrs []netip.Addr, admitted []int) {
			each := make([][]int, len(h.each))
			var all sync.WaitGroup
			for w, g := range h.each {
				each[w] = make([]int, len(addrs))
				all.Go(func() {
					for range 25 {
						for i, addr := range addrs {
							if g.admits(addr) {
								each[w][i]++
							}
						}
					}
				})
			}
			all.Wait()
			for _, counts := range each {
				for i, n := range counts {
					admitted[i] += n
				}
			}
		}},
		{"a few only", 1, func(h *hall, addrs []netip.Addr, admitted []int) {
			for range 2 * draws * paid { // so that hardly any has not had its draws
				for i, addr := range addrs {
					if h.each[0].admits(addr) {
						admitted[i]++
					}
				}
			}
		}},
	} {
		h := newHall(t, tt.workers, &guard.Policy{Rate: 1000, Burst: burst, Seed: 1 + uint64(i)})
		addrs, admitted := make([]netip.Addr, prefixes), make([]int, prefixes)
		for i := range addrs {
			addrs[i] = prefixOf(i)
		}
		tt.send(h, addrs, admitted)
		h.close()
		other := h.newcomer()
		sum, squares := 0.0, 0.0
		for i, addr := range addrs {
			over := float64(admitted[i] + room(other, addr) - burst)
			sum, squares = sum+over, squares+over*over
		}
		// Each of the draws waits for a number of datagrams that is geometrically distributed.
		mean, variance := sum/float64(prefixes), squares/float64(prefixes)
		expected := float64(draws * paid * (paid - 1))
		t.Logf("%s: each has %.2f more than its burst, with a variance of %.0f, want about 0 and %.0f", tt.name, mean, variance, expected)
		if bound := 4 * math.Sqrt(expected/float64(prefixes)); math.Abs(mean) > bound {
			t.Errorf("%s: each has %.2f more than its burst, want 0 within %.2f", tt.name, mean, bound)
		}
		if variance < expected/2 || variance > expected*2 {
			t.Errorf("%s: what each has more than its burst has a variance of %.0f, want about %.0f", tt.name, variance, expected)
		}
	}
}

// A prefix that other workers have found is refused in a crowd from its first datagram on, by one that has never seen it.
func TestCrowdHidesNobodyWhoIsKnown(t *testing.T) {
	h := newHall(t, 2, &guard.Policy{Seed: 1})
	busy := []netip.Addr{prefixOf(0), prefixOf(1), prefixOf(2)}
	finder := h.newcomer()
	for _, addr := range busy {
		finder.admits(addr)
		for range 2 * burst / guard.DefaultFaultCost {
			finder.w.Fault()
		}
	}
	finder.w.Close()
	for _, addr := range busy {
		for n := range 100 {
			if h.each[0].admits(addr) {
				t.Fatalf("datagram %d of %v was admitted", n, addr)
			}
		}
	}
	for i, n := range batch(h.each[1], busy, 20, 5, func() {}) {
		if n != 0 {
			t.Errorf("%d datagrams of %v were admitted", n, busy[i])
		}
	}
}

// Whatever comes at once, in one batch too, has its burst, give or take what passes by before the first draws.
func TestBurstsInACrowd(t *testing.T) {
	for seed := range uint64(20) {
		h := newHall(t, 1, &guard.Policy{Seed: 1 + seed})
		n := batch(h.each[0], []netip.Addr{prefixOf(0)}, 64, 64, func() {})[0]
		if n < burst-2*8 || n > burst+100 {
			t.Errorf("of 4,096 datagrams at once %d were admitted, want about %d", n, burst)
		}
	}
}

// A fault is paid once, whether its datagram passed by or not, and whatever becomes of the tab that it is noted on.
func TestFinesInACrowdArePaidOnce(t *testing.T) {
	const prefixes, cost = 50, 300
	h := newHall(t, 1, &guard.Policy{FaultCost: cost, Seed: 1})
	g := h.each[0]
	sum := 0
	for i := range prefixes {
		for range 5 {
			if g.admits(prefixOf(i)) {
				sum++
			}
		}
		g.w.Fault()
		sum += cost
		h.crowd(g, 20)
	}
	h.close()
	other := h.newcomer()
	for i := range prefixes {
		sum += room(other, prefixOf(i))
	}
	over := float64(sum)/prefixes - burst
	t.Logf("each has %.2f more than its burst", over)
	if math.Abs(over) > 4*math.Sqrt(5*7./prefixes) {
		t.Errorf("each has %.2f more than its burst", over)
	}
}

// Who makes the handler fail is found within a batch.
func TestFaultsOfOneBatchInACrowd(t *testing.T) {
	for seed := range uint64(50) {
		h := newHall(t, 1, &guard.Policy{Seed: 1 + seed})
		faults := batch(h.each[0], []netip.Addr{prefixOf(0)}, 64, 1, h.each[0].w.Fault)[0]
		if most := burst / guard.DefaultFaultCost; faults > most {
			t.Errorf("%d faults in one batch, want at most %d", faults, most)
		}
	}
}

// In a crowd a prefix has its rate in the long run, and nobody less, however it is spread over workers.
func TestRateInACrowd(t *testing.T) {
	length := 8 * time.Second
	switch {
	case long():
		length = time.Minute
	case quick():
		length = 2 * time.Second
	}
	for _, tt := range []struct {
		workers int
		every   time.Duration // between two datagrams to one worker
		batch   int           // how many come together
	}{
		{1, time.Millisecond * 10 / 9, 1},
		{1, 500 * time.Microsecond, 1},
		{1, 40 * time.Millisecond, 36},
		{1, 40 * time.Millisecond, 60},
		{2, time.Millisecond * 2 * 10 / 9, 1},
		{2, 3 * time.Millisecond / 2, 1},
		{20, time.Second, 45},
		{20, time.Second, 100},
		{20, 25 * time.Millisecond, 1},
		{20, 10 * time.Second / 600, 1},
		{20, 10 * time.Millisecond, 1},
		{50, 60 * time.Millisecond, 1},
		{50, 40 * time.Millisecond, 1},
		{50, 30 * time.Millisecond, 3},
	} {
		if quick() && tt.workers > 20 {
			continue
		}
		sources := 4000 + 20_000/tt.workers // strangers, a second and worker
		h := newHall(t, tt.workers, &guard.Policy{Seed: 1})
		addr := prefixOf(0)
		sent, admitted := 0, 0
		found := time.Duration(0)
		for now := h.now; now < length; now += tt.every {
			for i, g := range h.each {
				at := now + tt.every*time.Duration(i)/time.Duration(tt.workers)
				g.at(at)
				h.crowd(g, int(time.Duration(sources)*tt.every/time.Second)+1)
				for range tt.batch {
					sent++
					if g.admits(addr) {
						admitted++
					} else if found == 0 {
						found = at
					}
				}
			}
		}
		allowed := int(length.Seconds()) * guard.DefaultRate
		t.Logf("%d workers, %d each %v to one: of %d datagrams %d were admitted, the first refused after %v",
			tt.workers, tt.batch, tt.every, sent, admitted, found)
		if sent < allowed {
			if admitted != sent {
				t.Errorf("%d workers, %d each %v to one: of %d datagrams %d were admitted", tt.workers, tt.batch, tt.every, sent, admitted)
			}
			continue
		}
		if least, most := min(sent, allowed)*99/100, allowed+burst*5/4; admitted < least || admitted > most {
			t.Errorf("%d workers, %d each %v to one: of %d datagrams %d were admitted, want from %d to %d",
				tt.workers, tt.batch, tt.every, sent, admitted, least, most)
		}
		if sent >= 2*allowed && found > time.Second+100*time.Millisecond {
			t.Errorf("%d workers, %d each %v to one: found after %v", tt.workers, tt.batch, tt.every, found)
		}
	}
}

// Whether messages are met together says nothing about what becomes of their datagrams in a crowd, either: who comes to
// the edge of his bucket, or makes the handler fail, is known at once to those that come after him.
func TestMeetingInABusyCrowdChangesNothing(t *testing.T) {
	policy := &guard.Policy{Rate: guard.DefaultRate, Burst: 600, Seed: 1}
	together, single := newHall(t, 1, policy), newHall(t, 1, policy)
	rng := rand.New(rand.NewPCG(15, 16))
	refused := 0
	now := together.now
	for range 500 {
		now += time.Millisecond
		together.at(now)
		single.at(now)
		messages := make([]core.Message, 1+rng.IntN(200))
		for i := range messages {
			from := randomPeer(rng)
			if regular := rng.IntN(40); regular < 20 {
				from = netip.AddrPortFrom(prefixOf(regular*regular/20), 40000)
			}
			messages[i] = core.Message{From: from, To: public}
		}
		a, b := together.each[0].w, single.each[0].w
		a.Meet(messages)
		for i, m := range messages {
			d := &core.Datagram{From: m.From, To: m.To}
			for range 1 + rng.IntN(3) {
				_, want := b.Admit(d, false)
				if _, got := a.Worker.Admit(i, d); got != want {
					t.Fatalf("%v at %v: %v together, %v alone", m.From, now, got, want)
				}
				if want == guard.Rate {
					refused++
				} else if rng.IntN(500) == 0 {
					a.Fault()
					b.Fault()
				}
			}
		}
	}
	if refused < 1000 {
		t.Errorf("%d were refused", refused)
	}
}
