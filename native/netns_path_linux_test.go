package native_test

// What takes a router to show, whose next link takes less than the one before.

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/native"
	"github.com/retort-udp/retort/native/internal/netns"
)

const (
	narrow   = 1300 // bytes of a packet that the link beyond the router takes
	headers4 = 20 + 8
	headers6 = 40 + 8
)

// A probe that is too large for a link on the way leaves, and is lost there. The router complains (ICMP "fragmentation
// needed", ICMPv6 "packet too big"), and from then on the MTU is known to the byte.
func TestProbeMTUOfAPath(t *testing.T) {
	a, b := netns.NewRouted(t, narrow)
	for _, tt := range []struct {
		ip      netip.Addr
		headers int
	}{{b.V4, headers4}, {b.V6, headers6}} {
		probe := func(packet int) (p native.Probe) {
			a.Do(func() {
				var err error
				p, err = native.ProbeMTU(t.Context(), netip.AddrPortFrom(tt.ip, 9).String(), packet-tt.headers)
				if err != nil {
					t.Fatal(err)
				}
			})
			return p
		}
		if p := probe(narrow); !p.Sent || p.MTU != 1500 {
			t.Errorf("%v: a probe that fits: %+v", tt.ip, p)
		}
		if p := probe(narrow + 1); !p.Sent {
			t.Errorf("%v: the first probe that does not fit: %+v", tt.ip, p)
		}
		await(t, func() bool { return !probe(narrow + 1).Sent }) // the complaint is on its way
		for packet, sent := range map[int]bool{narrow: true, narrow + 1: false, 1500: false} {
			if p := probe(packet); p.Sent != sent || p.MTU != narrow {
				t.Errorf("%v: a packet of %d bytes: %+v", tt.ip, packet, p)
			}
		}
	}
}

// A datagram that is too large for a link on the way arrives: over IPv4 at once, since routers cut it; over IPv6, where the
// sender alone does that, when it is sent for again.
func TestLargeDatagramsOnANarrowPath(t *testing.T) {
	small, large := []byte("more"), pattern(1400)
	each(t, func(t *testing.T, way transport) {
		for _, listen := range []string{":0", "192.0.2.1:0", "[2001:db8::1]:0"} {
			t.Run("replies from "+listen, func(t *testing.T) {
				a, b := netns.NewRouted(t, narrow)
				c := way.listenOn(t, a, listen)
				serveAs(t, a, c, large)
				for _, ip := range []netip.Addr{a.V4, a.V6} {
					if own := c.LocalAddr().Addr(); own.IsUnspecified() || own == ip {
						askOn(t, b, netip.AddrPortFrom(ip, c.LocalAddr().Port()), false, small, large)
					}
				}
			})
		}
	})
	for _, connected := range []bool{false, true} {
		t.Run(fmt.Sprint("requests, connected ", connected), func(t *testing.T) {
			a, b := netns.NewRouted(t, narrow)
			c := transport{Workers: 1}.listenOn(t, b, ":0")
			serveAs(t, b, c, small)
			for _, ip := range []netip.Addr{b.V4, b.V6} {
				askOn(t, a, netip.AddrPortFrom(ip, c.LocalAddr().Port()), connected, large, small)
			}
		})
	}
}

// serveAs answers all that c receives on a host with the same, until the test ends.
func serveAs(t *testing.T, h *netns.Host, c core.Conn, answer []byte) {
	h.Go(func() {
		for b := core.NewBatch(); c.Receive(b) == nil; {
			for i := range b.Messages {
				b.Answer(i, answer)
			}
			if err := c.Send(b); err != nil {
				t.Error(err)
			}
		}
	})
	t.Cleanup(c.Interrupt)
}

// askOn asks from a host, over IPv4 once, and expects that answer.
func askOn(t *testing.T, h *netns.Host, server netip.AddrPort, connected bool, request, want []byte) {
	t.Helper()
	o := native.ClientOptions{Connect: connected, Tries: 1, FirstWait: patience}
	if server.Addr().Is6() {
		o.Tries, o.FirstWait, o.Factor = 100, 50*time.Millisecond, 1
	}
	var c *native.Client
	h.Do(func() {
		var err error
		if c, err = native.Dial(t.Context(), server.String(), o); err != nil {
			t.Fatal(err)
		}
	})
	defer c.Close()
	if got, err := c.Ask(t.Context(), request); err != nil || !bytes.Equal(got.Data, want) {
		t.Errorf("asking %v with %d bytes: %d bytes, %v", server, len(request), len(got.Data), err)
	}
}
