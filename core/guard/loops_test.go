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

// A flood of sources that come once does not push a loop out of the table, nor does it keep one out that
// begins meanwhile, slow or fast.
func TestFloodDoesNotHideLoops(t *testing.T) {
	for _, tt := range []struct {
		name    string
		flood   int           // datagrams between two of the loop
		between time.Duration // two of the loop
		lead    int           // exchanges of the loop before the flood begins
		limit   int           // of exchanges
		loops   int
		most    int // datagrams that any of them may live
	}{
		{"fast, it was there before", 20, 100 * time.Microsecond, 20, 400, 20, 401},
		{"slow, it was there before", 100_000, 200 * time.Millisecond, 20, 50, 4, 51},
		{"fast, it begins meanwhile", 20, 100 * time.Microsecond, 0, 400, 20, 404},
		{"slow, it begins meanwhile", 100_000, 100 * time.Millisecond, 0, 20, 4, 60},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.flood > 1000 && !long() {
				t.Skip("it takes some five million datagrams: go tool mage guard:simulate")
			}
			w := newWorker(t, &guard.Policy{LowPortExchanges: tt.limit, RateLimit: guard.Off, Seed: 7}, silent, "192.0.2.1:1060")
			us := netip.MustParseAddrPort("192.0.2.1:1060")
			rng := rand.New(rand.NewPCG(1, 2))
			now := time.Duration(0)
			flood := func(n int) {
				for i := range n {
					if i%64 == 0 {
						w.Begin(guardtest.Epoch.Add(now + tt.between*time.Duration(i)/time.Duration(n)))
					}
					d := &core.Datagram{Data: []byte("x"), From: randomPeer(rng), To: us}
					if _, v := w.Admit(d, false); v == guard.Admit {
						w.Replied(d.Data, []byte("reply"))
					}
				}
			}
			if tt.lead == 0 {
				for range 100 {
					flood(1000) // the table is full
				}
				now += tt.between
			}
			lived := make([]int, tt.loops)
			over := 0
			for round := 0; over < tt.loops && round < 2*tt.most; round++ {
				if round >= tt.lead {
					flood(tt.flood)
				}
				now += tt.between
				w.Begin(guardtest.Epoch.Add(now))
				for i := range lived {
					if lived[i] < 0 {
						continue
					}
					d := &core.Datagram{Data: []byte("y"), From: netip.AddrPortFrom(us.Addr().Next(), uint16(2000+i)), To: us}
					if _, v := w.Admit(d, false); v != guard.Admit {
						t.Fatal(v)
					}
					lived[i]++
					if !w.Replied(d.Data, []byte("reply")) {
						report(t, "a loop lived %d datagrams", lived[i])
						if lived[i] > tt.most {
							t.Errorf("a loop lived %d datagrams, the most is %d", lived[i], tt.most)
						}
						lived[i] = -1
						over++
					}
				}
			}
			if over < tt.loops {
				t.Errorf("%d of %d loops are over", over, tt.loops)
			}
		})
	}
}

// randomPeer is any IPv4 address that can be a source, and any port.
func randomPeer(rng *rand.Rand) netip.AddrPort {
	n := rng.Uint32()
	addr := [4]byte{byte(1 + n>>24%126), byte(n >> 16), byte(n >> 8), byte(n)}
	return netip.AddrPortFrom(netip.AddrFrom4(addr), uint16(1024+rng.IntN(60_000)))
}
