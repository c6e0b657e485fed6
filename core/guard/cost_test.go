package guard_test

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/guard"
	"github.com/retort-udp/retort/core/guard/guardtest"
	"github.com/retort-udp/retort/core/reply"
)

// crowd returns datagrams from so many peers, each in a prefix of its own, off loopback or on it.
func crowd(peers int, loopback bool) []core.Datagram {
	rng := rand.New(rand.NewPCG(1, 2))
	all := make([]core.Datagram, peers)
	for i := range all {
		from := randomPeer(rng)
		if loopback {
			from = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(1024+i%60_000))
		}
		all[i] = core.Datagram{Data: make([]byte, 32), From: from, To: public}
	}
	return all
}

// passage walks a batch as a server does, through a guard or past it.
type passage struct {
	messages []core.Message
	batch    []core.Datagram // of them
	handler  core.Handler
	worker   *guard.Worker // nil: there is none
	dst      []byte
	now      time.Time
}

func (p *passage) walk() {
	if p.worker == nil {
		for i := range p.batch {
			if _, err := p.handler.Reply(p.dst, &p.batch[i]); err != nil {
				panic(err)
			}
		}
		return
	}
	p.worker.Begin(p.now)
	p.worker.Meet(p.messages)
	for i := range p.batch {
		d := &p.batch[i]
		limit, v := p.worker.Admit(i, d)
		if v != guard.Admit {
			continue
		}
		if p.worker.Release() != nil {
			continue
		}
		reply, err := p.handler.Reply(p.dst[:0:limit], d)
		if err != nil {
			panic(err)
		}
		p.worker.Replied(d.Data, reply)
	}
}

// BenchmarkCost is what the guard costs each datagram that it admits: batches of 64 go through it and past it in turn,
// and guard-ns is the median of the differences. The datagrams are in the processor's cache, as those are that were
// just received; the guard's tables may not be.
func BenchmarkCost(b *testing.B) {
	const size = 64
	for _, bb := range []struct {
		name     string
		loopback bool
		peers    int // 0: each datagram has another
		bytes    int
		handler  core.Handler
	}{
		{"one peer", false, 1, 32, reply.Length{}},
		{"one peer, loopback", true, 1, 32, reply.Length{}},
		{"one peer, echo", false, 1, 32, reply.Echo{}},
		{"256 peers", false, 256, 32, reply.Length{}},
		{"256 peers, loopback", true, 256, 32, reply.Length{}},
		{"10000 peers", false, 10_000, 32, reply.Length{}},
		{"all peers different", false, 0, 32, reply.Length{}},
		{"64 KiB", false, 1, core.MaxPayload4, reply.Length{}},
		{"64 KiB, 256 peers", false, 256, core.MaxPayload4, reply.Length{}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			known := crowd(max(bb.peers, 1), bb.loopback)
			rng := rand.New(rand.NewPCG(1, 2))
			payload := make([]byte, bb.bytes)
			past := &passage{batch: make([]core.Datagram, size), handler: bb.handler, dst: make([]byte, 0, core.MaxPayload4+1)}
			through := *past
			through.now = guardtest.Epoch
			through.worker = newWorker(b, &guard.Policy{Rate: 1_000_000, Burst: 60_000_000}, bb.handler, public.String()).Worker
			through.messages = make([]core.Message, size)
			var with, without, differences [1 << 13]float64 // of the last batches
			next, pairs := 0, 0
			b.ReportAllocs()
			for b.Loop() {
				for i := range past.batch {
					d := &past.batch[i]
					*d = known[next%len(known)]
					if next++; bb.peers == 0 {
						d.From = randomPeer(rng)
					}
					d.Data = payload
					through.messages[i] = core.Message{Data: payload, From: d.From, To: d.To}
				}
				through.now = through.now.Add(size * 2 * time.Microsecond)
				turns := [2]*passage{past, &through}
				if next/size%2 == 0 {
					turns[0], turns[1] = turns[1], turns[0]
				}
				var took [2]time.Duration
				for i, p := range turns {
					began := time.Now()
					p.walk()
					took[i] = time.Since(began)
				}
				on, off := took[1], took[0]
				if turns[0] == &through {
					on, off = off, on
				}
				at := pairs % len(with)
				with[at], without[at], differences[at] = float64(on)/size, float64(off)/size, float64(on-off)/size
				pairs++
			}
			pairs = min(pairs, len(with))
			b.ReportMetric(median(without[:pairs]), "without-ns")
			b.ReportMetric(median(with[:pairs]), "with-ns")
			b.ReportMetric(median(differences[:pairs]), "guard-ns")
		})
	}
}

func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}

// BenchmarkPrefixes is what looking up a source costs with thousands of prefixes.
func BenchmarkPrefixes(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	p := &guard.Policy{RateLimit: guard.Off, LoopGuard: guard.Off, Acknowledge: true}
	for range 10_000 {
		p.Deny = append(p.Deny, netip.PrefixFrom(randomPeer(rng).Addr(), 24))
	}
	w := newWorker(b, p, silent, public.String())
	datagrams := crowd(10_000, false)
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		w.Admit(&datagrams[i], false)
		if i++; i == len(datagrams) {
			i = 0
		}
	}
}

func TestDatagramsAllocateNothing(t *testing.T) {
	w := newWorker(t, &guard.Policy{LowPortExchanges: 2, Deny: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}},
		silent, "[::]:1060")
	for _, from := range []string{
		"127.0.0.1:2000", "192.0.2.1:40000", "10.0.0.1:40000", "[2001:db8::1]:1060", "[fe80::1%eth0]:1060", "[::1]:0",
	} {
		d := &core.Datagram{Data: make([]byte, 100), From: netip.MustParseAddrPort(from), To: netip.MustParseAddrPort("[2001:db8::2]:1060")}
		reply := make([]byte, 200)
		now := guardtest.Epoch
		if n := testing.AllocsPerRun(2000, func() {
			now = now.Add(time.Millisecond)
			w.Begin(now)
			if _, v := w.Admit(d, false); v == guard.Admit {
				w.Release()
				w.Replied(d.Data, reply)
				w.Fault()
			}
		}); n != 0 {
			t.Errorf("from %s: %v allocations", from, n)
		}
	}
}
