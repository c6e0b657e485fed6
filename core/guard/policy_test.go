package guard_test

import (
	"math"
	"net/netip"
	"strings"
	"testing"

	"github.com/retort-udp/retort/core/guard"
)

func TestValidate(t *testing.T) {
	loopback := []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1060"), netip.MustParseAddrPort("[::1]:1060")}
	abroad := append(loopback, netip.MustParseAddrPort("[::]:1060"))
	ten := prefixesOf(t, "10.0.0.0/8")
	for _, tt := range []struct {
		policy    *guard.Policy
		listening []netip.AddrPort
		says      string // "": it is good
	}{
		{nil, abroad, ""},
		{&guard.Policy{}, abroad, ""},
		{&guard.Policy{LoopGuard: guard.On, RateLimit: guard.On, Slip: 2, Prefix4: 32, Prefix6: 128}, abroad, ""},
		{&guard.Policy{LoopGuard: guard.Off}, loopback, ""},
		{&guard.Policy{LoopGuard: guard.Off}, abroad, "without its loop guard a server on [::]:1060"},
		{&guard.Policy{LoopGuard: guard.Off, Acknowledge: true}, abroad, ""},
		{&guard.Policy{RateLimit: guard.Off, MaxAmplification: math.Inf(1)}, abroad, ""},
		{&guard.Policy{LowPortExchanges: -1}, nil, "exchanges with a low port is -1: it must be from 1"},
		{&guard.Policy{ClientPortExchanges: math.MaxInt32}, nil, "exchanges with a client's port"},
		{&guard.Policy{Rate: -1}, nil, "rate is -1: it must be from 1 to 1000000"},
		{&guard.Policy{Rate: 1_000_001}, nil, "rate is 1000001"},
		{&guard.Policy{Rate: 1, Burst: 61}, nil, "burst is 61: it must be from 1 to 60"},
		{&guard.Policy{Rate: 1}, nil, ""},
		{&guard.Policy{Prefix4: 33}, nil, "bits of an IPv4 prefix is 33: it must be from 1 to 32"},
		{&guard.Policy{Prefix6: -1}, nil, "bits of an IPv6 prefix is -1"},
		{&guard.Policy{Slip: -1}, nil, "slip is -1"},
		{&guard.Policy{FaultCost: -1}, nil, "cost of a fault is -1"},
		{&guard.Policy{MaxAmplification: 0.9}, nil, "the amplification is limited to 0.9: it must be 1 or more"},
		{&guard.Policy{MaxAmplification: math.NaN()}, nil, "limited to NaN"},
		{&guard.Policy{LoopGuard: 3}, nil, "neither auto nor on nor off"},
		{&guard.Policy{RateLimit: 9}, nil, "neither auto nor on nor off"},
		{&guard.Policy{Deny: ten, Allow: prefixesOf(t, "10.1.2.3/8")}, nil, "10.1.2.3/8 is both denied and allowed"},
		{&guard.Policy{Deny: ten, Allow: prefixesOf(t, "::ffff:10.0.0.0/104")}, nil, "both denied and allowed"},
		{&guard.Policy{Deny: ten, Allow: prefixesOf(t, "10.0.0.0/9")}, nil, ""},
		{&guard.Policy{Deny: []netip.Prefix{{}}}, nil, "a denied prefix is not valid"},
		{&guard.Policy{Allow: []netip.Prefix{{}}}, nil, "an allowed prefix is not valid"},
		{&guard.Policy{Local: []netip.Addr{{}}}, nil, "an address of this host is not valid"},
		{&guard.Policy{Broadcast: []netip.Addr{netip.MustParseAddr("192.0.2.255"), {}}}, nil, "invalid IP is no broadcast address"},
		{&guard.Policy{Broadcast: []netip.Addr{netip.MustParseAddr("2001:db8::ff")}}, nil, "2001:db8::ff is no broadcast address"},
		{&guard.Policy{Own: []netip.AddrPort{{}}}, nil, "an address of our own is not valid"},
		{&guard.Policy{Own: abroad, LoopGuard: guard.Off}, loopback, ""},
	} {
		err := tt.policy.Validate(tt.listening...)
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%+v: %v, want %q", tt.policy, err, tt.says)
		}
		if g, newErr := guard.New(tt.policy, tt.listening...); (newErr == nil) != (err == nil) || (g == nil) != (err != nil) {
			t.Errorf("%+v: Validate says %v, and New %v", tt.policy, err, newErr)
		}
	}
	all := (&guard.Policy{Rate: -1, Slip: -1}).Validate()
	if all == nil || !strings.Contains(all.Error(), "rate") || !strings.Contains(all.Error(), "slip") {
		t.Errorf("two things are wrong, and it says %v", all)
	}
}

func TestSwitch(t *testing.T) {
	for _, s := range []guard.Switch{guard.Auto, guard.On, guard.Off} {
		text, err := s.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back guard.Switch
		if err := back.UnmarshalText(text); err != nil || back != s || s.String() != string(text) {
			t.Errorf("%v became %q, and that %v, %v", s, text, back, err)
		}
	}
	s := guard.On
	if err := s.UnmarshalText([]byte("On")); err == nil || !strings.Contains(err.Error(), `"On"`) || s != guard.On {
		t.Errorf("%v, %v", s, err)
	}
	if got := guard.Switch(3).String(); got != "unknown" {
		t.Errorf("no switch is called %q", got)
	}
}

func TestWarnings(t *testing.T) {
	for _, tt := range []struct {
		policy    guard.Policy
		listening string
		says      []string
	}{
		{guard.Policy{}, "[::]:1060", nil},
		{guard.Policy{LoopGuard: guard.Off, RateLimit: guard.Off}, "127.0.0.1:1060", []string{"the loop guard is off"}},
		{guard.Policy{RateLimit: guard.Off, Own: []netip.AddrPort{public}}, "127.0.0.1:1060", nil},
		{guard.Policy{LoopGuard: guard.Off, RateLimit: guard.Off, Acknowledge: true}, "[::]:1060",
			[]string{"the loop guard is off", "the rate limit is off"}},
		{guard.Policy{MaxAmplification: 3}, "[::]:1060", nil},
		{guard.Policy{MaxAmplification: 3.5}, "[::]:1060", []string{"the amplification is limited to 3.5 times: forged"}},
		{guard.Policy{MaxAmplification: math.Inf(1)}, "[::]:1060", []string{"the amplification is not limited: forged"}},
		{guard.Policy{MaxAmplification: math.Inf(1)}, "127.0.0.1:1060", nil},
	} {
		g, err := guard.New(&tt.policy, netip.MustParseAddrPort(tt.listening))
		if err != nil {
			t.Fatal(err)
		}
		got := g.Warnings()
		if len(got) != len(tt.says) {
			t.Errorf("%+v: %q", tt.policy, got)
			continue
		}
		for i, want := range tt.says {
			if !strings.Contains(got[i], want) {
				t.Errorf("%+v: %q does not say %q", tt.policy, got[i], want)
			}
		}
	}
}

// What Explain says follows the policy, whatever that is.
func TestExplain(t *testing.T) {
	var many []netip.Prefix
	for i := range 11 {
		many = append(many, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i), 1, 1}), 16))
	}
	for _, tt := range []struct {
		policy guard.Policy
		says   []string
		silent []string
	}{
		{guard.Policy{}, []string{
			"ourselves: [::]:1060, by every loopback address and the one that was asked\n",
			"multicast address: not answered",
			"withheld after 400 exchanges in strict alternation\n", "a service's port is one below 32768, ours (1060), a known one (7, 13, 17, 19, ",
			"1900, 5353, 11211)\n", "and after 65536 to a peer on another port", "room for 58 replies of up to 1500 bytes, 2 of up to 4096 and 2 that are longer",
			"at most 3 bytes out", "up to 56 bytes over IPv4 and 96 over IPv6", "one of 100 bytes with up to 356 and 396",
			"1000 datagrams a second for each /24 (IPv4) and /56 (IPv6), 1000 at once", "loopback: not limited", "counts as 100",
			"none of those that are refused", "the rate bounds them, and ends fast ones, but not on loopback\n", "or up to 96 and 4096 later",
			"nothing for 2s begins anew", "a worker knows 16384 peers", "for 32768 prefixes",
			"one datagram in 8 of prefixes that have sent less counts, as 8\n",
			"KiB for each worker",
		}, []string{"sources in", "sources outside", "decides", "Warnings", "or one of"}},
		{guard.Policy{
			AnswerGroup: true, LowPortExchanges: 7, ClientPortExchanges: 77, ClientPorts: 49152, MaxAmplification: 1.5,
			RateLimit: guard.On, Rate: 20, Burst: 30, Prefix4: 32, Prefix6: 48, Slip: 5, FaultCost: 3,
			Deny: prefixesOf(t, "10.1.2.3/8", "2001:db8::/32"), Allow: prefixesOf(t, "10.0.0.0/9", "11.0.0.0/8"),
			Local: []netip.Addr{netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("::ffff:192.0.2.1")}, ServicePorts: []uint16{50_000, 50_001},
			Own:       []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:2060")},
			Broadcast: []netip.Addr{netip.MustParseAddr("::ffff:192.0.2.255")},
		}, []string{
			"broadcast addresses: 127.0.0.0, 127.255.255.255, 192.0.2.255, 255.255.255.255\n",
			"ourselves: [::]:1060, 127.0.0.1:2060, by every loopback", "ours (1060, 2060)",
			"was asked, and by 192.0.2.1, 192.0.2.2\n", "sources in 10.0.0.0/8, 2001:db8::/32\n", "sources outside 10.0.0.0/9, 11.0.0.0/8\n",
			"the longest that holds a source decides", "multicast address: answered",
			"after 77 to", "one below 49152, ", " or one of 50000, 50001\n", "after 7 exchanges", "at most 1.5 bytes",
			"20 datagrams a second for each /32 (IPv4) and /48 (IPv6), 30 at once", "1 in 5 of those", "counts as 3",
			"loopback: limited as well",
			"the rate bounds them, and ends fast ones\n",
		}, []string{"one datagram in 8"}},
		{guard.Policy{RateLimit: guard.Off}, []string{"pipelined client: nothing ends them, since the rate is not limited\n"}, nil},
		{guard.Policy{
			LoopGuard: guard.Off, Acknowledge: true, RateLimit: guard.Off, MaxAmplification: math.Inf(1), Deny: many,
		}, []string{
			"Loops\n    not ended", "Amplification\n    not limited", "Rate\n    not limited", "10.7.0.0/16 and 3 more\n",
			"Warnings\n    the loop guard is off", "    the rate limit is off", "    the amplification is not limited",
		}, []string{"withheld", "10.8.0.0", "outside", "Fixed"}},
		{guard.Policy{Allow: prefixesOf(t, "10.0.0.0/8")}, []string{"sources outside 10.0.0.0/8\n"}, []string{"sources in", "decides"}},
	} {
		g, err := guard.New(&tt.policy, netip.MustParseAddrPort("[::]:1060"))
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if err := g.Explain(&b); err != nil || b.String() != g.String() {
			t.Errorf("Explain wrote %q, %v", b.String(), err)
		}
		for _, says := range tt.says {
			if !strings.Contains(b.String(), says) {
				t.Errorf("it does not say %q:\n%s", says, b.String())
			}
		}
		for _, says := range tt.silent {
			if strings.Contains(b.String(), says) {
				t.Errorf("it says %q:\n%s", says, b.String())
			}
		}
	}
}

// The memory that is printed is what is there.
func TestMemory(t *testing.T) {
	g, err := guard.New(nil, public)
	if err != nil {
		t.Fatal(err)
	}
	shared, each := g.Memory()
	if shared < 256<<10 || shared > 300<<10 || each < 800<<10 || each > 900<<10 {
		t.Errorf("%d bytes, and %d for each worker", shared, each)
	}
	if n := testing.AllocsPerRun(5, func() { g.ForWorker(silent) }); n > 4 {
		t.Errorf("a worker is %v objects", n)
	}
}
