package server_test

// What the guard decides, seen from the Server. Package guard's own tests say what it decides.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/coretest"
	"github.com/retort-udp/retort/core/guard"
	"github.com/retort-udp/retort/core/reply"
	"github.com/retort-udp/retort/core/server"
)

// A withheld reply is sent before the next one if its peer goes on, and else late; but if the peer does not go on then
// either, the next is lost. Every datagram is accounted for in the end.
func TestWithheldReplies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, &server.Server{Handler: reply.Upper{}, Guard: &guard.Policy{LowPortExchanges: 2}})
		h.onLowPort(t)
		stop := h.serve()
		h.ask(t, "one")
		h.ask(t, "two")
		h.peer.Send(listener, []byte("three"))
		synctest.Wait()
		if n := h.peer.Waiting(); n != 0 {
			t.Errorf("%d replies came after two exchanges", n)
		}
		if s := h.Stats(); s.Withheld != 1 || accounted(s) != 2 {
			t.Errorf("%d withheld, %d accounted for", s.Withheld, accounted(s))
		}
		time.Sleep(5 * time.Millisecond)
		h.peer.Send(listener, []byte("four"))
		for _, want := range []string{"THREE", "FOUR"} {
			if got, _, err := h.peer.Receive(t.Context()); err != nil || string(got) != want {
				t.Errorf("got %q, %v; want %q", got, err, want)
			}
		}
		h.ask(t, "five")
		if got := h.ask(t, "six"); got != "SIX" { // nobody sends anything meanwhile
			t.Errorf("late came %q", got)
		}
		h.peer.Send(listener, []byte("seven"))
		time.Sleep(time.Second)
		if s := h.Stats(); s.Refused[guard.Loop] != 1 || h.peer.Waiting() != 0 {
			t.Errorf("a second later %d are lost, and %d came", s.Refused[guard.Loop], h.peer.Waiting())
		}
		if got := h.ask(t, "eight"); got != "EIGHT" {
			t.Errorf("a second later came %q", got)
		}
		h.ask(t, "nine")
		h.peer.Send(listener, []byte("ten")) // and the server ends, but its peer may go on with another
		synctest.Wait()
		if n := h.peer.Waiting(); n != 0 {
			t.Errorf("%d replies came after two more exchanges", n)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		if got, _, err := h.peer.Receive(t.Context()); err != nil || string(got) != "TEN" {
			t.Errorf("when the server has ended came %q, %v", got, err)
		}
		s := h.Stats()
		if s.Received != 10 || s.Replied != 9 || s.Withheld != 4 || s.Released != 3 || s.Refused[guard.Loop] != 1 {
			t.Errorf("received %d, replied %d, withheld %d, released %d, lost %d",
				s.Received, s.Replied, s.Withheld, s.Released, s.Refused[guard.Loop])
		}
		if accounted(s) != s.Received || s.RepliedBytes != uint64(len("onetwothreefourfivesixeightnineten")) {
			t.Errorf("%d of %d datagrams are accounted for, %d bytes replied", accounted(s), s.Received, s.RepliedBytes)
		}
	})
}

// script is a Conn that receives the batches that it was given, a millisecond apart, and remembers what was
// sent.
type script struct {
	batches [][]core.Message
	now     time.Time
	sent    map[netip.AddrPort][][]byte
}

func (c *script) Receive(b *core.Batch) error {
	if len(c.batches) == 0 {
		return core.ErrInterrupted
	}
	b.Messages, c.batches = c.batches[0], c.batches[1:]
	c.now = c.now.Add(time.Millisecond)
	b.Time = c.now
	return nil
}

func (c *script) Send(b *core.Batch) error {
	for _, r := range b.Replies {
		to := b.Messages[r.Message].From
		c.sent[to] = append(c.sent[to], bytes.Clone(r.Data))
	}
	return nil
}

func (c *script) Interrupt()                {}
func (c *script) LocalAddr() netip.AddrPort { return listener }
func (c *script) Close() error              { return nil }

// A withheld reply finds room in a batch that has none left.
func TestReleaseIntoAFullBatch(t *testing.T) {
	low, other := netip.MustParseAddrPort("127.0.0.1:2000"), netip.MustParseAddrPort("127.0.0.1:40000")
	large := bytes.Repeat([]byte("x"), core.MaxPayload4)
	c := &script{now: time.Unix(1, 0), sent: make(map[netip.AddrPort][][]byte)}
	one := func(from netip.AddrPort, data []byte) core.Message {
		return core.Message{Data: data, From: from, To: listener}
	}
	c.batches = [][]core.Message{{one(low, []byte("one"))}, {one(low, []byte("withheld"))}, {}}
	for range 10 {
		c.batches[2] = append(c.batches[2], one(other, large), one(low, large))
	}
	s := &server.Server{Handler: reply.Echo{}, Guard: &guard.Policy{LowPortExchanges: 1}}
	if err := s.Serve(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	want := [][]byte{[]byte("one"), []byte("withheld")}
	for range 10 {
		want = append(want, large)
	}
	if got := c.sent[low]; !slices.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("the peer whose reply was withheld got %d replies, want %d", len(got), len(want))
	}
	if got := len(c.sent[other]); got != 10 {
		t.Errorf("the other peer got %d of 10 replies", got)
	}
}

// A Server that was succeeded ends at once, and with it the wait for what is withheld.
func TestSucceeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, &server.Server{Handler: reply.Upper{}, Guard: &guard.Policy{LowPortExchanges: 1}, Drain: time.Hour})
		h.onLowPort(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		result := make(chan error, 1)
		go func() { result <- h.Serve(ctx, h.conn) }()
		for _, request := range []string{"one", "two"} {
			h.peer.Send(listener, []byte(request))
			synctest.Wait()
		}
		began := time.Now()
		cancel(fmt.Errorf("the process goes: %w", server.ErrSucceeded))
		if err := <-result; err != nil || time.Since(began) != 0 {
			t.Errorf("it has ended after %v, %v", time.Since(began), err)
		}
		for _, want := range []string{"ONE", "TWO"} {
			if got, _, err := h.peer.Receive(t.Context()); err != nil || string(got) != want {
				t.Errorf("got %q, %v; want %q", got, err, want)
			}
		}
	})
}

// What has been withheld for long when the server ends is lost: a loop that had ended must not begin again.
func TestOldWithheldRepliesAreLostInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, &server.Server{Handler: reply.Upper{}, Guard: &guard.Policy{LowPortExchanges: 1}})
		h.onLowPort(t)
		stop := h.serve()
		h.ask(t, "one")
		h.ask(t, "two") // which is answered late
		h.peer.Send(listener, []byte("three"))
		time.Sleep(time.Minute)
		if err := stop(); err != nil {
			t.Error(err)
		}
		if s := h.Stats(); s.Withheld != 2 || s.Released != 1 || s.Refused[guard.Loop] != 1 || h.peer.Waiting() != 0 {
			t.Errorf("withheld %d, released %d, lost %d; %d wait", s.Withheld, s.Released, s.Refused[guard.Loop], h.peer.Waiting())
		}
	})
}

// In the end all withheld replies are sent, each to the peer that it is for and from the address that was asked,
// whether or not one batch has room for them.
func TestAllWithheldRepliesAreSentInTheEnd(t *testing.T) {
	c := &script{now: time.Now(), sent: make(map[netip.AddrPort][][]byte), batches: make([][]core.Message, 2)}
	want := make(map[netip.AddrPort]int)
	to := netip.MustParseAddrPort("127.0.0.9:1060")
	for i := range 20 {
		from, size := netip.AddrPortFrom(listener.Addr(), uint16(2000+i)), i
		if i%10 == 0 {
			size = core.MaxPayload4
		}
		want[from] = size
		c.batches[0] = append(c.batches[0], core.Message{Data: []byte("first"), From: from, To: to})
		c.batches[1] = append(c.batches[1], core.Message{Data: make([]byte, size), From: from, To: to})
	}
	released := 0
	s := &server.Server{Handler: reply.Echo{}, Guard: &guard.Policy{LowPortExchanges: 1}}
	s.Observe = func(o *server.Observation) {
		if o.Outcome != server.Released {
			return
		}
		released++
		if d := o.Datagram; len(o.Reply) != want[d.From] || d.To != to || len(d.Data) != 0 {
			t.Errorf("observed %d bytes from %v to %v", len(o.Reply), d.To, d.From)
		}
	}
	if err := s.Serve(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for from, size := range want {
		if got := c.sent[from]; len(got) != 2 || len(got[1]) != size {
			t.Errorf("%v got %d replies, want 2, the second of %d bytes", from, len(got), size)
		}
	}
	if n := s.Stats(); released != len(want) || n.Released != uint64(len(want)) || n.Refused[guard.Loop] != 0 || accounted(n) != n.Received {
		t.Errorf("released %d, observed %d; lost %d of %d", n.Released, released, n.Refused[guard.Loop], n.Received)
	}
}

// A flood makes one log line for each reason, which names the prefix and nobody in it.
func TestRefusalsAreLoggedByPrefix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		h := open(t, &server.Server{
			Handler: reply.Fixed{Text: bytes.Repeat([]byte("x"), 1000)},
			Guard:   &guard.Policy{Deny: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}, LowPortExchanges: 1},
			Log:     slog.New(slog.NewTextHandler(&log, nil)),
		})
		stop := h.serve()
		flood := func() {
			for i := range 250 {
				h.peer.Forge(netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}), 40000), listener, []byte("x"))
				h.peer.Forge(netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), 40000), listener, []byte("x"))
			}
			synctest.Wait()
		}
		flood()
		time.Sleep(time.Second)
		flood()
		time.Sleep(time.Minute)
		flood()
		lonely := netip.MustParseAddrPort("192.0.2.7:2000")
		for _, before := range []time.Duration{0, 0, time.Second} { // the second is answered late, and the third not at all
			time.Sleep(before)
			h.peer.Forge(lonely, listener, make([]byte, 500))
			synctest.Wait()
		}
		time.Sleep(time.Minute)
		h.ask(t, "")
		if err := stop(); err != nil {
			t.Error(err)
		}
		for says, want := range map[string]int{
			"reason=denied prefix=198.51.100.0/24":       2,
			"reason=amplification prefix=203.0.113.0/24": 2,
			"reason=loop prefix=192.0.2.0/24":            1,
			"suppressed=499":                             2, // of both reasons, between the first line and the second
			"198.51.100.1":                               0,
			"203.0.113.1:":                               0,
		} {
			if got := strings.Count(log.String(), says); got != want {
				t.Errorf("the log says %q %d times, want %d:\n%s", says, got, want, &log)
			}
		}
		s := h.Stats()
		if s.Refused[guard.Denied] != 750 || s.Refused[guard.Amplification] != 750 || s.Oversize != 0 {
			t.Errorf("denied %d, amplification %d, oversize %d", s.Refused[guard.Denied], s.Refused[guard.Amplification], s.Oversize)
		}
	})
}

// Whoever makes the handler fail is silenced, and nobody else is.
func TestFaultsSilenceTheirSender(t *testing.T) {
	handler := core.HandlerFunc(func(dst []byte, d *core.Datagram) ([]byte, error) {
		switch string(d.Data) {
		case "panic":
			panic("I cannot go on")
		case "fault":
			return nil, errors.New("no good")
		}
		return dst, nil
	})
	for _, crafted := range []string{"panic", "fault"} {
		synctest.Test(t, func(t *testing.T) { // where no time goes by, so that no bucket runs dry
			h := open(t, &server.Server{Handler: handler})
			for i := range 100 {
				h.peer.Forge(netip.MustParseAddrPort("198.51.100.7:40000"), listener, []byte(crafted))
				h.peer.Forge(netip.MustParseAddrPort(fmt.Sprintf("203.0.%d.7:40000", i)), listener, []byte("fine"))
			}
			stop := h.serve()
			h.ask(t, "")
			if err := stop(); err != nil {
				t.Error(err)
			}
			s := h.Stats()
			if bad := s.Panics + s.Faults; bad < 5 || bad > 10 || s.Refused[guard.Rate] != 100-bad || s.Replied != 101 {
				t.Errorf("%s: %d times, refused %d, replied to %d others", crafted, bad, s.Refused[guard.Rate], s.Replied)
			}
		})
	}
}

// That who observes panics is nobody's fault but his own.
func TestPanicsOfObserversCostNobody(t *testing.T) {
	handler := core.HandlerFunc(func(dst []byte, d *core.Datagram) ([]byte, error) {
		if string(d.Data) == "panic" {
			panic("I cannot go on")
		}
		return append(dst, d.Data...), nil
	})
	synctest.Test(t, func(t *testing.T) {
		outcomes := make(map[server.Outcome]int)
		h := open(t, &server.Server{Handler: handler, Observe: func(o *server.Observation) {
			outcomes[o.Outcome]++
			panic("I cannot look")
		}})
		h.peer.Forge(netip.MustParseAddrPort("203.0.113.7:40000"), listener, []byte("panic"))
		for range 50 {
			h.peer.Forge(netip.MustParseAddrPort("198.51.100.7:40000"), listener, []byte("fine"))
		}
		stop := h.serve()
		h.ask(t, "")
		if err := stop(); err != nil {
			t.Error(err)
		}
		s := h.Stats()
		if s.Panics != 53 || s.Replied != 51 || outcomes[server.Fault] != 1 || outcomes[server.Replied] != 51 {
			t.Errorf("%d panics, %d replies, refused %v; observed %v", s.Panics, s.Replied, s.Refused, outcomes)
		}
	})
}

// Nor does it when replies leave late, together with others or when the server ends.
func TestPanicsOfObserversLoseNoWithheldReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released := 0
		h := open(t, &server.Server{
			Handler: reply.Upper{}, Guard: &guard.Policy{LowPortExchanges: 1},
			Observe: func(o *server.Observation) {
				if o.Outcome == server.Released {
					released++
				}
				panic("I cannot look")
			},
		})
		var peers []*coretest.Peer
		for port := range uint16(20) {
			p, err := h.network.Peer(netip.AddrPortFrom(listener.Addr(), 2000+port))
			if err != nil {
				t.Fatal(err)
			}
			peers = append(peers, p)
		}
		say := func(text string) {
			for _, p := range peers {
				p.Send(listener, []byte(text))
			}
			synctest.Wait()
		}
		hear := func(want string) {
			for _, p := range peers {
				if got, _, err := p.Receive(t.Context()); err != nil || string(got) != want {
					t.Errorf("%v got %q, %v; want %q", p.Addr(), got, err, want)
				}
			}
		}
		stop := h.serve()
		say("one")
		hear("ONE")
		say("two")
		hear("TWO") // late
		say("three")
		if err := stop(); err != nil {
			t.Error(err)
		}
		hear("THREE")
		s := h.Stats()
		if s.Replied != 60 || s.Withheld != 40 || s.Released != 40 || released != 40 || s.Panics != 20+20+20+20+20 {
			t.Errorf("%d replies, %d withheld, %d released, %d of them observed, %d panics",
				s.Replied, s.Withheld, s.Released, released, s.Panics)
		}
	})
}

func TestServeRefusesABadPolicy(t *testing.T) {
	h := open(t, &server.Server{Handler: reply.Length{}, Guard: &guard.Policy{Rate: -1}})
	if err := h.Serve(t.Context(), h.conn); err == nil || !strings.Contains(err.Error(), "rate is -1") {
		t.Errorf("Serve returned %v", err)
	}
}

func TestServeWarns(t *testing.T) {
	var log bytes.Buffer
	h := open(t, &server.Server{
		Handler: reply.Length{}, Guard: &guard.Policy{LoopGuard: guard.Off}, Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err := h.serve()(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "the loop guard is off") {
		t.Errorf("the log says:\n%s", &log)
	}
}

// A handler that shortens its reply to what may be sent loses nothing.
func TestHandlersSeeTheirBudget(t *testing.T) {
	var room int
	h := open(t, &server.Server{Handler: core.HandlerFunc(func(dst []byte, _ *core.Datagram) ([]byte, error) {
		room = cap(dst)
		return dst[:room], nil
	})})
	peer, err := h.network.Peer(netip.MustParseAddrPort("198.51.100.7:40000"))
	if err != nil {
		t.Fatal(err)
	}
	stop := h.serve()
	peer.Send(listener, make([]byte, 100))
	got, _, err := peer.Receive(context.Background())
	if err := stop(); err != nil {
		t.Error(err)
	}
	if want := 3*(100+28) - 28; err != nil || len(got) != want || room != want {
		t.Errorf("%d bytes, with room for %d, %v; want %d", len(got), room, err, want)
	}
}
