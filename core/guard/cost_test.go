package guard_test

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
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

// source is where a benchmark's datagrams come from.
type source struct {
	peers    int // 0: each datagram has another
	bytes    int
	loopback bool
}

// filler returns a function that returns the next batch; it is valid until the one after it.
func (s source) filler() func() []core.Datagram {
	known := crowd(max(s.peers, 1), s.loopback)
	rng := rand.New(rand.NewPCG(1, 2))
	payload := make([]byte, s.bytes)
	batch := make([]core.Datagram, 64)
	next := 0
	return func() []core.Datagram {
		for i := range batch {
			batch[i] = known[next%len(known)]
			if s.peers == 0 {
				batch[i].From = randomPeer(rng)
			}
			batch[i].Data = payload
			next++
		}
		return batch
	}
}

// passage walks a batch as a server does, through a guard or past it.
type passage struct {
	messages []core.Message
	batch    []core.Datagram // of them
	handler  core.Handler
	worker   *guard.Worker // nil: there is none
	dst      []byte
	now      *atomic.Int64 // nanoseconds
}

// take makes batch the next one to be walked.
func (p *passage) take(batch []core.Datagram) {
	p.batch, p.messages = batch, p.messages[:0]
	for i := range batch {
		p.messages = append(p.messages, core.Message{Data: batch[i].Data, From: batch[i].From, To: batch[i].To})
	}
}

func (p *passage) took() time.Duration {
	began := time.Now()
	p.walk()
	return time.Since(began)
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
	p.worker.Begin(guardtest.Epoch.Add(time.Duration(p.now.Load())))
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
// just received; the guard's tables may not be. Where there are two workers, the other one has the same peers at the
// same time.
func BenchmarkCost(b *testing.B) {
	const loose = 1_000_000 // datagrams a second and prefix
	for _, bb := range []struct {
		name    string
		workers int
		source  source
		handler core.Handler
		rate    int
	}{
		{"one peer", 1, source{peers: 1, bytes: 32}, reply.Length{}, loose},
		{"one peer, loopback", 1, source{peers: 1, bytes: 32, loopback: true}, reply.Length{}, loose},
		{"one peer, echo", 1, source{peers: 1, bytes: 32}, reply.Echo{}, loose},
		{"256 peers", 1, source{peers: 256, bytes: 32}, reply.Length{}, loose},
		{"256 peers, two workers", 2, source{peers: 256, bytes: 32}, reply.Length{}, loose},
		{"256 peers, loopback", 1, source{peers: 256, bytes: 32, loopback: true}, reply.Length{}, loose},
		{"10000 peers", 1, source{peers: 10_000, bytes: 32}, reply.Length{}, loose},
		{"10000 peers, two workers", 2, source{peers: 10_000, bytes: 32}, reply.Length{}, loose},
		{"all peers different", 1, source{bytes: 32}, reply.Length{}, loose},
		{"all peers different, default rate", 1, source{bytes: 32}, reply.Length{}, guard.DefaultRate},
		{"64 KiB", 1, source{peers: 1, bytes: core.MaxPayload4}, reply.Length{}, loose},
		{"64 KiB, 256 peers", 1, source{peers: 256, bytes: core.MaxPayload4}, reply.Length{}, loose},
	} {
		b.Run(bb.name, func(b *testing.B) {
			// A bucket is as long as at the defaults, a second; a loose one refuses nobody.
			g, err := guard.New(&guard.Policy{Rate: bb.rate, Burst: bb.rate}, public)
			if err != nil {
				b.Fatal(err)
			}
			var now atomic.Int64
			past := &passage{handler: bb.handler, dst: make([]byte, 0, core.MaxPayload4+1)}
			through := make([]*passage, bb.workers)
			for i := range through {
				through[i] = &passage{
					handler: bb.handler, dst: make([]byte, 0, core.MaxPayload4+1), worker: g.ForWorker(bb.handler), now: &now,
				}
			}
			for _, other := range through[1:] {
				stop := make(chan struct{})
				var stopped sync.WaitGroup
				stopped.Go(func() {
					for fill := bb.source.filler(); ; other.walk() {
						select {
						case <-stop:
							return
						default:
							other.take(fill())
						}
					}
				})
				defer stopped.Wait()
				defer close(stop)
			}
			compare(b, bb.source, past, through[0])
		})
	}
}

// compare walks the same batches past the guard and through it.
func compare(b *testing.B, from source, past, through *passage) {
	fill := from.filler()
	var with, without, differences [1 << 13]float64 // of the last batches
	pairs := 0
	b.ReportAllocs()
	for b.Loop() {
		batch := fill()
		past.take(batch)
		through.take(batch)
		through.now.Add(int64(len(batch) * 2 * int(time.Microsecond)))
		var on, off time.Duration
		if pairs%2 == 0 {
			off, on = past.took(), through.took()
		} else {
			on, off = through.took(), past.took()
		}
		at, size := pairs%len(with), float64(len(batch))
		with[at], without[at], differences[at] = float64(on)/size, float64(off)/size, float64(on-off)/size
		pairs++
	}
	pairs = min(pairs, len(with))
	b.ReportMetric(median(without[:pairs]), "without-ns")
	b.ReportMetric(median(with[:pairs]), "with-ns")
	b.ReportMetric(median(differences[:pairs]), "guard-ns")
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
