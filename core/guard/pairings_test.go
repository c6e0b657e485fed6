package guard_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/retort-udp/retort/core/guard"
	"github.com/retort-udp/retort/core/guard/guardtest"
	"github.com/retort-udp/retort/core/reply"
	"github.com/retort-udp/retort/core/server"
)

// paths are the ways between two servers of a pairing. Those that lose datagrams end loops earlier, even when they
// double some.
var paths = []guardtest.Path{
	{Latency: 10 * time.Microsecond, Jitter: 2 * time.Microsecond},
	{Latency: time.Millisecond, Jitter: 200 * time.Microsecond},
	{Latency: 30 * time.Millisecond, Jitter: 6 * time.Millisecond},
	{Latency: 300 * time.Millisecond, Jitter: 60 * time.Millisecond},
	{Latency: time.Millisecond, Jitter: time.Millisecond, Lose: 0.001},
	{Latency: 30 * time.Millisecond, Jitter: 30 * time.Millisecond, Lose: 0.02, Duplicate: 0.01},
}

// doubles says whether p may make two datagrams of one, and so a loop of several.
func doubles(p guardtest.Path) bool { return p.Duplicate > 0 }

// row says how a pairing went, for a table that go test -v prints.
func row(t *testing.T, a, b string, us, them netip.AddrPort, p guardtest.Path, l guardtest.Loop) {
	t.Helper()
	report(t, "%-12s %-22v %-18s %-22v %6v ±%-6v lose %-5v double %-5v %6d datagrams %v",
		a, us, b, them, p.Latency, p.Jitter, p.Lose, p.Duplicate, l.Datagrams, l.Lasted)
	if !l.Over {
		t.Errorf("%s on %v and %s on %v, %+v: it is not over after %v", a, us, b, them, p, l.Lasted)
	}
	if most := guardtest.Most(them.Port()); l.Datagrams > most && !doubles(p) {
		t.Errorf("%s on %v and %s on %v, %+v: it lived %d datagrams, the most is %d", a, us, b, them, p, l.Datagrams, most)
	}
}

// After one forged datagram between two servers their exchange ends, whichever they are. The ports are the
// service's own, another low one, and one that systems give to clients.
func TestLoopsWithOthersEnd(t *testing.T) {
	simulations, longest := 0, uint64(0)
	for _, name := range names(t) {
		data := guardtest.FirstAnswered(t, guardtest.Handlers(t)[name])
		for _, s := range guardtest.Services() {
			for i, p := range paths {
				for _, host := range []string{"127.0.0.1:1060", "192.0.2.1:1060"} { // the same host, and another
					us := netip.MustParseAddrPort(host)
					for _, port := range []uint16{s.Port, lowPort, clientPort} {
						if port == clientPort && !long() && (quick() || i != 0 && i != 3 || (i == 0) != us.Addr().IsLoopback()) {
							continue // these live for long
						}
						if !long() && (i == 1 || i == 2 || i > 3 && us.Addr().IsLoopback()) {
							continue
						}
						if quick() && (i != 0 && i != 3 || port == lowPort) {
							continue
						}
						simulations++
						them := netip.AddrPortFrom(us.Addr().Next(), port)
						n := guardtest.New(uint64(simulations), p)
						l := n.LoopWith(t, guardtest.Handlers(t)[name], us, s, them, data)
						longest = max(longest, l.Datagrams)
						row(t, name, s.Name, us, them, p, l)
					}
				}
			}
		}
	}
	t.Logf("%d pairings, the longest lived %d datagrams", simulations, longest)
}

// Two servers of ours end a loop between them, wherever they are.
func TestLoopsBetweenOursEnd(t *testing.T) {
	simulations, longest := 0, uint64(0)
	for _, addrs := range [][2]string{
		{"127.0.0.1:1060", "127.0.0.1:1061"},
		{"127.0.0.1:40000", "127.0.0.1:40001"},
		{"192.0.2.1:1060", "192.0.2.7:1060"},
		{"192.0.2.1:40000", "192.0.2.7:40000"}, // our own port is a service's
		{"[2001:db8::1]:40000", "[2001:db8:1::1]:40001"},
	} {
		us, them := netip.MustParseAddrPort(addrs[0]), netip.MustParseAddrPort(addrs[1])
		lives := us.Port() >= guard.DefaultClientPorts && us.Port() != them.Port() // for long
		for _, a := range names(t) {
			data := guardtest.FirstAnswered(t, guardtest.Handlers(t)[a])
			for _, b := range names(t) {
				for i, p := range paths {
					if i != 0 && i != 3 && !long() || lives && !long() && (quick() || i != 0 || b != a && b != "echo") {
						continue
					}
					simulations++
					l := guardtest.New(1, p).LoopBetween(t, guardtest.Handlers(t)[a], us, guardtest.Handlers(t)[b], them, data)
					longest = max(longest, l.Datagrams)
					row(t, a, b, us, them, p, l)
					if us.Port() == them.Port() && l.Datagrams > guardtest.MostLow && !doubles(p) {
						t.Errorf("%s and %s on our own port: it lived %d datagrams", a, b, l.Datagrams)
					}
				}
			}
		}
	}
	t.Logf("%d pairings, the longest lived %d datagrams", simulations, longest)
}

// A datagram that says that it comes from ourselves is not answered at all.
func TestLoopWithOurselvesEndsAtOnce(t *testing.T) {
	for _, listening := range []string{"127.0.0.1:1060", "192.0.2.1:1060", "[::1]:1060"} {
		us := netip.MustParseAddrPort(listening)
		n := guardtest.New(1, guardtest.Path{})
		n.Listen(us)
		n.Send(us, us, []byte("x"))
		s := n.Run(t, &server.Server{Handler: reply.Length{}})[0]
		if s.Received != 1 || s.Refused[guard.Own] != 1 || s.Replied != 0 {
			t.Errorf("%s: received %d, refused %d of them, replied to %d", listening, s.Received, s.Refused[guard.Own], s.Replied)
		}
	}
}

// A wire that loses datagrams ends loops, even if it doubles as many.
func TestLoopsOnBadWiresEnd(t *testing.T) {
	for _, p := range []guardtest.Path{
		{Latency: time.Millisecond, Lose: 0.01},
		{Latency: time.Millisecond, Lose: 0.02, Duplicate: 0.01},
		{Latency: 50 * time.Millisecond, Jitter: 50 * time.Millisecond, Lose: 0.05, Duplicate: 0.05},
	} {
		for seed := range uint64(20) {
			us, them := netip.MustParseAddrPort("127.0.0.1:1060"), netip.MustParseAddrPort("127.0.0.2:19")
			l := guardtest.New(seed, p).LoopWith(t, guardtest.Counting(), us, chargen(), them, []byte("x"))
			row(t, "counting", "chargen", us, them, p, l)
		}
	}
}

func chargen() guardtest.Service {
	for _, s := range guardtest.Services() {
		if s.Name == "chargen" {
			return s
		}
	}
	panic("there is no chargen")
}

// Two datagrams in a loop cannot be told from a client with two requests outstanding, so a loop with several
// goes on, at no more than the rate of its prefix. A wire that doubles datagrams and loses none makes such loops. If
// they are fast, they grow into the rate and die of its refusals, since each takes one datagram out; slow ones live.
// And so do those on loopback where its rate is not limited.
func TestLoopsOfSeveralAreBoundedByTheRate(t *testing.T) {
	const length, rate = 60 * time.Second, guard.DefaultRate
	for _, tt := range []struct {
		from   string
		forged int
		path   guardtest.Path
		limit  guard.Switch
		ends   bool
	}{
		{"198.51.100.7:19", 1, guardtest.Path{Latency: 2 * time.Millisecond, Jitter: time.Millisecond, Duplicate: 0.01}, guard.Auto, true},
		{"198.51.100.7:19", 1, guardtest.Path{Latency: 300 * time.Millisecond, Jitter: time.Millisecond, Duplicate: 0.2}, guard.Auto, false},
		{"198.51.100.7:19", 2, guardtest.Path{Latency: 2 * time.Millisecond, Jitter: time.Millisecond}, guard.Auto, false},
		{"198.51.100.7:19", 2, guardtest.Path{Latency: 100 * time.Microsecond}, guard.Auto, true},
		{"198.51.100.7:19", 10_000, guardtest.Path{Latency: 20 * time.Millisecond, Jitter: 100 * time.Millisecond}, guard.Auto, false},
		{"127.0.0.2:19", 2, guardtest.Path{Latency: 100 * time.Microsecond}, guard.On, true},
		{"127.0.0.2:19", 2, guardtest.Path{Latency: 100 * time.Microsecond}, guard.Auto, false},
	} {
		us, them := public, netip.MustParseAddrPort(tt.from)
		n := guardtest.New(1, tt.path)
		n.Until = length
		n.Listen(us)
		n.Serve(them, chargen())
		for range tt.forged {
			n.Send(them, us, []byte("x"))
		}
		policy := &guard.Policy{RateLimit: tt.limit, Seed: 1}
		s := n.Run(t, &server.Server{Handler: guardtest.Counting(), Guard: policy})[0]
		what := fmt.Sprintf("%d forged from %v, %+v, rate limit %v", tt.forged, them, tt.path, tt.limit)
		t.Logf("%s: received %d, replied to %d in %v; %d are on their way", what, s.Received, s.Replied, n.Now(), n.Pending())
		limited := tt.limit == guard.On || !them.Addr().IsLoopback()
		if most := uint64(length/time.Second*rate + burst); limited && s.Replied > most {
			t.Errorf("%s: %d were answered in %v, the most is %d", what, s.Replied, length, most)
		}
		if over := n.Pending() == 0; over != tt.ends {
			t.Errorf("%s: it is over: %v, want %v", what, over, tt.ends)
		}
	}
}
