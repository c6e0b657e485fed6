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

// BenchmarkDatagram is what an admitted datagram and its reply cost, in batches of 64.
func BenchmarkDatagram(b *testing.B) {
	reply := []byte("Your data was 32 bytes long")
	for _, bb := range []struct {
		name      string
		datagrams []core.Datagram
	}{
		{"one peer, loopback", crowd(1, true)},
		{"one peer", crowd(1, false)},
		{"64 peers, loopback", crowd(64, true)},
		{"64 peers", crowd(64, false)},
		{"10000 peers, loopback", crowd(10_000, true)},
		{"10000 peers", crowd(10_000, false)},
		{"a million sources", crowd(1_000_000, false)},
	} {
		b.Run(bb.name, func(b *testing.B) {
			w := newWorker(b, &guard.Policy{Rate: 1_000_000, Burst: 1_000_000}, silent, public.String())
			now := time.Now()
			i, n := 0, 0
			b.ReportAllocs()
			for b.Loop() {
				if n%64 == 0 {
					w.End()
					now = now.Add(64 * time.Microsecond)
					w.Begin(now)
				}
				n++
				d := &bb.datagrams[i]
				if i++; i == len(bb.datagrams) {
					i = 0
				}
				if _, v := w.Admit(d, false); v != guard.Admit {
					b.Fatal(v)
				}
				if w.Release() != nil {
					continue
				}
				w.Replied(d.Data, reply)
			}
		})
	}
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
			w.End()
		}); n != 0 {
			t.Errorf("from %s: %v allocations", from, n)
		}
	}
}
