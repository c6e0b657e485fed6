package looptest

import (
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/retort-udp/retort/core/guard"
	"github.com/retort-udp/retort/core/guard/guardtest"
	"github.com/retort-udp/retort/native/internal/netns"
)

// Two hosts with a link between them: one forged datagram from one to the other begins a loop, which ends. With the
// default policy it may be the rate that ends it, so there is one without, too.
func TestLoopsBetweenHosts(t *testing.T) {
	t.Parallel()
	a, b := netns.New(t)
	unlimited := &guard.Policy{RateLimit: guard.Off}
	for _, tt := range []struct {
		name        string
		first       netip.Addr // on host a
		second      netip.Addr // on host b
		low         bool
		firstName   string // handlers
		secondName  string
		policy      *guard.Policy
		most        uint64
		longRunning bool
	}{
		{"IPv4", a.V4, b.V4, true, "length", "time", unlimited, guardtest.MostLow, false},
		{"IPv4, its own replies", a.V4, b.V4, true, "length", "length", unlimited, 3, false},
		{"IPv4, echo", a.V4, b.V4, true, "echo", "echo", unlimited, guardtest.MostLow, false},
		{"IPv4, clients' ports", a.V4, b.V4, false, "time", "counting", unlimited, guardtest.MostClient, true},
		{"IPv4, clients' ports, with a rate", a.V4, b.V4, false, "time", "counting", nil, guardtest.MostClient, false},
		{"IPv6", a.V6, b.V6, true, "counting", "time", unlimited, guardtest.MostLow, false},
		{"IPv6, clients' ports, with a rate", a.V6, b.V6, false, "echo", "echo", nil, guardtest.MostClient, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.longRunning && testing.Short() {
				t.Skip("the loop has 65,537 exchanges")
			}
			var first, second *running
			a.Do(func() { first = serve(t, tt.first.String(), tt.low, guardtest.Handlers(t)[tt.firstName], tt.policy) })
			b.Do(func() { second = serve(t, tt.second.String(), tt.low, guardtest.Handlers(t)[tt.secondName], tt.policy) })
			a.Do(func() { forge(t, first.addr, second.addr, []byte("x")) })
			over(t, first, second)
			one, two := first.stop(), second.stop()
			t.Logf("it lived %d datagrams one way and %d the other", one.Received, two.Received)
			if max(one.Received, two.Received) > tt.most || two.Received == 0 {
				t.Errorf("it lived %d datagrams one way and %d the other, the most is %d", one.Received, two.Received, tt.most)
			}
		})
	}
}

// Somebody else's services on the other host.
func TestLoopsWithServicesOfAnotherHost(t *testing.T) {
	t.Parallel()
	a, b := netns.New(t)
	for _, ips := range [][2]netip.Addr{{a.V4, b.V4}, {a.V6, b.V6}} {
		for _, name := range []string{"counting", "echo", "length", "time", "dns", "ntp"} {
			h := guardtest.Handlers(t)[name]
			data := guardtest.FirstAnswered(t, h)
			var us *running
			a.Do(func() { us = serve(t, ips[0].String(), true, h, &guard.Policy{RateLimit: guard.Off}) })
			var all []*other
			b.Do(func() {
				for _, s := range guardtest.Services() {
					o := run(t, ips[1].String(), true, s)
					all = append(all, o)
					forge(t, o.addr, us.addr, data)
				}
			})
			over(t, us)
			us.stop()
			for _, o := range all {
				t.Logf("%s and %s on %v: it lived %d datagrams", name, o.name, o.addr, o.sent.Load()+1)
				if n := o.sent.Load() + 1; n > guardtest.MostLow {
					t.Errorf("%s and %s on %v: it lived %d datagrams, the most is %d", name, o.name, o.addr, n, guardtest.MostLow)
				}
			}
		}
	}
}

// The listing on the other host.
func TestLoopWithTheListingOfAnotherHost(t *testing.T) {
	t.Parallel()
	a, b := netns.New(t)
	for name, policy := range map[string]func(port uint16) *guard.Policy{
		"as a service": func(port uint16) *guard.Policy {
			return &guard.Policy{RateLimit: guard.Off, ServicePorts: []uint16{port}}
		},
		"with a rate": func(uint16) *guard.Policy { return nil },
	} {
		var listing netip.AddrPort
		b.Do(func() { listing = python(t, b.V4.String()) })
		var us *running
		a.Do(func() { us = serve(t, a.V4.String(), true, guardtest.Handlers(t)["time"], policy(listing.Port())) })
		b.Do(func() { forge(t, listing, us.addr, []byte("x")) })
		over(t, us)
		s := us.stop()
		t.Logf("%s: it lived %d datagrams; %d were refused by the rate", name, s.Received, s.Refused[guard.Rate])
		if s.Received > guardtest.MostLow {
			t.Errorf("%s: it lived %d datagrams, the most is %d", name, s.Received, guardtest.MostLow)
		}
	}
}

// A datagram to the broadcast address of the link, or to a multicast address, is answered if the policy says so, and
// then by the address of one host.
func TestBroadcastBetweenHosts(t *testing.T) {
	t.Parallel()
	a, b := netns.New(t)
	for _, answers := range []bool{false, true} {
		var us *running
		a.Do(func() {
			us = serve(t, "0.0.0.0", false, guardtest.Handlers(t)["echo"], &guard.Policy{AnswerGroup: answers, Local: []netip.Addr{a.V4}})
		})
		var c *net.UDPConn
		b.Do(func() { c, _ = socket(t, b.V4.String(), false) })
		to := []netip.Addr{netip.MustParseAddr("192.0.2.255"), netip.MustParseAddr("255.255.255.255"), a.V4}
		b.Run("ip", "route", "replace", "255.255.255.255", "dev", b.Interface)
		for _, addr := range to {
			if _, err := c.WriteToUDPAddrPort([]byte("x"), netip.AddrPortFrom(addr, us.addr.Port())); err != nil {
				t.Fatal(err)
			}
		}
		over(t, us)
		s := us.stop()
		want := uint64(len(to) - 1)
		if answers {
			want = 0
		}
		if s.Received != uint64(len(to)) || s.Refused[guard.Group] != want || s.Replied != s.Received-want {
			t.Errorf("answers %v: received %d, refused %d, replied to %d; want %d, %d, %d", answers,
				s.Received, s.Refused[guard.Group], s.Replied, len(to), want, len(to)-int(want))
		}
	}
}

// On a wildcard address a server knows itself by every name that its host has.
func TestOwnNamesOnAHost(t *testing.T) {
	t.Parallel()
	a, _ := netns.New(t)
	local := []netip.Addr{a.V4, a.V6, a.LinkLocal}
	for _, ip := range []string{"0.0.0.0", "::"} {
		a.Do(func() {
			us := serve(t, ip, false, guardtest.Handlers(t)["echo"], &guard.Policy{Local: local})
			names := []netip.Addr{a.V4, netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.7.7.7")}
			if ip == "::" {
				names = append(names, a.V6, netip.MustParseAddr("::1"))
			}
			for _, from := range names {
				i := slices.IndexFunc(names, func(n netip.Addr) bool { return n.Is4() == from.Is4() })
				to := names[i]
				forge(t, netip.AddrPortFrom(from, us.addr.Port()), netip.AddrPortFrom(to, us.addr.Port()), []byte("x"))
			}
			over(t, us)
			if s := us.stop(); s.Refused[guard.Own] != uint64(len(names)) || s.Replied != 0 {
				t.Errorf("on %s: %d of %d names are known as its own; it replied %d times", ip, s.Refused[guard.Own], len(names), s.Replied)
			}
		})
	}
}
