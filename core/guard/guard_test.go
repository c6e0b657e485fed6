package guard_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/guard"
	"github.com/retort-udp/retort/core/guard/guardtest"
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
		{v4, "127.255.255.255:40000", v4, guard.Broadcast},
		{any6, "[::ffff:127.255.255.255]:40000", any6, guard.Broadcast},
		{v4, "127.0.0.0:40000", v4, guard.Broadcast},
		{v4, "127.0.0.255:40000", v4, guard.Admit}, // a host, with the network's own mask
		{v4, "192.0.2.255:40000", v4, guard.Broadcast},
		{any6, "[::ffff:192.0.2.255]:40000", any6, guard.Broadcast},
		{any6, "192.0.2.255:1060", any6, guard.Broadcast},
		{v4, "198.51.100.255:40000", v4, guard.Admit}, // of somebody else's network, as far as we know
		{v4, "192.0.2.0:40000", v4, guard.Admit},
		{v4, "0.0.0.1:40000", v4, guard.Unspecified},
		{any6, "[::ffff:0.255.255.255]:40000", any6, guard.Unspecified},
		{v4, "1.0.0.0:40000", v4, guard.Admit},
		{v4, "223.255.255.255:40000", v4, guard.Admit},
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
		policy := &guard.Policy{Broadcast: []netip.Addr{netip.MustParseAddr("192.0.2.255")}}
		for _, a := range local {
			policy.Local = append(policy.Local, netip.MustParseAddr(a))
		}
		w := newWorker(t, policy, silent, tt.listening)
		d := &core.Datagram{From: netip.MustParseAddrPort(tt.from), To: netip.MustParseAddrPort(tt.to)}
		if _, got := w.Admit(d, false); got != tt.want {
			t.Errorf("listening on %s, from %s to %s: %v, want %v", tt.listening, tt.from, tt.to, got, tt.want)
		}
	}
}

func TestOwnAddressOfAnyListener(t *testing.T) {
	w := newWorker(t, nil, silent, "127.0.0.1:1060", "[::1]:2060")
	first, second := netip.MustParseAddrPort("127.0.0.1:1060"), netip.MustParseAddrPort("[::1]:2060")
	if _, v := w.Admit(&core.Datagram{From: second, To: first}, false); v != guard.Own {
		t.Errorf("the second listener, talking to the first: %v", v)
	}
}

// Policy.Own is as the addresses that the server listens on, under every name that these have.
func TestFurtherOwnAddresses(t *testing.T) {
	policy := &guard.Policy{
		Own: []netip.AddrPort{
			netip.MustParseAddrPort("127.0.0.1:2060"), netip.MustParseAddrPort("0.0.0.0:3060"), netip.MustParseAddrPort("[::]:4060"),
			netip.MustParseAddrPort("[::ffff:192.0.2.1]:5060"),
		},
		Local: []netip.Addr{netip.MustParseAddr("192.0.2.5")},
	}
	w := newWorker(t, policy, silent, public.String())
	for from, want := range map[string]guard.Verdict{
		public.String(): guard.Own, "127.0.0.1:2060": guard.Own, "192.0.2.1:5060": guard.Own,
		"127.0.0.9:3060": guard.Own, "192.0.2.5:3060": guard.Own, "192.0.2.1:3060": guard.Own, // that is who was asked
		"[::1]:4060": guard.Own, "192.0.2.5:4060": guard.Own,
		"127.0.0.2:2060": guard.Admit, "192.0.2.5:2060": guard.Admit, "192.0.2.9:3060": guard.Admit, "[::1]:3060": guard.Admit,
		"192.0.2.1:2060": guard.Admit, "127.0.0.1:1060": guard.Admit,
	} {
		if _, v := w.Admit(&core.Datagram{From: netip.MustParseAddrPort(from), To: public}, false); v != want {
			t.Errorf("from %s: %v, want %v", from, v, want)
		}
	}
}

// Datagrams to a broadcast or multicast address are not answered unless the operator says so.
func TestGroup(t *testing.T) {
	d := &core.Datagram{From: netip.MustParseAddrPort("192.0.2.7:40000"), To: netip.MustParseAddrPort("192.0.2.255:1060")}
	for _, answer := range []bool{false, true} {
		w := newWorker(t, &guard.Policy{AnswerGroup: answer}, silent, "0.0.0.0:1060")
		if _, v := w.Admit(d, false); v != guard.Admit {
			t.Errorf("to one host: %v", v)
		}
		want := guard.Group
		if answer {
			want = guard.Admit
		}
		if _, v := w.Admit(d, true); v != want {
			t.Errorf("to a group, answered %v: %v, want %v", answer, v, want)
		}
	}
}

// wrapper is a Handler around another.
type wrapper struct{ core.Handler }

func (w wrapper) Unwrap() core.Handler { return w.Handler }

func TestAnswersAreNotAnswered(t *testing.T) {
	d := &core.Datagram{From: netip.MustParseAddrPort("127.0.0.1:40000"), To: netip.MustParseAddrPort("127.0.0.1:1060")}
	swap := new(core.Swap)
	for _, tt := range []struct {
		name    string
		handler core.Handler
		want    guard.Verdict
	}{
		{"a classifier", answersOnly{silent}, guard.Response},
		{"none", silent, guard.Admit},
		{"a classifier, wrapped", wrapper{answersOnly{silent}}, guard.Response},
		{"none, wrapped", wrapper{silent}, guard.Admit},
		{"a classifier that finds questions", questions{silent}, guard.Admit},
		{"nothing yet", swap, guard.Admit},
	} {
		w := newWorker(t, nil, tt.handler, "127.0.0.1:1060")
		if _, v := w.Admit(d, false); v != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, v, tt.want)
		}
	}

	// The handler may change while it serves.
	instance, err := swap.ForWorker()
	if err != nil {
		t.Fatal(err)
	}
	w := newWorker(t, nil, instance, "127.0.0.1:1060")
	for _, step := range []struct {
		handler core.Handler
		want    guard.Verdict
	}{{silent, guard.Admit}, {answersOnly{silent}, guard.Response}, {silent, guard.Admit}} {
		if err := swap.Set(step.handler); err != nil {
			t.Fatal(err)
		}
		if _, v := w.Admit(d, false); v != step.want {
			t.Errorf("after a swap to %T: %v, want %v", step.handler, v, step.want)
		}
	}
}

func TestPrefix(t *testing.T) {
	for _, tt := range []struct {
		policy guard.Policy
		addr   netip.Addr
		want   string
	}{
		{guard.Policy{}, netip.MustParseAddr("192.0.2.7"), "192.0.2.0/24"},
		{guard.Policy{}, netip.MustParseAddr("::ffff:192.0.2.7"), "192.0.2.0/24"},
		{guard.Policy{}, netip.MustParseAddr("2001:db8:1:2345::7"), "2001:db8:1:2300::/56"},
		{guard.Policy{}, netip.MustParseAddr("fe80::1%eth0"), "fe80::/56"},
		{guard.Policy{Prefix4: 32, Prefix6: 64}, netip.MustParseAddr("192.0.2.7"), "192.0.2.7/32"},
		{guard.Policy{Prefix4: 32, Prefix6: 64}, netip.MustParseAddr("2001:db8:1:2345::7"), "2001:db8:1:2345::/64"},
		{guard.Policy{}, netip.Addr{}, "invalid Prefix"},
	} {
		g, err := guard.New(&tt.policy, public)
		if err != nil {
			t.Fatal(err)
		}
		if got := g.Prefix(tt.addr).String(); got != tt.want {
			t.Errorf("%v is in %s, want %s", tt.addr, got, tt.want)
		}
	}
}

// The zero Datagram is from nobody, even if it is the first.
func TestZeroDatagram(t *testing.T) {
	w := newWorker(t, nil, silent, public.String())
	for range 2 {
		if _, v := w.Admit(&core.Datagram{}, false); v != guard.PortZero {
			t.Errorf("%v", v)
		}
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

// Ports above those of clients can be a service's too.
func TestSuspiciousPorts(t *testing.T) {
	p := &guard.Policy{
		LowPortExchanges: 1, ClientPortExchanges: 3, ClientPorts: 1024, ServicePorts: []uint16{50_000}, RateLimit: guard.Off,
		Own: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:50001")},
	}
	for port, want := range map[uint16]int{
		7: 1, 1023: 1, 1024: 3, 2000: 3, 60_000: 3,
		1900: 1, 5353: 1, 11211: 1, // known
		50_000: 1,            // said to be one
		1060:   1, 50_001: 1, // ours
	} {
		w := newWorker(t, p, silent, public.String())
		d := &core.Datagram{From: netip.AddrPortFrom(public.Addr().Next(), port), To: public}
		lived := 0
		for {
			w.Begin(guardtest.Epoch.Add(time.Duration(lived) * time.Millisecond))
			w.Admit(d, false)
			if !w.Replied(nil, []byte("reply")) {
				break
			}
			lived++
		}
		if lived != want {
			t.Errorf("a peer on port %d has %d exchanges, want %d", port, lived, want)
		}
	}
}
