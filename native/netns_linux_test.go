package native_test

// What takes two hosts to show: package netns makes them.

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/guard"
	"github.com/retort-udp/retort/core/reply"
	"github.com/retort-udp/retort/core/server"
	"github.com/retort-udp/retort/native"
	"github.com/retort-udp/retort/native/internal/netns"
)

// listenOn opens addr on a host, for one worker.
func (way transport) listenOn(t *testing.T, h *netns.Host, addr string) (c core.Conn) {
	t.Helper()
	h.Do(func() { c = way.listen(t, addr) })
	return c
}

// serveOn echoes on a host what c receives, in batches, until the test ends.
func serveOn(t *testing.T, h *netns.Host, c core.Conn) {
	h.Go(func() {
		b := core.NewBatch()
		for c.Receive(b) == nil {
			for i, m := range b.Messages {
				if b.Room(len(m.Data)) == nil {
					if err := c.Send(b); err != nil {
						t.Error(err)
					}
					b.Clear()
				}
				b.Answer(i, m.Data)
			}
			if err := c.Send(b); err != nil {
				t.Error(err)
			}
		}
	})
	t.Cleanup(c.Interrupt)
}

// dialFrom opens a socket on a host that is connected to an address, and takes replies from nowhere else.
func dialFrom(t *testing.T, h *netns.Host, to netip.AddrPort) (c *net.UDPConn) {
	t.Helper()
	h.Do(func() {
		var err error
		if c, err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to)); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}

// exchange sends data and waits for the same.
func exchange(t *testing.T, c *net.UDPConn, data []byte) {
	t.Helper()
	if _, err := c.Write(data); err != nil {
		t.Fatalf("%d bytes to %v: %v", len(data), c.RemoteAddr(), err)
	}
	got := make([]byte, 1<<16)
	n, err := c.Read(got)
	if err != nil || !bytes.Equal(got[:n], data) {
		t.Fatalf("%d bytes to %v: %d bytes, %v", len(data), c.RemoteAddr(), n, err)
	}
}

// A server on a wildcard address answers from the address that it was asked at, whichever of its host that is.
func TestRepliesLeaveFromTheAskedAddress(t *testing.T) {
	each(t, func(t *testing.T, way transport) {
		a, b := netns.New(t)
		b.Run("ip", "addr", "add", "192.0.2.3/24", "dev", b.Interface)
		b.Run("ip", "addr", "add", "2001:db8::3/64", "nodad", "dev", b.Interface)
		c := way.listenOn(t, b, ":0")
		serveOn(t, b, c)
		for _, ip := range []string{"192.0.2.2", "192.0.2.3", "2001:db8::2", "2001:db8::3"} {
			exchange(t, dialFrom(t, a, at(ip, c)), []byte("hello, "+ip))
		}
	})
}

// Link-local addresses work with their zone, which is the interface's name on either host, on an address of their
// own and on a wildcard.
func TestLinkLocalAddresses(t *testing.T) {
	each(t, func(t *testing.T, way transport) {
		a, b := netns.New(t)
		for _, addr := range []string{fmt.Sprintf("[%v]:0", b.LinkLocal), ":0", "[::]:0"} {
			c := way.listenOn(t, b, addr)
			serveOn(t, b, c)
			to := netip.AddrPortFrom(b.LinkLocal.WithZone(a.Interface), c.LocalAddr().Port())
			exchange(t, dialFrom(t, a, to), []byte("hello, "+addr))
		}
	})
}

func TestZoneOfAPeer(t *testing.T) {
	each(t, func(t *testing.T, way transport) {
		a, b := netns.New(t)
		c := way.listenOn(t, b, ":0")
		client := dialFrom(t, a, netip.AddrPortFrom(b.LinkLocal.WithZone(a.Interface), c.LocalAddr().Port()))
		if _, err := client.Write([]byte("who?")); err != nil {
			t.Fatal(err)
		}
		b.Do(func() {
			m := receiveOne(t, c, core.NewBatch())
			if want := a.LinkLocal.WithZone(b.Interface); m.From.Addr() != want || m.To.Addr() != b.LinkLocal {
				t.Errorf("from %v to %v, want %v and %v", m.From, m.To, want, b.LinkLocal)
			}
		})
	})
}

// Who receives and who sends may be two goroutines, each with a Batch of its own; also where both need the zones of
// peers. The race detector sees whether they share more.
func TestReceiveAndSendAtOnce(t *testing.T) {
	each(t, func(t *testing.T, way transport) {
		a, b := netns.New(t)
		c := way.listenOn(t, b, ":0")
		received := make(chan core.Message, 100)
		b.Go(func() {
			defer close(received)
			for in := core.NewBatch(); c.Receive(in) == nil; {
				for _, m := range in.Messages {
					m.Data = bytes.Clone(m.Data)
					received <- m
				}
			}
		})
		b.Go(func() {
			out, unknown := core.NewBatch(), 1000
			for m := range received {
				gone := m // its peer was on an interface that nobody knows
				gone.From = netip.AddrPortFrom(a.LinkLocal.WithZone(fmt.Sprint(unknown)), 9)
				unknown++
				out.Messages = []core.Message{m, gone}
				out.Answer(1, m.Data)
				out.Answer(0, m.Data)
				if err := c.Send(out); err != nil {
					t.Error(err)
				}
				out.Clear()
			}
		})
		t.Cleanup(c.Interrupt)
		client := dialFrom(t, a, netip.AddrPortFrom(b.LinkLocal.WithZone(a.Interface), c.LocalAddr().Port()))
		for i := range 5 {
			exchange(t, client, fmt.Append(nil, i))
		}
	})
}

// A link that is removed and made again has its name still and another index: peers are answered over the new one.
func TestLinkThatIsMadeAgain(t *testing.T) {
	a, b := netns.New(t)
	c := transport{Workers: 1}.listenOn(t, b, ":0")
	serveOn(t, b, c)
	for i := range 2 {
		if i > 0 {
			netns.Relink(a, b)
		}
		to := netip.AddrPortFrom(b.LinkLocal.WithZone(a.Interface), c.LocalAddr().Port())
		exchange(t, dialFrom(t, a, to), []byte("hello"))
	}
}

// A Conn that is to end does not wait for ever for room in a queue that nothing leaves: what it cannot send is lost,
// and counted.
func TestInterruptWhileNothingLeaves(t *testing.T) {
	if _, err := exec.LookPath("tc"); err != nil {
		t.Skip("there is no tc (iproute2) to slow a link down with")
	}
	each(t, func(t *testing.T, way transport) {
		a, b := netns.New(t)
		c := way.listenOn(t, b, "0.0.0.0:0")
		out := core.NewBatch()
		client := dialFrom(t, a, netip.AddrPortFrom(b.V4, c.LocalAddr().Port()))
		if _, err := client.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		receiveOne(t, c, out)
		b.Run("tc", "qdisc", "add", "dev", b.Interface, "root", "tbf", "rate", "1kbit", "burst", "2000", "limit", "100000000")
		sent := make(chan error, 1)
		const rounds, replies = 20, 60
		b.Go(func() {
			for range rounds {
				for range replies {
					out.Answer(0, pattern(1000))
				}
				if err := c.Send(out); err != nil {
					sent <- err
					return
				}
				out.Clear()
			}
			sent <- nil
		})
		c.Interrupt()
		if err := waitFor(t, sent); err != nil {
			t.Errorf("Send returned %v", err)
		}
		if lost := out.Losses.Unsent; lost == 0 || lost > rounds*replies {
			t.Errorf("%d of %d replies were lost: that tests nothing", lost, rounds*replies)
		}
	})
}

// Datagrams and replies larger than the link takes go in fragments, up to the largest there is.
func TestFragments(t *testing.T) {
	each(t, func(t *testing.T, way transport) {
		a, b := netns.New(t)
		c := way.listenOn(t, b, ":0")
		serveOn(t, b, c)
		for _, ip := range []netip.Addr{b.V4, b.V6} {
			client := dialFrom(t, a, netip.AddrPortFrom(ip, c.LocalAddr().Port()))
			for _, size := range []int{1400, 1473, 9000, core.MaxPayload(ip)} {
				exchange(t, client, pattern(size))
			}
		}
	})
}

// ProbeMTU finds the link's MTU to the byte.
func TestProbeMTUOfALink(t *testing.T) {
	a, b := netns.New(t)
	a.Run("ip", "link", "set", a.Interface, "mtu", "1400")
	for _, tt := range []struct {
		ip      netip.Addr
		headers int
	}{{b.V4, 28}, {b.V6, 48}} {
		for size, sent := range map[int]bool{1400 - tt.headers: true, 1401 - tt.headers: false} {
			a.Do(func() {
				p, err := native.ProbeMTU(t.Context(), netip.AddrPortFrom(tt.ip, 9).String(), size)
				if err != nil || p.Sent != sent || p.MTU != 1400 {
					t.Errorf("%d bytes to %v: %+v, %v; want sent %v", size, tt.ip, p, err, sent)
				}
			})
		}
	}
}

// What gets through is answered once, whatever is lost on the way.
func TestLossOnTheWay(t *testing.T) {
	a, b := netns.New(t)
	b.Firewall(`table inet test {
		chain in {
			type filter hook input priority 0
			meta l4proto udp numgen random mod 10 < 3 drop
		}
	}
	`)
	c := transport{Workers: 1}.listenOn(t, b, "0.0.0.0:0")
	stats := answer(t, c, &guard.Policy{Rate: 1_000_000, Burst: 60_000_000})
	client := dialFrom(t, a, netip.AddrPortFrom(b.V4, c.LocalAddr().Port()))

	answers := make(map[string]int)
	collect := func() bool { // one answer, unless there is none for a while
		client.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		data := make([]byte, 100)
		n, err := client.Read(data)
		answers[string(data[:n])]++
		return err == nil
	}
	const rounds, requests = 10, 100 // as many as the client's buffer holds at once
	for round := range rounds {
		for i := range requests {
			fmt.Fprintf(client, "%d of %d", i, round)
		}
		// They are answered in order. The one for the end is repeated until it gets through.
		for end := fmt.Sprint("end of ", round); answers[end] == 0; {
			fmt.Fprint(client, end)
			for collect() {
			}
			if t.Failed() {
				t.FailNow()
			}
		}
	}
	delete(answers, "") // what was collected when there was nothing
	lost, got := 0, uint64(0)
	for round := range rounds {
		for i := range requests {
			n := answers[fmt.Sprintf("%d of %d", i, round)]
			if n > 1 {
				t.Errorf("request %d of %d was answered %d times", i, round, n)
			}
			if n == 0 {
				lost++
			}
		}
	}
	for _, n := range answers {
		got += uint64(n)
	}
	await(t, func() bool { return stats().Received >= got })
	if s := stats(); s.Received != got || s.Replied != got {
		t.Errorf("%d requests were answered; the server counted %d and %d", got, s.Received, s.Replied)
	}
	if lost < rounds*requests/10 || lost > rounds*requests/2 {
		t.Errorf("the firewall lost %d of %d: that tests little", lost, rounds*requests)
	}
}

// await waits until something has happened that ends in no event.
func await(t *testing.T, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !happened(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not happen")
		}
	}
}

// answer serves c with an echo until the test ends, on the host where it was opened, and returns its Stats.
func answer(t *testing.T, c core.Conn, policy *guard.Policy) func() server.Stats {
	s := &server.Server{Handler: reply.Echo{}, Guard: policy}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.Serve(ctx, c); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return s.Stats
}

// A reply that the host's own firewall refuses is counted, and costs the others nothing.
func TestForbiddenReplies(t *testing.T) {
	each(t, func(t *testing.T, way transport) {
		a, b := netns.New(t)
		b.Run("ip", "addr", "add", "192.0.2.3/24", "dev", b.Interface)
		b.Firewall(`table inet test {
			chain out {
				type filter hook output priority 0
				ip saddr 192.0.2.3 udp sport != 9 drop
			}
		}
		`)
		c := way.listenOn(t, b, "0.0.0.0:0")
		good, bad := dialFrom(t, a, at("192.0.2.2", c)), dialFrom(t, a, at("192.0.2.3", c))
		const rounds = 10
		for i := range rounds {
			fmt.Fprint(good, i)
			fmt.Fprint(bad, i)
		}
		b.Do(func() {
			batch := core.NewBatch()
			for got := 0; got < 2*rounds; got += len(batch.Messages) {
				if err := c.Receive(batch); err != nil {
					t.Fatal(err)
				}
				echoSegments(t, c, batch)
			}
			if want := (core.Losses{Forbidden: rounds}); batch.Losses != want {
				t.Errorf("lost %+v, want %+v", batch.Losses, want)
			}
		})
		data := make([]byte, 10)
		for i := range rounds {
			if n, err := good.Read(data); err != nil || string(data[:n]) != fmt.Sprint(i) {
				t.Errorf("reply %d is %q, %v", i, data[:n], err)
			}
		}
	})
}

// What is sent to everybody is answered only when the policy says so; then the answer comes from the host's own
// address. What is sent to one host is answered in any case.
func TestBroadcastAndMulticastOverALink(t *testing.T) {
	for _, tt := range []struct {
		listen, group, own string
	}{
		{"0.0.0.0:0", "192.0.2.255", "192.0.2.2"},
		{"0.0.0.0:0", "255.255.255.255", "192.0.2.2"},
		{"0.0.0.0:0", "224.0.0.1", "192.0.2.2"}, // every host is in that group (RFC 1112)
		{":0", "192.0.2.255", "192.0.2.2"},
		{":0", "ff02::1%link-a", "fe80::2%link-a"}, // and in that one (RFC 4291)
	} {
		for _, answers := range []bool{false, true} {
			t.Run(fmt.Sprint(tt.listen, " ", tt.group, " ", answers), func(t *testing.T) {
				a, b := netns.New(t)
				a.Run("ip", "route", "add", "224.0.0.0/4", "dev", a.Interface)
				a.Run("ip", "route", "add", "255.255.255.255/32", "dev", a.Interface)
				each(t, func(t *testing.T, way transport) {
					c := way.listenOn(t, b, tt.listen)
					stats := answer(t, c, &guard.Policy{AnswerGroup: answers})
					var client *peer
					a.Do(func() {
						ip := "192.0.2.1"
						if netip.MustParseAddr(tt.group).Is6() {
							ip = "::"
						}
						client = newPeer(t, ip)
					})
					client.send(at(tt.group, c), []byte("everybody"))
					client.send(at(tt.own, c), []byte("you"))
					want := []string{"you"}
					if answers {
						want = []string{"everybody", "you"}
					}
					for _, w := range want {
						got, from := client.receive()
						from = netip.AddrPortFrom(from.Addr().WithZone(""), from.Port()) // a name or a number
						if string(got) != w || from != at(strings.TrimSuffix(tt.own, "%link-a"), c) {
							t.Errorf("got %q from %v, want %q from %s", got, from, w, tt.own)
						}
					}
					await(t, func() bool { return stats().Received >= 2 })
					if refused := stats().Refused[guard.Group]; (refused == 0) != answers {
						t.Errorf("%d datagrams were refused as sent to a group", refused)
					}
				})
			})
		}
	}
}

// Over a link, too, each request is answered once and byte for byte, whatever the kernels cut and join, with
// replies that are larger than the link takes among them.
func TestOffloadOverALink(t *testing.T) {
	for _, mtu := range []string{"1500", "1300"} {
		a, b := netns.New(t)
		for _, h := range []*netns.Host{a, b} {
			h.Run("ip", "link", "set", h.Interface, "mtu", mtu)
		}
		c := transport{Workers: 1, GSO: native.GSOOn}.listenOn(t, b, ":0")
		serveOn(t, b, c)
		for _, ip := range []netip.Addr{b.V4, b.V6} {
			client := dialFrom(t, a, netip.AddrPortFrom(ip, c.LocalAddr().Port()))
			for _, size := range []int{1, 32, 1232, 1272, 1400} {
				for first := 0; first < 100; first += 20 {
					for i := range 20 {
						if _, err := client.Write(numbered(first+i, size)); err != nil {
							t.Fatal(err)
						}
					}
					got := make([]byte, 1<<16)
					for i := range 20 {
						n, err := client.Read(got)
						if err != nil || !bytes.Equal(got[:n], numbered(first+i, size)) {
							t.Fatalf("MTU %s, %v, %d bytes, reply %d: %d bytes, %v", mtu, ip, size, first+i, n, err)
						}
					}
				}
			}
		}
	}
}

// numbered returns a payload of that size that can be told from others.
func numbered(i, size int) []byte {
	data := pattern(size)
	data[0] = byte(i)
	return data
}
