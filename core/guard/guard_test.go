package guard_test

import (
	"net/netip"
	"testing"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/guard"
)

var silent = core.HandlerFunc(func([]byte, *core.Datagram) ([]byte, error) { return nil, nil })

// answersOnly is a Classifier that takes everything for an answer.
type answersOnly struct{ core.HandlerFunc }

func (answersOnly) IsResponse(*core.Datagram) bool { return true }

func TestAdmit(t *testing.T) {
	const v4, any4, any6 = "192.0.2.1:1060", "0.0.0.0:1060", "[::]:1060"
	local := []string{"192.0.2.1", "2001:db8::1", "fe80::1%eth0"}
	for _, tt := range []struct {
		listening string
		from, to  string
		want      guard.Verdict
	}{
		{v4, "198.51.100.7:40000", v4, guard.Admit},
		{v4, "198.51.100.7:1", v4, guard.Admit},
		{v4, "198.51.100.7:65535", v4, guard.Admit},
		{v4, "198.51.100.7:1060", v4, guard.Admit}, // our port, but another host
		{v4, "127.0.0.1:40000", "127.0.0.1:1060", guard.Admit},
		{"[2001:db8::1]:1060", "[2001:db8::7]:40000", "[2001:db8::1]:1060", guard.Admit},

		{v4, "198.51.100.7:0", v4, guard.PortZero},
		{v4, "0.0.0.0:40000", v4, guard.Unspecified},
		{any6, "[::]:40000", any6, guard.Unspecified},
		{v4, "224.0.0.1:40000", v4, guard.Multicast},
		{v4, "239.255.255.255:40000", v4, guard.Multicast},
		{any6, "[ff02::1]:40000", any6, guard.Multicast},
		{v4, "255.255.255.255:40000", v4, guard.Broadcast},
		{any6, "[::ffff:255.255.255.255]:40000", any6, guard.Broadcast},
		{any6, "[::ffff:224.0.0.1]:40000", any6, guard.Multicast},
		{any6, "[::ffff:0.0.0.0]:40000", any6, guard.Unspecified},

		// Ourselves, by the name that we listen under and by others.
		{v4, v4, v4, guard.Own},
		{any6, "[::ffff:192.0.2.1]:1060", "192.0.2.1:1060", guard.Own},
		{any4, "192.0.2.1:1060", "127.0.0.1:1060", guard.Own},
		{any4, "192.0.2.9:1060", "192.0.2.9:1060", guard.Own}, // not listed as local, but it was asked
		{any4, "127.0.0.2:1060", "127.0.0.1:1060", guard.Own},
		{any6, "127.0.0.2:1060", "127.0.0.1:1060", guard.Own},
		{any6, "[2001:db8::1]:1060", "[2001:db8::1]:1060", guard.Own},
		{any6, "[fe80::1%eth0]:1060", "[fe80::2%eth0]:1060", guard.Own},
		{any6, "[fe80::1%eth1]:1060", "[fe80::2%eth1]:1060", guard.Admit}, // a neighbour with our number
		{any6, "[2001:db8::7]:1060", "[2001:db8::1]:1060", guard.Admit},
		{any4, "198.51.100.7:1060", "192.0.2.1:1060", guard.Admit},
		{any4, "192.0.2.1:1061", "192.0.2.1:1060", guard.Admit}, // not a port that we listen on
		{v4, "127.0.0.2:1060", "127.0.0.1:1060", guard.Admit},   // no wildcard: another program's
	} {
		policy := &guard.Policy{}
		for _, a := range local {
			policy.Local = append(policy.Local, netip.MustParseAddr(a))
		}
		g := guard.New(policy, netip.MustParseAddrPort(tt.listening))
		d := &core.Datagram{From: netip.MustParseAddrPort(tt.from), To: netip.MustParseAddrPort(tt.to)}
		if got := g.Admit(d, silent); got != tt.want {
			t.Errorf("listening on %s, from %s to %s: %v, want %v", tt.listening, tt.from, tt.to, got, tt.want)
		}
	}
}

func TestOwnAddressOfAnyListener(t *testing.T) {
	first, second := netip.MustParseAddrPort("127.0.0.1:1060"), netip.MustParseAddrPort("[::1]:2060")
	g := guard.New(nil, first, second)
	if v := g.Admit(&core.Datagram{From: second, To: first}, silent); v != guard.Own {
		t.Errorf("the second listener, talking to the first: %v", v)
	}
}

func TestAnswersAreNotAnswered(t *testing.T) {
	g := guard.New(nil, netip.MustParseAddrPort("127.0.0.1:1060"))
	d := &core.Datagram{From: netip.MustParseAddrPort("127.0.0.1:40000"), To: netip.MustParseAddrPort("127.0.0.1:1060")}
	if v := g.Admit(d, answersOnly{silent}); v != guard.Response {
		t.Errorf("%v", v)
	}
}

func TestVerdictsHaveNames(t *testing.T) {
	seen := make(map[string]bool)
	for v := range guard.Verdicts {
		name := v.String()
		if name == "" || name == "unknown" || seen[name] {
			t.Errorf("verdict %d is called %q", v, name)
		}
		seen[name] = true
	}
	if got := guard.Verdicts.String(); got != "unknown" {
		t.Errorf("no verdict is called %q", got)
	}
}

func TestAdmitAllocatesNothing(t *testing.T) {
	g := guard.New(nil, netip.MustParseAddrPort("[::]:1060"))
	for _, from := range []string{"192.0.2.1:40000", "[2001:db8::1]:1060", "[fe80::1%eth0]:1060"} {
		d := &core.Datagram{From: netip.MustParseAddrPort(from), To: netip.MustParseAddrPort("[2001:db8::2]:1060")}
		if n := testing.AllocsPerRun(100, func() { g.Admit(d, silent) }); n != 0 {
			t.Errorf("from %s: %v allocations", from, n)
		}
	}
}

func BenchmarkAdmit(b *testing.B) {
	g := guard.New(nil, netip.MustParseAddrPort("127.0.0.1:1060"))
	d := &core.Datagram{From: netip.MustParseAddrPort("127.0.0.1:40000"), To: netip.MustParseAddrPort("127.0.0.1:1060")}
	b.ReportAllocs()
	for b.Loop() {
		if g.Admit(d, silent) != guard.Admit {
			b.Fatal("refused")
		}
	}
}
