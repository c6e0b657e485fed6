package guard_test

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/guard"
	"github.com/retort-udp/retort/core/guard/guardtest"
)

// flood is of sources that each come so many times, in batches that follow each other.
type flood struct {
	w     *worker
	rng   *rand.Rand
	times int

	now     time.Duration
	sources [64]netip.AddrPort // that come in turn
	next    int
}

// newFlood returns a flood that has filled the tables of a worker.
func newFlood(t *testing.T, p *guard.Policy, times int) *flood {
	f := &flood{w: newWorker(t, p, silent, public.String()), rng: rand.New(rand.NewPCG(1, uint64(times))), times: times}
	f.goOn(200_000, time.Second)
	return f
}

// goOn has n datagrams come within some time.
func (f *flood) goOn(n int, within time.Duration) {
	const batch = 64
	for i := range n {
		if i%batch == 0 {
			f.begin(within / time.Duration((n+batch-1)/batch))
		}
		at := f.next % len(f.sources)
		if f.next/len(f.sources)%f.times == 0 {
			f.sources[at] = randomPeer(f.rng)
		}
		f.next++
		d := &core.Datagram{Data: []byte("x"), From: f.sources[at], To: public}
		if _, v := f.w.Admit(d, false); v == guard.Admit {
			f.w.Replied(d.Data, []byte("reply"))
		}
	}
}

// begin ends the last batch, and begins another some time later.
func (f *flood) begin(after time.Duration) {
	for _, _, late := f.w.Late(); late; _, _, late = f.w.Late() {
	}
	f.now += after
	f.w.Begin(guardtest.Epoch.Add(f.now))
}

// exchange is a datagram of a peer in a batch of its own. It says whether its reply was sent, and whether another was
// released.
func (f *flood) exchange(t *testing.T, from netip.AddrPort) (sent, released bool) {
	t.Helper()
	f.begin(time.Microsecond)
	d := &core.Datagram{Data: []byte("y"), From: from, To: public}
	if _, v := f.w.Admit(d, false); v != guard.Admit {
		t.Fatal(v)
	}
	released = f.w.Release() != nil
	return f.w.Replied(d.Data, []byte("reply")), released
}

// A loop that begins while a flood fills the table has a place from its second datagram on, or soon after, and then
// its exchanges. The more of the flood come between two of it, and the more often each of its sources does, the later it
// has one.
func TestLoopsThatBeginInAFlood(t *testing.T) {
	const limit, further = 20, 5
	for _, tt := range []struct {
		times   int // that each source comes
		flood   int // datagrams between two of the loop
		between time.Duration
		loops   int
		late    float64 // exchanges without a place that are expected at most
		latest  int     // and of any loop
	}{
		{1, 20, 100 * time.Microsecond, 3000, 1.1, 6},
		{1, 1000, time.Millisecond, 100, 1.3, 6},
		{1, 10_000, 10 * time.Millisecond, 30, 1.6, 6},
		{1, 30_000, 30 * time.Millisecond, 100, 2.5, 15},
		{1, 100_000, 100 * time.Millisecond, 30, 12, 60},
		{2, 20, 100 * time.Microsecond, 3000, 1.5, 25},
		{2, 1000, time.Millisecond, 100, 3, 25},
		{2, 10_000, 10 * time.Millisecond, 30, 5, 25},
		{2, 30_000, 30 * time.Millisecond, 50, 12, 80},
		{2, 100_000, 100 * time.Millisecond, 10, 100, 300},
		{3, 20, 100 * time.Microsecond, 1000, 10, 600}, // they keep places for 50 ms and more
		{3, 1000, time.Millisecond, 100, 15, 150},
		{5, 20, 100 * time.Microsecond, 1000, 10, 600},
		{10, 20, 100 * time.Microsecond, 1000, 10, 600},
	} {
		if tt.flood*tt.loops > 300_000 && !long() || tt.flood*tt.loops > 60_000 && quick() {
			continue // it is among the simulations in full: go tool mage guard:simulate
		}
		f := newFlood(t, &guard.Policy{LowPortExchanges: limit, RateLimit: guard.Off, Seed: 7}, tt.times)
		sum, latest := 0, 0
		for i := range tt.loops {
			peer := netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)}), lowPort)
			lived := 1
			for sent, _ := f.exchange(t, peer); sent && lived <= 2000; lived++ {
				f.goOn(tt.flood, tt.between)
				sent, _ = f.exchange(t, peer)
			}
			late := lived - (limit + 1)
			sum, latest = sum+late, max(latest, late)
		}
		mean := float64(sum) / float64(tt.loops)
		report(t, "%d loops, %d datagrams between two of them, each source %d times: %.2f exchanges late, %d at most",
			tt.loops, tt.flood, tt.times, mean, latest)
		if mean > tt.late || latest > tt.latest+further {
			t.Errorf("%d datagrams between two of a loop, each source %d times: %.2f exchanges late, %d at most, want %v and %d",
				tt.flood, tt.times, mean, latest, tt.late, tt.latest)
		}
	}
}

// Sources that come again and again do not push out loops that were there before them.
func TestFloodOfSourcesThatComeAgain(t *testing.T) {
	for _, times := range []int{2, 3, 10} {
		const limit, loops, lead, flooded = 400, 40, 20, 200
		f := newFlood(t, &guard.Policy{LowPortExchanges: limit, RateLimit: guard.Off, Seed: 7}, times)
		f.begin(3 * time.Second) // everybody is forgotten
		lived := make([]int, loops)
		for round, over := 0, 0; over < loops && round < 2*limit; round++ {
			if round >= lead {
				f.goOn(flooded, time.Millisecond)
			}
			for i := range lived {
				if lived[i] < 0 {
					continue
				}
				lived[i]++
				peer := netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}), lowPort)
				if sent, _ := f.exchange(t, peer); !sent {
					if lived[i] != limit+1 {
						t.Errorf("sources come %d times: a loop lived %d datagrams, want %d", times, lived[i], limit+1)
					}
					lived[i] = -1
					over++
				}
			}
		}
		for i, n := range lived {
			if n >= 0 {
				t.Errorf("sources come %d times: loop %d lives after %d datagrams", times, i, n)
			}
		}
	}
}

// Honest clients lose no more in a flood than without one: one reply in 402 if they wait for each, and else none.
func TestHonestClientsInAFlood(t *testing.T) {
	for _, tt := range []struct {
		port  uint16
		every int // one of so many may be lost
	}{{lowPort, 402}, {clientPort, 65_538}} {
		if tt.port == clientPort && !long() {
			continue // it takes some ten million datagrams
		}
		for _, times := range []int{1, 2, 5} {
			for _, between := range []int{5, 20, 300} {
				exchanges := min(10*tt.every, 3_000_000/between)
				if quick() {
					exchanges /= 5
				}
				policy := &guard.Policy{RateLimit: guard.Off, Seed: 7}
				peer := netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, 7}), tt.port)

				f := newFlood(t, policy, times)
				for range exchanges {
					f.goOn(between, time.Millisecond)
					if answered, _ := f.exchange(t, peer); !answered {
						f.goOn(between, time.Second) // it comes late, or the peer asks again
					}
				}
				lost := f.w.Counts.Lost
				if lost > uint64(exchanges/tt.every) {
					t.Errorf("port %d, %d datagrams of sources that come %d times between two: of %d requests %d were lost",
						tt.port, between, times, exchanges, lost)
				}

				f = newFlood(t, policy, times)
				got := 0
				for range exchanges { // there is always another request on its way
					f.goOn(between, time.Millisecond)
					answered, released := f.exchange(t, peer)
					if answered {
						got++
					}
					if released {
						got++
					}
				}
				if got < exchanges-1 || f.w.Counts.Lost != 0 {
					t.Errorf("port %d, %d datagrams of sources that come %d times between two: of %d pipelined requests %d were answered",
						tt.port, between, times, exchanges, got)
				}
				report(t, "port %d, %d between, %d times: alternating, %d of %d were lost; pipelined, %+v", tt.port, between, times,
					lost, exchanges, f.w.Counts)
			}
		}
	}
}
