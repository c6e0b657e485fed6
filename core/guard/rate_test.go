package guard_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/guard"
	"github.com/retort-udp/retort/core/guard/guardtest"
)

var public = netip.MustParseAddrPort("192.0.2.1:1060")

// burst is the default Burst: a second's worth.
const burst = guard.DefaultRate

// gate asks a guard.Worker for verdicts, a batch at a time.
type gate struct {
	t testing.TB
	w *worker
	d *core.Datagram
}

func newGate(t testing.TB, p *guard.Policy) gate {
	t.Helper()
	return gateOf(t, newWorker(t, p, silent, public.String()))
}

func gateOf(t testing.TB, w *worker) gate { return gate{t, w, &core.Datagram{To: public}} }

// at begins a batch.
func (g gate) at(now time.Duration) {
	g.w.Begin(guardtest.Epoch.Add(now))
}

// admits says whether a datagram from addr is within its rate.
func (g gate) admits(addr netip.Addr) bool {
	g.t.Helper()
	g.d.From = netip.AddrPortFrom(addr, 40000)
	switch _, v := g.w.Admit(g.d, false); v {
	case guard.Admit:
		return true
	case guard.Rate:
		return false
	default:
		g.t.Fatalf("from %v: %v", addr, v)
		return false
	}
}

// sender sends at a steady rate from one address.
type sender struct {
	addr     netip.Addr
	rate     float64 // datagrams a second
	due      float64
	sent     int
	admitted int
	found    time.Duration // when it was first refused; 0: never
}

// send sends what is due in a millisecond.
func (s *sender) send(g gate, now time.Duration) {
	for s.due += s.rate / 1000; s.due >= 1; s.due-- {
		s.sent++
		if g.admits(s.addr) {
			s.admitted++
		} else if s.found == 0 {
			s.found = max(now, 1)
		}
	}
}

func TestRate(t *testing.T) {
	const length = 10 * time.Second
	for _, addr := range []string{"198.51.100.7", "2001:db8:0:ab::7"} {
		for _, tt := range []struct {
			times float64 // of the rate that is allowed
			found bool
		}{{0.1, false}, {0.5, false}, {0.95, false}, {2, true}, {3, true}, {10, true}, {50, true}} {
			g := newGate(t, &guard.Policy{Seed: 1})
			s := &sender{addr: netip.MustParseAddr(addr), rate: tt.times * guard.DefaultRate}
			for now := time.Duration(0); now < length; now += time.Millisecond {
				g.at(now)
				s.send(g, now)
			}
			t.Logf("%-18s %6.2f times the rate: %8d sent, %6d admitted, first refused after %v", addr, tt.times, s.sent, s.admitted, s.found)
			if !tt.found {
				if s.admitted != s.sent {
					t.Errorf("%s: of %v times its rate %d of %d were admitted", addr, tt.times, s.admitted, s.sent)
				}
				continue
			}
			if s.found == 0 || s.found > time.Second {
				t.Errorf("%s: %v times its rate was found after %v", addr, tt.times, s.found)
			}
			least := int(length.Seconds()) * guard.DefaultRate
			if most := least + burst; s.admitted < least || s.admitted > most*101/100 {
				t.Errorf("%s: of %v times its rate %d were admitted, want from %d to %d", addr, tt.times, s.admitted, least, most)
			}
		}
	}
}

// Within a prefix nobody gets more than his share by the moment at which he sends.
func TestRateRewardsNoRhythm(t *testing.T) {
	const each, length = 2 * guard.DefaultRate, 60 * time.Second
	a, b := netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("198.51.100.8")
	for _, tt := range []struct {
		rhythm time.Duration
		most   float64 // of what is admitted, for the first; were all refused that find the bucket full, it had 1
	}{
		{time.Millisecond, 0.51},
		{10 * time.Millisecond, 0.52},
		{100 * time.Millisecond, 0.62}, // he fills a fifth of the bucket at once
	} {
		rhythm := tt.rhythm
		g := newGate(t, &guard.Policy{Seed: 1})
		n := int(each * rhythm / time.Second)
		var admitted [2]int
		for now := time.Duration(0); now < length; now += rhythm {
			for i, addr := range []netip.Addr{a, b} { // a always sends just before b
				g.at(now + time.Duration(i)*time.Microsecond)
				for range n {
					if g.admits(addr) {
						admitted[i]++
					}
				}
			}
		}
		share := float64(admitted[0]) / float64(admitted[0]+admitted[1])
		t.Logf("bursts every %v: the first of two has %.3f of what is admitted", rhythm, share)
		if share > tt.most {
			t.Errorf("bursts every %v: the first of two has %.3f of what is admitted", rhythm, share)
		}
	}
}

// A bucket never refuses below its edge and always does when it is full, whatever was sent before and
// wherever the table's clock is.
func TestBucket(t *testing.T) {
	const period = 64 << 44 // nanoseconds, after which the clock of the table begins again
	const start = time.Hour // what it shows when the first batch arrives
	addr := netip.MustParseAddr("198.51.100.7")
	rng := rand.New(rand.NewPCG(3, 4))
	policies := 100
	if quick() {
		policies = 20
	}
	for range policies {
		p := &guard.Policy{Rate: 1 + rng.IntN(20_000), Seed: 1}
		p.Burst = 2 + rng.IntN(min(3*p.Rate, 1000))
		g := newGate(t, p)
		begin := guardtest.Epoch.Add(time.Duration(period*(1+rng.Int64N(100))-rng.Int64N(int64(time.Second))) - start)
		weight := math.Floor(1e9/float64(p.Rate)/64) * 64 / 1e9 // seconds
		edge, size := weight*float64(p.Burst)/2, weight*float64(p.Burst)
		const sloppy = 1e-6 // seconds: a tick, and more
		level, now := 0.0, time.Duration(0)
		for range 500 {
			step := time.Duration(rng.ExpFloat64() * size / 4 * 1e9)
			now += step
			level = max(0, level-step.Seconds())
			g.w.Begin(begin.Add(now))
			for range 1 + rng.IntN(max(1, p.Burst/3)) {
				switch admitted := g.admits(addr); {
				case !admitted && level < edge-weight*0.01-sloppy:
					t.Fatalf("rate %d, burst %d: refused at %.4f of the bucket", p.Rate, p.Burst, level/size)
				case admitted && level > size+sloppy:
					t.Fatalf("rate %d, burst %d: admitted at %.4f of the bucket", p.Rate, p.Burst, level/size)
				case admitted:
					level += weight
				}
			}
		}
	}
}

// Two addresses share a rate when they share a prefix, and else they do not.
func TestRateIsOfPrefixes(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, bits := range [][2]int{{24, 56}, {32, 128}, {1, 1}, {8, 32}, {20, 64}, {25, 65}} {
		g := newGate(t, &guard.Policy{Rate: 1, Burst: 2, Prefix4: bits[0], Prefix6: bits[1], Seed: 1})
		now := time.Duration(0)
		for range 500 {
			now += time.Minute // all buckets are dry
			g.at(now)
			four := rng.IntN(2) == 0
			a, b, differ := neighbours(rng, four)
			for n := 0; g.admits(a); n++ {
				if n == 10 {
					t.Fatalf("/%d, /%d: %v has no end of its share", bits[0], bits[1], a)
				}
			}
			prefix := bits[1]
			if four {
				prefix = bits[0]
			}
			if got, want := g.admits(b), differ < prefix; got != want {
				t.Errorf("/%d: %v has had its share; %v, which shares %d bits, is admitted: %v", prefix, a, b, differ, got)
			}
		}
	}
}

// neighbours returns two addresses that share a number of bits, and no more, which is that number.
func neighbours(rng *rand.Rand, four bool) (a, b netip.Addr, same int) {
	var raw [16]byte
	binary.BigEndian.PutUint64(raw[:], rng.Uint64())
	binary.BigEndian.PutUint64(raw[8:], rng.Uint64())
	raw[0] = 0x20 // no multicast, no loopback
	size := 128
	if four {
		size = 32
	}
	same = 8 + rng.IntN(size-8)
	other := raw
	other[same/8] ^= 0x80 >> (same % 8)
	if four {
		return netip.AddrFrom4([4]byte(raw[:4])), netip.AddrFrom4([4]byte(other[:4])), same
	}
	return netip.AddrFrom16(raw), netip.AddrFrom16(other), same
}

// While ten million sources flood, one datagram each, nobody else is refused, whoever sends too much is still found
// within a second, and the memory is what it was.
func TestFloodOfSources(t *testing.T) {
	const perMillisecond = 1000
	sources := 10_000_000
	if quick() {
		sources = 500_000
	}
	g := newGate(t, &guard.Policy{Seed: 1})
	rng := rand.New(rand.NewPCG(7, 8))
	var innocent, heavy []*sender
	for i := range 200 {
		innocent = append(innocent,
			&sender{addr: netip.AddrFrom4([4]byte{198, 18, byte(i), 1}), rate: 100},
			&sender{addr: netip.MustParseAddr(fmt.Sprintf("2001:db8:%x::1", i)), rate: 100})
	}
	for i := range 20 {
		innocent = append(innocent, &sender{addr: netip.AddrFrom4([4]byte{203, 1, byte(i), 1}), rate: 9 * guard.DefaultRate / 10})
	}
	for i := range 10 {
		heavy = append(heavy, &sender{addr: netip.AddrFrom4([4]byte{203, 0, byte(i), 1}), rate: 5 * guard.DefaultRate})
	}
	var before, after runtime.MemStats
	var residentBefore int
	refused := 0
	length := time.Duration(sources/perMillisecond) * time.Millisecond
	for now := time.Duration(0); now < length; now += time.Millisecond {
		if now == length/5 {
			residentBefore = resident()
			runtime.ReadMemStats(&before)
		}
		for part := range perMillisecond / 50 {
			g.at(now + time.Duration(part)*time.Microsecond)
			for range 50 {
				addr := randomPeer(rng).Addr()
				if rng.IntN(2) == 0 {
					var raw [16]byte
					binary.BigEndian.PutUint64(raw[:], rng.Uint64()>>3|1<<61) // 2000::/3
					addr = netip.AddrFrom16(raw)
				}
				if !g.admits(addr) {
					refused++
				}
			}
		}
		g.at(now + 900*time.Microsecond)
		for _, s := range innocent {
			s.send(g, now)
		}
		for _, s := range heavy {
			s.send(g, now)
		}
	}
	runtime.ReadMemStats(&after)
	grown := resident() - residentBefore

	for _, s := range innocent {
		if s.admitted != s.sent {
			t.Errorf("%v sent %d and had %d admitted", s.addr, s.sent, s.admitted)
		}
	}
	for _, s := range heavy {
		most := int(length.Seconds()*guard.DefaultRate) + burst
		if s.found == 0 || s.found > time.Second || s.admitted > most*101/100 {
			t.Errorf("%v sent %d, was found after %v and had %d admitted, want at most %d", s.addr, s.sent, s.found, s.admitted, most)
		}
	}
	allocated := after.Mallocs - before.Mallocs
	t.Logf("%d sources in %v: %d refused; %d objects allocated, resident memory grew by %d KiB",
		sources, length, refused, allocated, grown>>10)
	if refused > sources/1_000_000 {
		t.Errorf("%d of %d sources that came once were refused", refused, sources)
	}
	if allocated > 1000 { // the runtime's own
		t.Errorf("%d objects were allocated", allocated)
	}
	if grown > 4<<20 && !raced { // whose shadow grows with what is touched
		t.Errorf("resident memory grew by %d KiB", grown>>10)
	}
}

// resident returns the bytes of memory that the process has, as far as its system says.
func resident() int {
	data, err := os.ReadFile("/proc/self/statm")
	var size, pages int
	if err == nil {
		_, err = fmt.Sscan(string(data), &size, &pages)
	}
	if err != nil {
		return 0
	}
	return pages * os.Getpagesize()
}

// Workers that a prefix is spread over share its rate.
func TestWorkersShareRates(t *testing.T) {
	const workers, perBatch, length = 4, 16, 5 * time.Second
	g, err := guard.New(&guard.Policy{Seed: 1}, public)
	if err != nil {
		t.Fatal(err)
	}
	var admitted [workers]int
	var each [workers]gate
	for i := range each {
		each[i] = gateOf(t, &worker{Worker: g.ForWorker(silent)})
		each[i].w.Begin(guardtest.Epoch)
	}
	addrs := []netip.Addr{netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("198.51.100.8")}
	for now := time.Duration(0); now < length; now += time.Millisecond {
		var all sync.WaitGroup
		for i, g := range each {
			all.Go(func() {
				g.at(now)
				for n := range perBatch {
					if g.admits(addrs[n%2]) {
						admitted[i]++
					}
				}
			})
		}
		all.Wait()
	}
	total := 0
	for _, n := range admitted {
		total += n
	}
	least := int(length.Seconds() * guard.DefaultRate)
	most := least + burst*2 // what the bucket remembers
	t.Logf("%d workers admitted %v of one prefix in %v", workers, admitted, length)
	if total < least || total > most {
		t.Errorf("%d workers admitted %d of one prefix, want from %d to %d", workers, total, least, most)
	}
}

// A prefix that is spread over workers has its rate once, however little of it comes to each.
func TestSpreadPrefixHasItsRateOnce(t *testing.T) {
	for _, tt := range []struct {
		workers int
		every   time.Duration // between two datagrams to one worker
	}{
		{8, time.Millisecond}, // each sees the rate
		{16, 2 * time.Millisecond},
		{50, 10 * time.Millisecond},
	} {
		spread(t, tt.workers, tt.every, 0)
	}
}

// That holds too while so many others come that each worker forgets it between two of its datagrams.
func TestFloodDoesNotHideASpreadPrefix(t *testing.T) {
	if !long() {
		t.Skip("it takes 88 million datagrams: go tool mage guard:simulate")
	}
	spread(t, 4, 2*time.Millisecond, 6000)
	spread(t, 20, 10*time.Millisecond, 16_000)
}

// spread sends datagrams of one prefix to each of so many workers for two seconds, and between two of them those of
// so many strangers.
func spread(t *testing.T, workers int, every time.Duration, strangers int) {
	const length, burst = 2 * time.Second, 600
	g, err := guard.New(&guard.Policy{Burst: burst, Seed: 1}, public)
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddr("198.51.100.7")
	rng := rand.New(rand.NewPCG(9, 10))
	each := make([]gate, workers)
	for i := range each {
		each[i] = gateOf(t, &worker{Worker: g.ForWorker(silent)})
	}
	admitted := 0
	for now := time.Duration(0); now < length; now += every {
		for i, g := range each {
			g.at(now + every/2*time.Duration(i)/time.Duration(workers))
			if g.admits(addr) {
				admitted++
			}
		}
		for _, g := range each { // now its bucket is dry, as far as this worker knows
			g.at(now + every*99/100)
			for range strangers {
				g.admits(randomPeer(rng).Addr())
			}
		}
	}
	least := int(length.Seconds()) * guard.DefaultRate
	most := least + 2*burst // what a bucket remembers
	sent := workers * int(length/every)
	t.Logf("%d workers, %v between two datagrams to one: of %d datagrams %d were admitted", workers, every, sent, admitted)
	if admitted < least || admitted > most {
		t.Errorf("%d workers, %v between two datagrams to one: of %d datagrams %d were admitted, want from %d to %d",
			workers, every, sent, admitted, least, most)
	}
}

// What comes to many workers within a few milliseconds has one burst, give or take a batch and the 64th part that each
// may owe; and what one of them has been paid the others know soon after.
func TestSpreadBurst(t *testing.T) {
	const workers, batch, batches = 10, 10, 100
	addr := netip.MustParseAddr("198.51.100.7")
	g, err := guard.New(&guard.Policy{Seed: 1}, public)
	if err != nil {
		t.Fatal(err)
	}
	each := make([]gate, workers)
	for i := range each {
		each[i] = gateOf(t, &worker{Worker: g.ForWorker(silent)})
	}
	send := func(g gate, now time.Duration) (admitted int) {
		g.at(now)
		for range batch {
			if g.admits(addr) {
				admitted++
			}
		}
		return admitted
	}
	admitted := 0
	for n := range batches {
		for _, g := range each {
			admitted += send(g, time.Duration(n)*100*time.Microsecond)
		}
	}
	t.Logf("%d of %d in 10 ms were admitted", admitted, workers*batch*batches)
	if most := burst + workers*(burst/64+batch); admitted < burst/2 || admitted > most {
		t.Errorf("%d were admitted, want from %d to %d", admitted, burst/2, most)
	}

	const later, soon = time.Minute, 20 * time.Millisecond
	for _, g := range each {
		send(g, later)
	}
	for n := range 2 * burst / batch {
		send(each[0], later+time.Duration(n)*time.Microsecond)
	}
	admitted = 0
	for _, g := range each {
		admitted += send(g, later+soon)
	}
	if admitted > workers*batch/2 {
		t.Errorf("after one worker has filled the bucket the others admitted %d of %d", admitted, workers*batch)
	}
}

func TestSlip(t *testing.T) {
	g := newGate(t, &guard.Policy{Slip: 10, Seed: 1})
	s := &sender{addr: netip.MustParseAddr("198.51.100.7"), rate: 101_000}
	for now := time.Duration(0); now < 10*time.Second; now += time.Millisecond {
		g.at(now)
		s.send(g, now)
	}
	if got, want := int(g.w.Counts.Slipped), 100_000; got < want*95/100 || got > want*105/100 {
		t.Errorf("of a million above the rate %d were answered all the same, want about %d", got, want)
	}
}

// Faults cost their sender's prefix its rate, and nobody else.
func TestFaultsAreCharged(t *testing.T) {
	crafty, honest := netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("203.0.113.7")
	g := newGate(t, &guard.Policy{Seed: 1})
	faults := 0
	for now := time.Duration(0); now < 10*time.Second; now += time.Millisecond {
		g.at(now)
		if g.admits(crafty) {
			faults++
			g.w.Fault()
		}
		if !g.admits(honest) {
			t.Fatalf("an honest sender was refused at %v", now)
		}
	}
	if faults < 50 || faults > 120 { // ten a second, and ten at once
		t.Errorf("%d faults in ten seconds", faults)
	}
}

func TestRateAndLoopback(t *testing.T) {
	for _, tt := range []struct {
		limit guard.Switch
		from  string
		found bool
	}{
		{guard.Auto, "127.0.0.1", false},
		{guard.Auto, "::ffff:127.0.0.1", false},
		{guard.Auto, "::1", false},
		{guard.Auto, "192.0.2.1", true},
		{guard.On, "127.0.0.1", true},
		{guard.On, "::1", true},
		{guard.On, "192.0.2.1", true},
		{guard.Off, "192.0.2.1", false},
	} {
		g := newGate(t, &guard.Policy{RateLimit: tt.limit, Seed: 1})
		refused := false
		for range 2 * burst {
			refused = refused || !g.admits(netip.MustParseAddr(tt.from))
		}
		if refused != tt.found {
			t.Errorf("%v, from %s: refused: %v", tt.limit, tt.from, refused)
		}
	}
}
