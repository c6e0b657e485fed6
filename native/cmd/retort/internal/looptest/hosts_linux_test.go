package looptest

import (
	"maps"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/retort-udp/retort/core/guard"
	"github.com/retort-udp/retort/core/guard/guardtest"
	"github.com/retort-udp/retort/native/internal/netns"
)

// Two hosts with a link between them: one forged datagram from each of our servers there to each here begins a loop,
// which ends. All begin at once, so there is no rate, or it would end them.
func TestLoopsBetweenHosts(t *testing.T) {
	t.Parallel()
	a, b := netns.New(t)
	for _, ips := range [][2]netip.Addr{{a.V4, b.V4}, {a.V6, b.V6}} {
		here, hereNames := serveAll(t, a, ips[0])
		there, thereNames := serveAll(t, b, ips[1])
		a.Do(func() {
			for _, first := range there {
				data := guardtest.FirstAnswered(t, first.Handler)
				for _, second := range here {
					forge(t, second.addr, first.addr, data)
				}
			}
		})
		over(t, slices.Concat(slices.Collect(maps.Values(here)), slices.Collect(maps.Values(there)))...)
		for name, us := range here {
			us.inBounds(t, name, thereNames)
		}
		for name, us := range there {
			us.wasAsked(t, name, hereNames)
			us.inBounds(t, name, hereNames)
		}
		t.Logf("%v and %v: %d pairings", ips[0], ips[1], len(here)*len(there))
	}
}

// serveAll serves every handler on a host, each by itself and on a low port.
func serveAll(t *testing.T, host *netns.Host, ip netip.Addr) (ours map[string]*running, names map[netip.AddrPort]string) {
	t.Helper()
	ours, names = make(map[string]*running), make(map[netip.AddrPort]string)
	host.Do(func() {
		for name, h := range guardtest.Handlers(t) {
			ours[name] = serve(t, ip.String(), true, h, &guard.Policy{RateLimit: guard.Off})
			names[ours[name].addr] = name
		}
	})
	return ours, names
}

// On ports that systems give to clients a loop has 65,538 exchanges, and the default policy's rate ends it before.
func TestLoopsBetweenClientPortsOfHosts(t *testing.T) {
	t.Parallel()
	a, b := netns.New(t)
	unlimited := &guard.Policy{RateLimit: guard.Off}
	for _, tt := range []struct {
		name          string
		first, second netip.Addr // on host a, and on host b
		handlers      [2]string
		policy        *guard.Policy
		longRunning   bool
	}{
		{"IPv4", a.V4, b.V4, [2]string{"time", "counting"}, unlimited, true},
		{"IPv4, with a rate", a.V4, b.V4, [2]string{"time", "counting"}, nil, false},
		{"IPv6, with a rate", a.V6, b.V6, [2]string{"echo", "echo"}, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.longRunning && testing.Short() {
				t.Skip("the loop has 65,538 exchanges")
			}
			var first, second *running
			a.Do(func() { first = serve(t, tt.first.String(), false, guardtest.Handlers(t)[tt.handlers[0]], tt.policy) })
			b.Do(func() { second = serve(t, tt.second.String(), false, guardtest.Handlers(t)[tt.handlers[1]], tt.policy) })
			a.Do(func() { forge(t, first.addr, second.addr, []byte("x")) })
			over(t, first, second)
			one, two := first.stop(), second.stop()
			t.Logf("it lived %d datagrams one way and %d the other", one.Received, two.Received)
			if max(one.Received, two.Received) > guardtest.MostClient || two.Received == 0 {
				t.Errorf("it lived %d datagrams one way and %d the other, the most is %d",
					one.Received, two.Received, guardtest.MostClient)
			}
		})
	}
}

// Somebody else's services on the other host, all at once.
func TestLoopsWithServicesOfAnotherHost(t *testing.T) {
	t.Parallel()
	a, b := netns.New(t)
	for _, ips := range [][2]netip.Addr{{a.V4, b.V4}, {a.V6, b.V6}} {
		ours, _ := serveAll(t, a, ips[0])
		var services map[netip.AddrPort]string
		b.Do(func() { services = runAgainst(t, ips[1].String(), ours) })
		allEnd(t, ours, services)
		t.Logf("%v and %v: %d pairings", ips[0], ips[1], len(ours)*len(services))
	}
}

// The listing on the other host.
func TestLoopWithTheListingOfAnotherHost(t *testing.T) {
	t.Parallel()
	a, b := netns.New(t)
	for name, tt := range map[string]struct {
		policy func(port uint16) *guard.Policy
		most   uint64
	}{
		"as a service": {func(port uint16) *guard.Policy {
			return &guard.Policy{RateLimit: guard.Off, ServicePorts: []uint16{port}}
		}, guardtest.MostLow},
		"with a rate": {func(uint16) *guard.Policy { return nil }, guard.DefaultRate}, // a bucket, of a loop that turns many times as fast
	} {
		var listing netip.AddrPort
		b.Do(func() { listing = python(t, b.V4.String()) })
		var us *running
		a.Do(func() { us = serve(t, a.V4.String(), true, guardtest.Handlers(t)["time"], tt.policy(listing.Port())) })
		b.Do(func() { forge(t, listing, us.addr, []byte("x")) })
		over(t, us)
		s := us.stop()
		t.Logf("%s: it lived %d datagrams; %d were refused by the rate", name, s.Received, s.Refused[guard.Rate])
		if s.Received > tt.most {
			t.Errorf("%s: it lived %d datagrams, the most is %d", name, s.Received, tt.most)
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
