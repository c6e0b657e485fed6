package guard_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/guard"
	"github.com/retort-udp/retort/core/reply"
	"github.com/retort-udp/retort/core/reply/builtin"
	"github.com/retort-udp/retort/core/server"
)

// service is a server that ours may be made to talk to. Those of whom answer is nil are retort itself.
type service struct {
	name   string
	port   uint16 // its own
	answer func(w *world, data []byte) []byte
}

var services = []service{
	{"listing", 1060, func(_ *world, data []byte) []byte {
		if bytes.ContainsFunc(data, func(r rune) bool { return r >= 0x80 }) {
			return nil // it dies
		}
		return fmt.Appendf(nil, "Your data was %d bytes long", len(data))
	}},
	{"echo", 7, func(_ *world, data []byte) []byte { return data }},
	{"daytime", 13, func(w *world, _ []byte) []byte {
		return epoch.Add(w.now).AppendFormat(nil, "Monday, January 2, 2006 15:04:05-MST\r\n")
	}},
	{"chargen", 19, func(w *world, _ []byte) []byte {
		text := make([]byte, w.rng.IntN(513))
		for i := range text {
			text[i] = byte(' ' + (i+len(text))%95)
		}
		return text
	}},
	{"dns", 53, func(_ *world, data []byte) []byte { return dnsReply(data, false) }},
	{"rude dns", 53, func(_ *world, data []byte) []byte { return dnsReply(data, true) }},
	{"ntp", 123, func(_ *world, data []byte) []byte { return ntpReply(data, false) }},
	{"rude ntp", 123, func(_ *world, data []byte) []byte { return ntpReply(data, true) }},
}

// dnsReply answers as a name server does: a question that it does not understand with FORMERR (RFC 1035).
// A rude one takes answers for questions.
func dnsReply(data []byte, rude bool) []byte {
	if len(data) < 12 || data[2]&0x80 != 0 && !rude {
		return nil
	}
	answer := make([]byte, 12)
	copy(answer, data[:3])
	answer[2] |= 0x80
	answer[3] = 1
	return answer
}

// ntpReply answers as a time server does (RFC 5905). A rude one answers all modes.
func ntpReply(data []byte, rude bool) []byte {
	if !rude && (len(data) < 48 || data[0]&7 != 3) {
		return nil
	}
	answer := make([]byte, 48)
	answer[0] = 0x24
	copy(answer[24:32], data)
	return answer
}

// classifiedDNS is a Classifier, as a name server in this house is. It says nothing to what is malformed.
type classifiedDNS struct{}

func (classifiedDNS) IsResponse(d *core.Datagram) bool { return len(d.Data) > 2 && d.Data[2]&0x80 != 0 }

func (classifiedDNS) Reply(dst []byte, d *core.Datagram) ([]byte, error) {
	if len(d.Data) < 12 || binary.BigEndian.Uint16(d.Data[4:]) != 1 {
		return nil, core.ErrMalformed
	}
	return append(dst, dnsReply(d.Data, false)...), nil
}

// counting answers with a number that grows, so that nothing ever comes to a fixed point.
func counting() core.Handler {
	n := uint64(0)
	return core.HandlerFunc(func(dst []byte, _ *core.Datagram) ([]byte, error) {
		n++
		return binary.BigEndian.AppendUint64(dst, n), nil
	})
}

// handlers are those that take part in pairings; each call makes new ones.
func handlers(t testing.TB) map[string]core.Handler {
	t.Helper()
	all := map[string]core.Handler{"counting": counting(), "classified dns": classifiedDNS{}}
	for _, spec := range []string{"length", "echo", "time", "upper", "fixed=pong", "fixed="} {
		h, err := builtin.Named(spec)
		if err != nil {
			t.Fatal(err)
		}
		all[spec] = h
	}
	return all
}

func names(t testing.TB) []string {
	var all []string
	for name := range handlers(t) {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

const (
	lowPort    = 2000
	clientPort = 40000

	mostLow    = 1000   // datagrams that we may be sent by a service, after one that was forged
	mostClient = 70_000 // by one that sits on a client's port
)

// mostFor returns the bound on what a loop with a peer on that port may live.
func mostFor(port uint16) uint64 {
	if port < 32768 {
		return mostLow
	}
	return mostClient
}

// After one forged datagram between two servers their exchange ends, whichever they are. The ports are the
// service's own, another low one, and one that systems give to clients.
func TestLoopsWithOthersEnd(t *testing.T) {
	simulations, longest := 0, uint64(0)
	for _, hosts := range []string{"127.0.0.1", "192.0.2.7"} { // the same host, and another
		for _, latency := range []time.Duration{10 * time.Microsecond, time.Millisecond, 30 * time.Millisecond, 300 * time.Millisecond} {
			for _, name := range names(t) {
				for _, s := range services {
					for _, port := range []uint16{s.port, lowPort, clientPort} {
						far := hosts != "127.0.0.1" && latency == 300*time.Millisecond
						near := hosts == "127.0.0.1" && latency == 10*time.Microsecond
						if port == clientPort && (quick() || !long() && !far && !near) {
							continue // these live for long
						}
						simulations++
						w := newWorld(uint64(simulations), path{latency: latency, jitter: latency / 5})
						w.until = 24 * time.Hour
						lived := loopWith(t, w, handlers(t)[name], s, hosts, port)
						longest = max(longest, lived.Received)
						what := fmt.Sprintf("%s and %s on %s port %d, %v", name, s.name, hosts, port, latency)
						report(t, "%-60s lived %6d datagrams, %v", what, lived.Received, w.now)
						if lived.Received > mostFor(port) {
							t.Errorf("%s: it lived %d datagrams, the most is %d", what, lived.Received, mostFor(port))
						}
						if len(w.events) > 0 {
							t.Errorf("%s: it is not over after %v", what, w.now)
						}
					}
				}
			}
		}
	}
	t.Logf("%d pairings, the longest lived %d datagrams", simulations, longest)
}

// report is t.Logf for what nobody wants to read who has not asked for it.
func report(t *testing.T, format string, args ...any) {
	t.Helper()
	if testing.Verbose() {
		t.Logf(format, args...)
	}
}

// loopWith forges a datagram from a service to a server of ours and returns what that counted.
func loopWith(t *testing.T, w *world, h core.Handler, s service, host string, port uint16) server.Stats {
	t.Helper()
	us := w.listen(host[:len(host)-1] + "1:1060")
	them := w.respond(fmt.Sprint(host, ":", port), s.answer)
	if them.addr == us.addr {
		them = w.respond("127.0.0.2:1060", s.answer)
	}
	w.send(them.addr, us.addr, []byte("x"))
	return w.run(t, &server.Server{Handler: h, Guard: &guard.Policy{Seed: 1}})[0]
}

// Two servers of ours end a loop between them, wherever they are.
func TestLoopsBetweenOursEnd(t *testing.T) {
	for _, addrs := range [][2]string{
		{"127.0.0.1:1060", "127.0.0.1:1061"},
		{"127.0.0.1:40000", "127.0.0.1:40001"},
		{"192.0.2.1:1060", "192.0.2.7:1060"},
		{"192.0.2.1:40000", "192.0.2.7:40000"}, // our own port is a service's
		{"[2001:db8::1]:40000", "[2001:db8:1::1]:40001"},
	} {
		for _, latency := range []time.Duration{10 * time.Microsecond, 300 * time.Millisecond} {
			for _, a := range names(t) {
				for _, b := range names(t) {
					if strings.HasSuffix(addrs[1], "40001") && (quick() || !long() && b != a && b != "echo") {
						continue // these live for long
					}
					w := newWorld(1, path{latency: latency, jitter: latency / 5})
					w.until = 24 * time.Hour
					first, second := w.listen(addrs[0]), w.listen(addrs[1])
					w.send(second.addr, first.addr, []byte("x"))
					stats := w.run(t,
						&server.Server{Handler: handlers(t)[a], Guard: &guard.Policy{Seed: 1}},
						&server.Server{Handler: handlers(t)[b], Guard: &guard.Policy{Seed: 2}})
					lived := stats[0].Received
					most := mostFor(second.addr.Port())
					if first.addr.Port() == second.addr.Port() {
						most = mostLow
					}
					what := fmt.Sprintf("%s on %v and %s on %v, %v", a, first.addr, b, second.addr, latency)
					report(t, "%-80s lived %6d datagrams, %v", what, lived, w.now)
					if lived > most || len(w.events) > 0 {
						t.Errorf("%s: it lived %d datagrams, the most is %d; %d are on their way", what, lived, most, len(w.events))
					}
				}
			}
		}
	}
}

// A datagram that says that it comes from ourselves is not answered at all.
func TestLoopWithOurselvesEndsAtOnce(t *testing.T) {
	for _, listening := range []string{"127.0.0.1:1060", "192.0.2.1:1060", "[::1]:1060"} {
		w := newWorld(1, path{})
		h := w.listen(listening)
		w.send(h.addr, h.addr, []byte("x"))
		s := w.run(t, &server.Server{Handler: reply.Length{}})[0]
		if s.Received != 1 || s.Refused[guard.Own] != 1 || s.Replied != 0 {
			t.Errorf("%s: received %d, refused %d of them, replied to %d", listening, s.Received, s.Refused[guard.Own], s.Replied)
		}
	}
}

// A wire that loses datagrams ends loops earlier, even if it doubles as many.
func TestLoopsOnBadWiresEnd(t *testing.T) {
	for _, p := range []path{
		{latency: time.Millisecond, lose: 0.01},
		{latency: time.Millisecond, lose: 0.02, duplicate: 0.01},
		{latency: 50 * time.Millisecond, jitter: 50 * time.Millisecond, lose: 0.05, duplicate: 0.05},
	} {
		for seed := range uint64(20) {
			w := newWorld(seed, p)
			w.until = 24 * time.Hour
			lived := loopWith(t, w, counting(), services[3], "127.0.0.1", 19).Received
			report(t, "%+v: lived %d datagrams, %v", p, lived, w.now)
			if len(w.events) > 0 {
				t.Errorf("%+v, seed %d: it is not over after %v", p, seed, w.now)
			}
		}
	}
}

// Two datagrams in a loop cannot be told from a client with two requests outstanding, so a loop with several
// goes on: off loopback at no more than the rate of its prefix. A wire that doubles datagrams and loses none
// makes such loops. If they are fast, they grow into the rate and die of its refusals, since each takes one
// datagram out; slow ones live.
func TestLoopsOfSeveralAreBoundedByTheRate(t *testing.T) {
	const length, rate = 60 * time.Second, guard.DefaultRate
	for _, tt := range []struct {
		forged int
		path   path
	}{
		{1, path{latency: 2 * time.Millisecond, jitter: time.Millisecond, duplicate: 0.01}},
		{1, path{latency: 300 * time.Millisecond, jitter: time.Millisecond, duplicate: 0.2}},
		{2, path{latency: 2 * time.Millisecond, jitter: time.Millisecond}},
		{2, path{latency: 100 * time.Microsecond}},
		{10_000, path{latency: 20 * time.Millisecond, jitter: 100 * time.Millisecond}},
	} {
		w := newWorld(1, tt.path)
		w.until = length
		us, them := w.listen("192.0.2.1:1060"), w.respond("198.51.100.7:19", services[3].answer)
		for range tt.forged {
			w.send(them.addr, us.addr, []byte("x"))
		}
		s := w.run(t, &server.Server{Handler: counting(), Guard: &guard.Policy{Seed: 1}})[0]
		t.Logf("%d forged, %+v: received %d, replied to %d in %v; %d are on their way",
			tt.forged, tt.path, s.Received, s.Replied, w.now, len(w.events))
		if most := uint64(length/time.Second*rate + burst); s.Replied > most {
			t.Errorf("%d forged, %+v: %d were answered in %v, the most is %d", tt.forged, tt.path, s.Replied, length, most)
		}
	}
}

// conversation drives a guard.Worker by hand, one datagram a batch unless the time stands still.
type conversation struct {
	t        *testing.T
	w        *guard.Worker
	now      time.Duration
	from, to netip.AddrPort
}

func converse(t *testing.T, p *guard.Policy, from string) *conversation {
	to := netip.MustParseAddrPort("127.0.0.1:1060")
	return &conversation{t, newWorker(t, p, silent, to.String()), 0, netip.MustParseAddrPort(from), to}
}

// wait lets time go by: the next datagram is in another batch.
func (c *conversation) wait(d time.Duration) *conversation {
	c.w.End()
	c.now += d
	c.w.Begin(epoch.Add(c.now))
	return c
}

// ask sends a request that is answered with reply, and expects that many replies to leave for it; -1 that it
// is refused as returned.
func (c *conversation) ask(request, reply string, want int) {
	c.t.Helper()
	got := 0
	d := &core.Datagram{Data: []byte(request), From: c.from, To: c.to}
	switch _, v := c.w.Admit(d, false); v {
	case guard.Admit:
		if c.w.Release() != nil {
			got++
		}
		if c.w.Replied(d.Data, []byte(reply)) {
			got++
		}
	case guard.Returned:
		got = -1
	default:
		c.t.Errorf("%q at %v: %v", request, c.now, v)
	}
	if got != want {
		c.t.Errorf("%q at %v: %d replies, want %d", request, c.now, got, want)
	}
}

const soon = time.Millisecond

// alternate has n exchanges, one outstanding at a time.
func (c *conversation) alternate(n int) {
	c.t.Helper()
	for i := range n {
		c.wait(soon).ask(fmt.Sprint(i), "reply", 1)
	}
}

// limited is a Policy with a limit of ten exchanges on low ports.
var limited = &guard.Policy{LowPortExchanges: 10, Seed: 1}

func TestWithheldReply(t *testing.T) {
	const from = "127.0.0.1:2000"
	for _, tt := range []struct {
		name string
		goes func(c *conversation)
		want guard.Counts
	}{
		{"the peer goes on", func(c *conversation) {
			c.alternate(10)
			c.wait(soon).ask("a", "b", 0)
			c.wait(soon).ask("c", "d", 2)
			c.alternate(9) // the count began anew
		}, guard.Counts{Withheld: 1, Released: 1}},
		{"the peer goes on in the same batch", func(c *conversation) {
			c.alternate(10)
			c.wait(soon).ask("a", "b", 0)
			c.ask("c", "d", 2)
		}, guard.Counts{Withheld: 1, Released: 1}},
		{"the peer asks again soon", func(c *conversation) {
			c.alternate(10)
			c.wait(soon).ask("a", "b", 0)
			c.wait(40*time.Millisecond).ask("a", "b", 2)
		}, guard.Counts{Withheld: 1, Released: 1}},
		{"the peer asks again late", func(c *conversation) {
			c.alternate(10)
			c.wait(soon).ask("a", "b", 0)
			c.wait(time.Second).ask("a", "b", 1)
			c.alternate(9)
			c.wait(soon).ask("c", "d", 0)
		}, guard.Counts{Withheld: 2, Lost: 1}},
		{"another peer's reply is lost before", func(c *conversation) {
			other := netip.MustParseAddrPort("127.0.0.1:2001")
			mine := c.from
			c.alternate(10)
			c.wait(soon).ask("a", "b", 0) // for 54 ms
			c.from = other
			c.alternate(10)
			c.wait(30*time.Millisecond).ask("a", "b", 0) // for 170 ms
			c.from = mine
			c.wait(20*time.Millisecond).ask("c", "d", 1) // 60 ms later
			c.from = other
			c.wait(500*time.Millisecond).ask("c", "d", 1)
		}, guard.Counts{Withheld: 2, Lost: 2}},
		{"the peer says nothing more", func(c *conversation) {
			c.alternate(10)
			c.wait(soon).ask("a", "b", 0)
			c.wait(5 * time.Second)
		}, guard.Counts{Withheld: 1, Lost: 1}},
		{"the clock goes backwards", func(c *conversation) {
			c.alternate(10)
			c.wait(soon).ask("a", "b", 0)
			c.wait(-time.Hour).ask("c", "d", 1)
			c.alternate(9)
		}, guard.Counts{Withheld: 1, Lost: 1}},
		{"the clock goes backwards, and the peer says nothing more", func(c *conversation) {
			c.alternate(10)
			c.wait(soon).ask("a", "b", 0)
			c.wait(-time.Hour)
		}, guard.Counts{Withheld: 1, Lost: 1}},
		{"two in one batch begin anew", func(c *conversation) {
			for range 5 {
				c.alternate(9)
				c.ask("and", "another", 1)
			}
		}, guard.Counts{}},
		{"a pause begins anew", func(c *conversation) {
			for range 5 {
				c.alternate(9)
				c.wait(3 * time.Second)
			}
		}, guard.Counts{}},
		{"silence begins anew", func(c *conversation) {
			d := &core.Datagram{From: c.from, To: c.to}
			for range 5 {
				c.alternate(9)
				c.wait(soon).w.Admit(d, false) // and there is no reply to it
			}
		}, guard.Counts{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := converse(t, limited, from)
			tt.goes(c)
			got := c.w.Counts
			got.LostFrom = netip.AddrPort{}
			if got != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
			if from := c.w.Counts.LostFrom; tt.want.Lost > 0 && from != c.from {
				t.Errorf("lost from %v", from)
			}
			c.w.Close()
			if n := c.w.Counts; n.Withheld != n.Released+n.Lost {
				t.Errorf("at the end %+v", n)
			}
		})
	}
}

// What is released is what was withheld.
func TestReleasedReplyIsWhole(t *testing.T) {
	for _, size := range []int{0, 1, 1499, 1500, 1501, core.MaxPayload6} {
		c := converse(t, limited, "127.0.0.1:2000")
		c.alternate(10)
		reply := bytes.Repeat([]byte{'x'}, size)
		c.wait(soon).ask("a", string(reply), 0)
		d := &core.Datagram{From: c.from, To: c.to}
		c.wait(soon).w.Admit(d, false)
		if got := c.w.Release(); got == nil || !bytes.Equal(got, reply) {
			t.Errorf("of %d bytes %d were released (none: %v)", size, len(got), got == nil)
		}
	}
}

// There is room for 64 replies, two of which may be long. Of more peers that come to their limits at a time each
// goes on until there is room: who has other requests on their way loses nothing, however many there are.
func TestStoreOfWithheldReplies(t *testing.T) {
	for _, tt := range []struct{ peers, size int }{{100, 10}, {1000, 10}, {30, 1501}, {2, core.MaxPayload4}} {
		const limit, rounds = 400, 3000
		w := newWorker(t, &guard.Policy{LowPortExchanges: limit, Seed: 1}, silent, "127.0.0.1:1060")
		to := netip.MustParseAddrPort("127.0.0.1:1060")
		reply := make([]byte, tt.size)
		sent := make([]int, tt.peers)
		for round := range rounds {
			w.Begin(epoch.Add(time.Duration(round) * soon))
			for i := range tt.peers {
				d := &core.Datagram{Data: []byte("x"), From: netip.AddrPortFrom(to.Addr(), uint16(2000+i)), To: to}
				binary.BigEndian.PutUint64(reply, uint64(round)<<32|uint64(i))
				if _, v := w.Admit(d, false); v != guard.Admit {
					t.Fatal(v)
				}
				if got := w.Release(); got != nil {
					sent[i]++
					if n := binary.BigEndian.Uint64(got); n != uint64(round-1)<<32|uint64(i) || len(got) != tt.size {
						t.Errorf("peer %d gets %x, %d bytes", i, n, len(got))
					}
				}
				if w.Replied(d.Data, reply) {
					sent[i]++
				}
			}
			w.End()
		}
		waiting := w.Counts.Withheld - w.Counts.Released - w.Counts.Lost
		t.Logf("%d peers, replies of %d bytes: %+v", tt.peers, tt.size, w.Counts)
		if n := w.Counts; n.Lost != 0 || n.Withheld < uint64(tt.peers*rounds/limit/2) {
			t.Errorf("%d peers, replies of %d bytes: %+v", tt.peers, tt.size, n)
		}
		total := 0
		for _, n := range sent {
			total += n
		}
		if total != tt.peers*rounds-int(waiting) {
			t.Errorf("%d peers, replies of %d bytes: %d sent, want all but %d", tt.peers, tt.size, total, waiting)
		}
	}
}

// Without room for its reply a loop lives for a sixteenth longer, and no more.
func TestLoopsEndWithoutRoom(t *testing.T) {
	const peers, limit, most = 1000, 400, 425
	w := newWorker(t, &guard.Policy{LowPortExchanges: limit, Seed: 1}, silent, "127.0.0.1:1060")
	to := netip.MustParseAddrPort("127.0.0.1:1060")
	over := make([]bool, peers)
	alive, round := peers, 0
	for ; alive > 0 && round <= 2*most; round++ {
		w.Begin(epoch.Add(time.Duration(round) * soon))
		for i := range peers {
			if over[i] {
				continue
			}
			d := &core.Datagram{Data: []byte("x"), From: netip.AddrPortFrom(to.Addr(), uint16(2000+i)), To: to}
			if _, v := w.Admit(d, false); v != guard.Admit {
				t.Fatal(v)
			}
			if !w.Replied(d.Data, []byte("reply")) {
				over[i] = true
				alive--
			}
		}
	}
	if round != most+1 || w.Counts.Withheld != peers || w.Counts.Lost == 0 || w.Counts.Released != 0 {
		t.Errorf("the last of %d loops ended with datagram %d, want %d: %+v", peers, round, most+1, w.Counts)
	}
}

// A peer whose reply is withheld keeps its place in the table, whoever else comes.
func TestFloodDoesNotLoseWithheldReplies(t *testing.T) {
	const held, newcomers = 62, 400_000
	w := newWorker(t, &guard.Policy{LowPortExchanges: 1, RateLimit: guard.Off, Seed: 1}, silent, public.String())
	ask := func(i int, port uint16) (released, sent bool) {
		peer := netip.AddrPortFrom(netip.AddrFrom4([4]byte{20, byte(i >> 16), byte(i >> 8), byte(i)}), port)
		d := &core.Datagram{Data: []byte("x"), From: peer, To: public}
		if _, v := w.Admit(d, false); v != guard.Admit {
			t.Fatal(v)
		}
		released = w.Release() != nil
		return released, w.Replied(d.Data, []byte("reply"))
	}
	for round := range 3 { // a minute apart, so that everybody is forgotten
		for batch := range 3 {
			w.Begin(epoch.Add(time.Duration(round)*time.Minute + time.Duration(batch)*10*time.Millisecond))
			if batch == 2 {
				for i := range newcomers {
					ask(held+i, 40000)
				}
			}
			for i := range held {
				if released, sent := ask(i, 2000); released != (batch == 2) || sent == (batch == 1) {
					t.Errorf("round %d, batch %d, peer %d: released %v, sent %v", round, batch, i, released, sent)
				}
			}
			w.End()
		}
	}
	if n := w.Counts; n.Withheld != 3*held || n.Released != 3*held || n.Lost != 0 {
		t.Errorf("%+v", n)
	}
}

func TestReturnedReply(t *testing.T) {
	long := strings.Repeat("x", 100)
	for _, tt := range []struct {
		name string
		goes func(c *conversation)
	}{
		{"our reply comes back", func(c *conversation) {
			c.wait(soon).ask("a", "reply", 1)
			c.wait(soon).ask("reply", "reply 2", -1)
			c.wait(soon).ask("reply", "reply 2", 1) // he means it
			c.wait(soon).ask("reply 2", "reply 3", -1)
		}},
		{"it was empty", func(c *conversation) {
			c.wait(soon).ask("a", "", 1)
			c.wait(soon).ask("", "", -1)
			c.wait(soon).ask("", "", 1)
			c.wait(soon).ask("", "", 1) // an echo
		}},
		{"it was long", func(c *conversation) {
			c.wait(soon).ask("a", long, 1)
			c.wait(soon).ask(long[1:], "b", 1)
			c.wait(soon).ask(long, long+"c", 1)
			c.wait(soon).ask(long+"c", "d", -1)
		}},
		{"it was an echo", func(c *conversation) {
			for range 5 {
				c.wait(soon).ask("a", "a", 1)
			}
		}},
		{"another peer says it", func(c *conversation) {
			c.wait(soon).ask("a", "reply", 1)
			c.from = netip.MustParseAddrPort("127.0.0.1:2001")
			c.wait(soon).ask("reply", "b", 1)
		}},
		{"it was on its way already", func(c *conversation) {
			c.wait(soon).ask("a", "reply", 1)
			c.ask("reply", "b", 1)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.goes(converse(t, nil, "127.0.0.1:2000")) })
	}
}

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
		{"fast, it begins meanwhile", 20, 100 * time.Microsecond, 0, 400, 20, 1000},
		{"slow, it begins meanwhile", 100_000, 100 * time.Millisecond, 0, 20, 4, 620},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.flood > 1000 && quick() {
				t.Skip("it takes some five million datagrams")
			}
			w := newWorker(t, &guard.Policy{LowPortExchanges: tt.limit, RateLimit: guard.Off, Seed: 7}, silent, "192.0.2.1:1060")
			us := netip.MustParseAddrPort("192.0.2.1:1060")
			rng := rand.New(rand.NewPCG(1, 2))
			now := time.Duration(0)
			flood := func(n int) {
				for i := range n {
					if i%64 == 0 {
						w.End()
						w.Begin(epoch.Add(now + tt.between*time.Duration(i)/time.Duration(n)))
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
				w.Begin(epoch.Add(now))
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
				w.End()
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
