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

// Whether the messages of a batch are met together, in parts or one by one says nothing about what becomes of their
// datagrams.
func TestMeetingTogetherChangesNothing(t *testing.T) {
	seen, counts := meetTogether(t, 40, someMessage)
	for _, v := range []guard.Verdict{
		guard.Admit, guard.PortZero, guard.Multicast, guard.Own, guard.Denied, guard.Group, guard.Rate, guard.Returned,
	} {
		if seen[v] == 0 {
			t.Errorf("no datagram had the verdict %v: %v", v, seen)
		}
	}
	if counts.Withheld == 0 || counts.Released == 0 || counts.Lost == 0 {
		t.Errorf("%+v", counts)
	}
}

// Nor does it where a crowd passes through the tables, and takes places away that others had when they were met.
func TestMeetingInACrowdChangesNothing(t *testing.T) {
	regulars, next := crowd(200, false), 0
	_, counts := meetTogether(t, guard.DefaultRate, func(rng *rand.Rand) core.Message {
		d := regulars[next%len(regulars)]
		if rng.IntN(2) == 0 {
			d.From = randomPeer(rng)
		} else {
			next++
		}
		return core.Message{Data: d.Data[:rng.IntN(3)], From: d.From, To: d.To}
	})
	if counts.Withheld == 0 {
		t.Errorf("%+v", counts)
	}
}

// meetTogether has three workers answer the same batches of such messages, which they meet together, in parts, and one
// by one. It returns how many datagrams had each verdict, and what else a worker did.
func meetTogether(t *testing.T, burst int, message func(*rand.Rand) core.Message) (seen [guard.Verdicts]int, counts guard.Counts) {
	t.Helper()
	policy := &guard.Policy{
		Rate: guard.DefaultRate, Burst: burst, LowPortExchanges: 3, ClientPortExchanges: 5, Seed: 1,
		Deny: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/25")},
	}
	rng := rand.New(rand.NewPCG(11, 12))
	together, parts, single := newWorker(t, policy, silent, "[::]:1060"), newWorker(t, policy, silent, "[::]:1060"),
		newWorker(t, policy, silent, "[::]:1060")
	now := guardtest.Epoch
	for batch := range 300 {
		now = now.Add(3 * time.Millisecond)
		if batch%10 == 0 {
			now = now.Add(3 * time.Second) // what is withheld is lost
		}
		messages := make([]core.Message, rng.IntN(300))
		for i := range messages {
			messages[i] = message(rng)
			if i > 0 && rng.IntN(3) == 0 {
				messages[i] = messages[i-1]
			}
		}
		for _, w := range []*worker{together, parts, single} {
			w.Begin(now)
		}
		together.Meet(messages)
		const part = 70
		for i, m := range messages {
			if i%part == 0 {
				parts.Meet(messages[i:min(i+part, len(messages))])
			}
			d := &core.Datagram{Data: m.Data, From: m.From, To: m.To}
			limit, v := single.Admit(d, m.Group)
			seen[v]++
			if l, got := together.Worker.Admit(i, d); got != v || l != limit {
				t.Fatalf("batch %d, message %d: %v and %d bytes together, %v and %d bytes alone", batch, i, got, l, v, limit)
			}
			if l, got := parts.Worker.Admit(i%part, d); got != v || l != limit {
				t.Fatalf("batch %d, message %d: %v and %d bytes in parts, %v and %d bytes alone", batch, i, got, l, v, limit)
			}
			if v != guard.Admit {
				continue
			}
			a, b, c := single.Release(), together.Release(), parts.Release()
			if string(a) != string(b) || string(a) != string(c) {
				t.Fatalf("batch %d, message %d: %q, %q and %q are released", batch, i, a, b, c)
			}
			reply := append([]byte("r"), m.Data...)
			sent := single.Replied(m.Data, reply)
			if sent != together.Replied(m.Data, reply) || sent != parts.Replied(m.Data, reply) {
				t.Fatalf("batch %d, message %d: sent alone: %v, and otherwise not so", batch, i, sent)
			}
		}
		if single.Counts != together.Counts || single.Counts != parts.Counts {
			t.Fatalf("batch %d: %+v alone, %+v together, %+v in parts", batch, single.Counts, together.Counts, parts.Counts)
		}
	}
	return seen, single.Counts
}

// someMessage is from one of a few peers, of all kinds.
func someMessage(rng *rand.Rand) core.Message {
	peers := []string{
		"192.0.2.7:2000", "192.0.2.7:40000", "198.51.100.7:40001", "198.51.100.200:40001", "203.0.113.7:40000", "203.0.113.200:40000",
		"127.0.0.1:2000", "127.0.0.1:1060", "224.0.0.1:40000", "192.0.2.9:0", "[2001:db8::7]:40000", "[2001:db8:1::7]:2000", "[::1]:40000",
		"[::ffff:192.0.2.7]:2000",
	}
	asked := []string{"192.0.2.1:1060", "[2001:db8::1]:1060"}
	from := netip.MustParseAddrPort(peers[rng.IntN(len(peers))])
	if rng.IntN(4) == 0 {
		from = randomPeer(rng)
	}
	data := []byte{'r', byte(rng.IntN(2)), 'r'}
	return core.Message{
		Data: data[rng.IntN(2):][:rng.IntN(3)], From: from, To: netip.MustParseAddrPort(asked[rng.IntN(8)/7]), Group: rng.IntN(50) == 0,
	}
}
