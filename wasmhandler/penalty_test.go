package wasmhandler_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/wasmhandler"
	"github.com/retort-udp/retort/wasmhandler/internal/race"
	"github.com/retort-udp/retort/wasmhandler/internal/wasmgen"
)

// sent is a datagram of a peer, so long after arrival.
func sent(data, from string, after time.Duration) *core.Datagram {
	d := datagram(data)
	d.From = netip.MustParseAddrPort(from)
	d.Time = arrival.Add(after)
	return d
}

// answered tells whether h's guest saw a datagram: "." is always answered.
func answered(t *testing.T, h core.Handler, from string, after time.Duration) bool {
	t.Helper()
	reply, err := h.Reply(room(100), sent(".", from, after))
	if err != nil {
		t.Fatal(err)
	}
	return reply != nil
}

// TestPenalty has a source cause faults: it is silenced for longer and longer, and forgiven in the end.
func TestPenalty(t *testing.T) {
	m := load(t, "fault", wasmhandler.Config{FaultAllowance: 3})
	h := forWorker(t, m)
	const from = "192.0.2.7:1000"
	now := time.Duration(0)
	for range 3 {
		fail(t, h, sent("u", from, now))
		if !answered(t, h, from, now) {
			t.Fatal("silenced within the allowance")
		}
	}
	silenced := uint64(0)
	for wait := 100 * time.Millisecond; wait < 10*time.Minute; wait *= 2 {
		fail(t, h, sent("u", from, now))
		bound := min(wait, time.Minute)
		for _, after := range []time.Duration{0, bound / 2, bound - 1} {
			if answered(t, h, from, now+after) {
				t.Fatalf("answered %v after a fault, with %v to wait", after, bound)
			}
			silenced++
		}
		if got := m.Stats().Silenced; got != silenced {
			t.Errorf("%d were counted as silenced, not %d", got, silenced)
		}
		now += bound
		if !answered(t, h, from, now) {
			t.Fatalf("still silenced after %v", bound)
		}
	}
	now += time.Hour // all is forgotten
	for range 3 {
		fail(t, h, sent("u", from, now))
	}
	if !answered(t, h, from, now) {
		t.Error("nothing was forgotten")
	}
	now += 10 * time.Second // one is
	fail(t, h, sent("u", from, now))
	if !answered(t, h, from, now) {
		t.Error("one should have been forgotten")
	}
	fail(t, h, sent("u", from, now))
	if answered(t, h, from, now) {
		t.Error("more than one was forgotten")
	}
}

// TestPenaltyPrefixes silences a source and says who shares its fate.
func TestPenaltyPrefixes(t *testing.T) {
	for _, test := range []struct{ from, shares, spared string }{
		{"192.0.2.7:1000", "192.0.2.255:2000", "192.0.3.7:1000"},
		{"192.0.2.7:1000", "[::ffff:192.0.2.9]:1000", "192.0.1.7:1000"},
		{"[2001:db8:0:12::1]:1000", "[2001:db8:0:ff:1::2]:2000", "[2001:db8:0:112::1]:1000"},
		{"127.0.0.1:1000", "127.0.0.1:1000", "127.0.0.1:1001"},
		{"127.0.0.1:1000", "127.0.0.1:1000", "127.0.0.2:1000"},
		{"[::1]:1000", "[::1]:1000", "[::1]:1001"},
		{"[fe80::1%2]:1000", "[fe80::1%2]:2000", "[fe80::2%2]:1000"},
	} {
		h := forWorker(t, load(t, "fault", wasmhandler.Config{FaultAllowance: 1}))
		for range 2 {
			fail(t, h, sent("u", test.from, 0))
		}
		if answered(t, h, test.from, 0) || answered(t, h, test.shares, 0) {
			t.Errorf("%s or %s is not silenced", test.from, test.shares)
		}
		if !answered(t, h, test.spared, 0) {
			t.Errorf("%s silenced %s", test.from, test.spared)
		}
	}
}

// TestPenaltyOff: a negative allowance has no end.
func TestPenaltyOff(t *testing.T) {
	h := forWorker(t, load(t, "fault", wasmhandler.Config{FaultAllowance: -1}))
	for range 1000 {
		fail(t, h, datagram("u"))
	}
}

// TestPenaltyDirect: callers that are no workers are protected as well.
func TestPenaltyDirect(t *testing.T) {
	m := load(t, "fault", wasmhandler.Config{FaultAllowance: 1})
	for range 2 {
		fail(t, m, datagram("u"))
	}
	if reply, err := m.Reply(room(100), datagram(".")); reply != nil || err != nil {
		t.Errorf("%q, %v", reply, err)
	}
}

// TestPenaltyClock sets the clock back: what was to come is forgotten, not waited for.
func TestPenaltyClock(t *testing.T) {
	h := forWorker(t, load(t, "fault", wasmhandler.Config{FaultAllowance: 1}))
	for range 2 {
		fail(t, h, sent("u", "192.0.2.7:1000", time.Hour))
	}
	if !answered(t, h, "192.0.2.7:1000", 0) {
		t.Error("silenced for an hour")
	}
}

// TestPenaltyAttack has an attacker send nothing but what makes the guest fault, at a thousand a second, from a few
// prefixes, and ten honest clients beside it. For ten minutes every honest datagram is answered, while of the
// attacker's few reach the guest.
func TestPenaltyAttack(t *testing.T) {
	m := load(t, "fault", wasmhandler.Config{Seed: 1})
	h := forWorker(t, m)
	random := rand.New(rand.NewPCG(1, 2))
	faults, datagrams := 0, 0
	for now := time.Duration(0); now < 10*time.Minute; now += time.Millisecond {
		attacker := fmt.Sprintf("203.0.%d.%d:%d", 100+random.IntN(4), 1+random.IntN(250), 1024+random.IntN(60000))
		if _, err := h.Reply(room(100), sent("u", attacker, now)); err != nil {
			faults++
		}
		datagrams++
		if now%(100*time.Millisecond) == 0 {
			honest := fmt.Sprintf("198.51.%d.7:5000", random.IntN(10))
			if !answered(t, h, honest, now) {
				t.Fatalf("%s got no answer after %v", honest, now)
			}
		}
	}
	// Four prefixes: eight free faults each, ten doublings, then one a minute.
	if most := 4 * (8 + 10 + 10); faults > most {
		t.Errorf("%d of %d datagrams reached the guest, of at most %d", faults, datagrams, most)
	}
	if s := m.Stats(); s.Silenced != uint64(datagrams-faults) || s.Faults[wasmhandler.CauseUnreachable] != uint64(faults) {
		t.Errorf("%+v", s)
	}
}

// TestPenaltyFlood has every fault come from another prefix, as forged sources do. The table forgets most of them,
// and honest clients are answered.
func TestPenaltyFlood(t *testing.T) {
	h := forWorker(t, load(t, "fault", wasmhandler.Config{FaultAllowance: 1}))
	random := rand.New(rand.NewPCG(3, 4))
	for i := range 20_000 {
		now := time.Duration(i) * time.Millisecond
		forged := fmt.Sprintf("%d.%d.%d.1:53", 1+random.IntN(100), random.IntN(256), random.IntN(256))
		if _, err := h.Reply(room(100), sent("u", forged, now)); err == nil {
			t.Logf("%s was silenced: it came a second time", forged)
		}
		if !answered(t, h, "198.51.100.7:5000", now) {
			t.Fatal("an honest client was silenced")
		}
	}
}

// TestPenaltyAllocates nothing, whether anybody is silenced or not.
func TestPenaltyAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	if !compilerHere() {
		t.Skip("wazero's interpreter allocates, and there is no compiler for this machine")
	}
	h := forWorker(t, load(t, "fault", wasmhandler.Config{FaultAllowance: 1}))
	dst, bad, good := room(100), sent("u", "192.0.2.7:1000", 0), sent(".", "198.51.100.7:5000", 0)
	reply := func() {
		for _, d := range []*core.Datagram{bad, good} {
			if _, err := h.Reply(dst, d); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 2 {
		fail(t, h, bad)
	}
	if n := testing.AllocsPerRun(100, reply); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkPenalty is what it costs to leave a datagram unanswered whose source is silenced.
func BenchmarkPenalty(b *testing.B) {
	h := forWorker(b, load(b, "fault", wasmhandler.Config{FaultAllowance: 1}))
	dst, bad := room(100), sent("u", "192.0.2.7:1000", 0)
	for range 2 {
		fail(b, h, bad)
	}
	for b.Loop() {
		if _, err := h.Reply(dst, bad); err != nil {
			b.Fatal(err)
		}
	}
}

// classifying is a handler that traps on every datagram, both when it is asked whether that is an answer and when it is
// asked for one.
func classifying() []byte {
	m := new(wasmgen.Module)
	trap := wasmgen.Code{}.Op(wasmgen.Unreachable)
	m.ExportFunction("retort_v1_is_response", "iii", "i", trap)
	return m.Handler(m.Function(wasmgen.ReplyParams, "i", trap))
}

// TestPenaltyClassifier: faults of a guest that is asked whether a datagram is an answer count as well, and the guest of
// a source that is silenced is not asked.
func TestPenaltyClassifier(t *testing.T) {
	m := compile(t, classifying(), wasmhandler.Config{FaultAllowance: 3})
	h := forWorker(t, m)
	c, ok := h.(core.Classifier)
	if !ok {
		t.Fatal("it is no core.Classifier")
	}
	for i := range 10 {
		// After the fourth fault nobody is asked: it is no answer, and gets none.
		if got, want := c.IsResponse(datagram("u")), i < 4; got != want {
			t.Errorf("number %d is an answer: %v", i, got)
		}
	}
	if s := m.Stats(); s.Faults[wasmhandler.CauseUnreachable] != 4 || s.Silenced != 0 {
		t.Errorf("%+v, want 4 faults", s)
	}
	if reply, err := h.Reply(room(100), datagram("u")); reply != nil || err != nil || m.Stats().Silenced != 1 {
		t.Errorf("%q, %v, %+v", reply, err, m.Stats())
	}
}
