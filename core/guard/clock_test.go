package guard_test

import (
	"net/netip"
	"testing"
	"time"
	"unsafe"

	"github.com/retort-udp/retort/core/guard"
	"github.com/retort-udp/retort/core/guard/guardtest"
)

// stepped returns the time that the system says instead of at when somebody has set its clock by some seconds: the
// monotonic reading is the same. It has to know how a Time is laid out, and skips the test if it does not.
func stepped(t *testing.T, at time.Time, seconds int) time.Time {
	t.Helper()
	const nanoseconds = 30 // bits of the first word, below those of the seconds
	was := at
	*(*uint64)(unsafe.Pointer(&at)) += uint64(int64(seconds)) << nanoseconds
	if at.Sub(was) != 0 || at.UnixNano()-was.UnixNano() != int64(seconds)*int64(time.Second) {
		t.Skip("a Time is not what it was")
	}
	return at
}

// Whoever sets the clock of the system harms nobody: no prefix is refused that sends a tenth of its rate, and no reply
// is lost that was withheld from a peer that goes on.
func TestClockThatIsSet(t *testing.T) {
	for _, seconds := range []int{-3600, -3, -1, 1, 3600} {
		begin := time.Now()
		g := gateOf(t, firstWorker(t, &guard.Policy{Seed: 1}))
		var all []*sender
		for i := range 100 {
			all = append(all, &sender{addr: netip.AddrFrom4([4]byte{198, 18, byte(i), 1}), rate: guard.DefaultRate / 10})
		}
		for now := time.Duration(0); now < 4*time.Second; now += time.Millisecond {
			at := begin.Add(now)
			if now >= 2*time.Second {
				at = stepped(t, at, seconds)
			}
			g.w.Begin(at)
			for _, s := range all {
				s.send(g, now)
			}
		}
		for _, s := range all {
			if s.admitted != s.sent {
				t.Errorf("a step of %d s: %v sent %d and had %d admitted", seconds, s.addr, s.sent, s.admitted)
			}
		}

		c := &conversation{t: t, w: firstWorker(t, limited), from: netip.MustParseAddrPort("127.0.0.1:2000"), to: public}
		for i, want := range []int{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 2} {
			at := begin.Add(time.Duration(i) * soon)
			if i == 11 {
				at = stepped(t, at, seconds)
			}
			c.w.Begin(at)
			c.ask("a", "b", want)
		}
	}
}

// firstWorker returns the worker of a guard that has had no batch yet.
func firstWorker(t *testing.T, p *guard.Policy) *worker {
	t.Helper()
	g, err := guard.New(p, public)
	if err != nil {
		t.Fatal(err)
	}
	return &worker{Worker: g.ForWorker(silent)}
}

// A worker may begin with a batch that arrived before the first of another.
func TestArrivalsBeforeTheFirst(t *testing.T) {
	for _, ahead := range []time.Duration{0, time.Nanosecond, time.Second, time.Hour - time.Second, time.Hour, 2 * time.Hour, 1000 * time.Hour} {
		g, err := guard.New(&guard.Policy{LowPortExchanges: 10, Seed: 1}, public)
		if err != nil {
			t.Fatal(err)
		}
		g.ForWorker(silent).Begin(guardtest.Epoch.Add(ahead))
		w := &worker{Worker: g.ForWorker(silent)}
		gate := gateOf(t, w)
		s := &sender{addr: netip.MustParseAddr("198.51.100.7"), rate: 0.9 * guard.DefaultRate}
		heavy := &sender{addr: netip.MustParseAddr("203.0.113.7"), rate: 3 * guard.DefaultRate}
		for now := time.Duration(0); now < 3*time.Second; now += time.Millisecond {
			gate.at(now)
			s.send(gate, now)
			heavy.send(gate, now)
		}
		if s.admitted != s.sent {
			t.Errorf("%v before the first: of %d within the rate %d were admitted", ahead, s.sent, s.admitted)
		}
		if most := 3*guard.DefaultRate + burst; heavy.found == 0 || heavy.found > time.Second || heavy.admitted > most {
			t.Errorf("%v before the first: of %d above the rate %d were admitted", ahead, heavy.sent, heavy.admitted)
		}
		c := &conversation{
			t: t, w: w, now: 3 * time.Second, from: netip.MustParseAddrPort("127.0.0.1:2000"), to: public,
		}
		c.alternate(10)
		c.wait(soon).ask("a", "b", 0)
		c.wait(soon).ask("c", "d", 2)
	}
}
