package native_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/native"
)

// pattern returns size bytes that differ from place to place.
func pattern(size int) []byte {
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i*7 + i>>8)
	}
	return data
}

func TestSizes(t *testing.T) {
	each(t, func(t *testing.T, way transport) {
		for _, tt := range []struct {
			host, ip string
			largest  int
		}{
			{"127.0.0.1", "127.0.0.1", core.MaxPayload4},
			{"0.0.0.0", "127.0.0.1", core.MaxPayload4},
			{"", "127.0.0.1", core.MaxPayload4},
			{"::1", "::1", core.MaxPayload6},
			{"", "::1", core.MaxPayload6},
		} {
			t.Run(fmt.Sprintf("%q at %s", tt.host, tt.ip), func(t *testing.T) {
				if tt.ip == "::1" {
					needIPv6(t)
				}
				conns := way.listenAll(t, net.JoinHostPort(tt.host, "0"))
				for _, c := range conns {
					serve(t, c, echo)
				}
				p := newPeer(t, tt.ip)
				p.SetWriteBuffer(1 << 17) // some systems let no large datagram out without
				p.SetReadBuffer(1 << 18)
				for _, size := range []int{0, 1, 1400, tt.largest} {
					want := pattern(size)
					p.send(at(tt.ip, conns[0]), want)
					if got, _ := p.receive(); !bytes.Equal(got, want) {
						t.Errorf("%d bytes came back as %d, or others", size, len(got))
					}
				}
			})
		}
	})
}

func TestReceiveFillsIn(t *testing.T) {
	each(t, func(t *testing.T, way transport) {
		c := way.listen(t, "127.0.0.1:0")
		p := newPeer(t, "127.0.0.1")
		b := core.NewBatch()
		b.Messages = append(b.Messages, core.Message{Data: []byte("old")}, core.Message{})
		b.More = true

		before := time.Now()
		p.send(c.LocalAddr(), []byte("hello"))
		m := receiveOne(t, c, b)
		if string(m.Data) != "hello" || m.Segment != 0 || m.From != p.addr() || m.To != c.LocalAddr() || m.Group {
			t.Errorf("got %+v, want hello from %v to %v", m, p.addr(), c.LocalAddr())
		}
		if b.Time.Before(before) || b.Time.After(time.Now()) {
			t.Errorf("the batch arrived at %v", b.Time)
		}
		if b.More || b.Losses != (core.Losses{}) {
			t.Errorf("More %v, Losses %+v", b.More, b.Losses)
		}
	})
}

func TestPeersOfADualStackSocketAreIPv4(t *testing.T) {
	each(t, func(t *testing.T, way transport) {
		conns := way.listenAll(t, ":0")
		b := core.NewBatch()
		p := newPeer(t, "127.0.0.1")
		p.send(at("127.0.0.1", conns[0]), []byte("x"))
		if m := receiveOne(t, conns[0], b); m.From != p.addr() {
			t.Errorf("from %v, want %v", m.From, p.addr())
		}
	})
}

func TestTruncatedNeverArrives(t *testing.T) {
	each(t, func(t *testing.T, way transport) {
		for _, host := range []string{"127.0.0.1", "0.0.0.0"} {
			t.Run(host, func(t *testing.T) {
				c := way.listen(t, host+":0")
				native.ShrinkBuffer(c, 16)
				p := newPeer(t, "127.0.0.1")
				to := at("127.0.0.1", c)
				p.send(to, pattern(17))
				p.send(to, pattern(1000))
				p.send(to, pattern(16))
				b := core.NewBatch()
				if m := receiveOne(t, c, b); !bytes.Equal(m.Data, pattern(16)) {
					t.Errorf("received %d bytes", len(m.Data))
				}
				if want := (core.Losses{Truncated: 2}); b.Losses != want {
					t.Errorf("lost %+v, want %+v", b.Losses, want)
				}
			})
		}
	})
}

// receiveInBackground starts a Receive and returns its error.
func receiveInBackground(c core.Conn) <-chan error { return receiveInto(c, core.NewBatch()) }

// receiveInto starts a Receive into b and returns its error.
func receiveInto(c core.Conn, b *core.Batch) <-chan error {
	result := make(chan error, 1)
	go func() { result <- c.Receive(b) }()
	return result
}

// waitFor returns what comes out of result.
func waitFor(t *testing.T, result <-chan error) error {
	t.Helper()
	select {
	case err := <-result:
		return err
	case <-time.After(patience):
		t.Fatal("it still waits")
		return nil
	}
}

func TestInterrupt(t *testing.T) {
	each(t, func(t *testing.T, way transport) {
		c := way.listen(t, "127.0.0.1:0")
		p := newPeer(t, "127.0.0.1")
		p.send(c.LocalAddr(), []byte("question"))
		b := core.NewBatch()
		receiveOne(t, c, b)

		blocked := receiveInBackground(c)
		c.Interrupt()
		if err := waitFor(t, blocked); err != core.ErrInterrupted {
			t.Errorf("the blocked Receive returned %v", err)
		}
		p.send(c.LocalAddr(), []byte("another"))
		for range 2 {
			if err := c.Receive(core.NewBatch()); err != core.ErrInterrupted {
				t.Errorf("a later Receive returned %v, want ErrInterrupted for ever", err)
			}
		}

		b.Answer(0, []byte("answer"))
		if err := c.Send(b); err != nil {
			t.Fatalf("Send after Interrupt: %v", err)
		}
		if got, _ := p.receive(); string(got) != "answer" {
			t.Errorf("the peer got %q", got)
		}
	})
}

// A Receive that may wait until some time waits no longer, and loses nothing.
func TestReceiveUntil(t *testing.T) {
	each(t, func(t *testing.T, way transport) {
		c := way.listen(t, "127.0.0.1:0")
		p := newPeer(t, "127.0.0.1")
		b := core.NewBatch()
		for range 2 {
			b.Until = time.Now().Add(20 * time.Millisecond)
			if err := waitFor(t, receiveInto(c, b)); err != nil || len(b.Messages) != 0 || b.Time.Before(b.Until) || b.More {
				t.Fatalf("%v and %d messages, %v after the time had come", err, len(b.Messages), b.Time.Sub(b.Until))
			}
			p.send(c.LocalAddr(), []byte("in time"))
			b.Until = time.Time{}
			if m := receiveOne(t, c, b); string(m.Data) != "in time" {
				t.Errorf("received %q", m.Data)
			}
			b.Until = time.Now().Add(time.Hour)
			received := receiveInto(c, b)
			p.send(c.LocalAddr(), []byte("before that"))
			if err := waitFor(t, received); err != nil || len(b.Messages) != 1 || string(b.Messages[0].Data) != "before that" {
				t.Fatalf("%v and %d messages", err, len(b.Messages))
			}
		}
		p.send(c.LocalAddr(), []byte("waits"))
		for b.Messages = b.Messages[:0]; len(b.Messages) == 0; { // until it has arrived
			b.Until = time.Now().Add(-time.Second)
			if err := waitFor(t, receiveInto(c, b)); err != nil {
				t.Fatal(err)
			}
		}
		b.Until = time.Now().Add(time.Hour)
		received := receiveInto(c, b)
		c.Interrupt()
		if err := waitFor(t, received); err != core.ErrInterrupted {
			t.Errorf("after Interrupt it returned %v", err)
		}
		for _, until := range []time.Time{time.Now().Add(-time.Second), time.Now().Add(time.Hour), {}} {
			b.Until = until
			if err := waitFor(t, receiveInto(c, b)); err != core.ErrInterrupted {
				t.Errorf("a later Receive until %v returned %v", until, err)
			}
		}
	})
}

func TestInterruptBeforeReceive(t *testing.T) {
	each(t, func(t *testing.T, way transport) {
		c := way.listen(t, "127.0.0.1:0")
		c.Interrupt()
		c.Interrupt()
		if err := c.Receive(core.NewBatch()); err != core.ErrInterrupted {
			t.Errorf("got %v", err)
		}
	})
}

func TestClose(t *testing.T) {
	each(t, func(t *testing.T, way transport) {
		c := way.listen(t, "127.0.0.1:0")
		p := newPeer(t, "127.0.0.1")
		b := core.NewBatch()
		p.send(c.LocalAddr(), []byte("question"))
		receiveOne(t, c, b)

		blocked := receiveInBackground(c)
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if err := waitFor(t, blocked); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the blocked Receive returned %v", err)
		}
		if err := c.Receive(core.NewBatch()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a later Receive returned %v", err)
		}
		c.Interrupt() // harmless
		if err := c.Receive(core.NewBatch()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a Receive after Interrupt returned %v", err)
		}

		b.Answer(0, []byte("one"))
		b.Answer(0, []byte("two"))
		if err := c.Send(b); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Send returned %v", err)
		}
		if want := (core.Losses{Unsent: 2}); b.Losses != want {
			t.Errorf("lost %+v, want %+v", b.Losses, want)
		}
	})
}

// Peers that are gone when their answers come cost nobody else anything.
func TestPeersThatGoAway(t *testing.T) {
	each(t, func(t *testing.T, way transport) {
		for _, host := range []string{"127.0.0.1", "0.0.0.0"} {
			t.Run(host, func(t *testing.T) {
				c := way.listen(t, host+":0")
				to := at("127.0.0.1", c)
				const rounds = 200
				stays := newPeer(t, "127.0.0.1")
				b := core.NewBatch()
				for i := range rounds {
					leaves := newPeer(t, "127.0.0.1")
					leaves.send(to, []byte("bye"))
					leaves.Close()
					receiveOne(t, c, b)
					b.Answer(0, []byte("too late"))
					if err := c.Send(b); err != nil {
						t.Fatal(err)
					}
					b.Clear()

					want := fmt.Sprint(i)
					stays.send(to, []byte(want))
					m := receiveOne(t, c, b)
					if m.From != stays.addr() {
						t.Fatalf("received from %v, want %v", m.From, stays.addr())
					}
					b.Answer(0, m.Data)
					if err := c.Send(b); err != nil {
						t.Fatal(err)
					}
					if got, _ := stays.receive(); string(got) != want {
						t.Fatalf("the peer that stays got %q, want %q", got, want)
					}
				}
				if l := b.Losses; l.Truncated+l.Unsent+l.TooLong+l.Forbidden != 0 {
					t.Errorf("lost %+v", l)
				}
			})
		}
	})
}

// Nobody can send from port 0 without a raw socket, so the messages are made by hand.
func TestSendCountsEachCause(t *testing.T) {
	each(t, func(t *testing.T, way transport) {
		c := way.listen(t, "127.0.0.1:0")
		p := newPeer(t, "127.0.0.1")
		b := core.NewBatch()
		from := func(a netip.AddrPort) core.Message { return core.Message{From: a, To: c.LocalAddr()} }
		b.Messages = []core.Message{
			from(p.addr()),
			from(netip.MustParseAddrPort("127.0.0.1:0")),
			from(netip.MustParseAddrPort("[2001:db8::1]:9")), // no way from an IPv4 socket
		}
		b.Answer(1, []byte("to port 0"))
		b.Answer(0, []byte("first"))
		b.Answer(0, make([]byte, core.MaxPayload4+1))
		b.Answer(2, []byte("wrong family"))
		b.Answer(0, []byte("second"))
		if err := c.Send(b); err != nil {
			t.Fatal(err)
		}
		if want := (core.Losses{Unsent: 2, TooLong: 1}); b.Losses != want {
			t.Errorf("lost %+v, want %+v", b.Losses, want)
		}
		for _, want := range []string{"first", "second"} {
			if got, _ := p.receive(); string(got) != want {
				t.Errorf("the peer got %q, want %q", got, want)
			}
		}
	})
}

// An answer never leaves from an address that was not asked, though the one that was is gone.
func TestSourceThatIsGone(t *testing.T) {
	each(t, func(t *testing.T, way transport) {
		if onWine() {
			t.Skip("Wine sends from any address")
		}
		for _, tt := range []struct{ addr, ip, gone string }{
			{"0.0.0.0:0", "127.0.0.1", goneIPv4},
			{":0", "127.0.0.1", goneIPv4},
			{":0", "::1", goneIPv6},
		} {
			t.Run(tt.addr+" "+tt.ip, func(t *testing.T) {
				if tt.ip == "::1" {
					needIPv6(t)
				}
				conns := way.listenAll(t, tt.addr)
				c := conns[0]
				if netip.MustParseAddr(tt.ip).Is6() {
					c = conns[len(conns)-1]
				}
				needTold(t, c)
				p := newPeer(t, tt.ip)
				b := core.NewBatch()
				b.Messages = []core.Message{
					{From: p.addr(), To: at(tt.gone, c)},
					{From: p.addr(), To: at(tt.ip, c)},
					{From: p.addr(), To: at(tt.gone, c), Group: true},
				}
				b.Answer(0, []byte("gone"))
				b.Answer(1, []byte("here"))
				b.Answer(2, []byte("group"))
				if err := c.Send(b); err != nil {
					t.Fatal(err)
				}
				if b.Losses.Unsent+b.Losses.Unreachable != 1 {
					t.Errorf("lost %+v, want one reply", b.Losses)
				}
				for _, want := range []string{"here", "group"} {
					if got, _ := p.receive(); string(got) != want {
						t.Errorf("the peer got %q, want %q", got, want)
					}
				}
			})
		}
	})
}

func TestBroadcastIsGroup(t *testing.T) {
	each(t, func(t *testing.T, way transport) {
		if runtime.GOOS != "linux" {
			t.Skip("only Linux broadcasts on the loopback interface")
		}
		for _, addr := range []string{"0.0.0.0:0", ":0", "127.255.255.255:0"} {
			t.Run(addr, func(t *testing.T) {
				needInterfaces(t)
				c := way.listen(t, addr)
				to := at("127.255.255.255", c)
				p := newPeer(t, "127.0.0.1")
				p.send(to, []byte("anyone?"))
				b := core.NewBatch()
				m := receiveOne(t, c, b)
				if !m.Group || m.To != to {
					t.Errorf("received %+v, want a Group message to %v", m, to)
				}
				b.Answer(0, []byte("me"))
				if err := c.Send(b); err != nil {
					t.Fatal(err)
				}
				if b.Losses != (core.Losses{}) {
					t.Fatalf("lost %+v", b.Losses)
				}
				if got, from := p.receive(); string(got) != "me" || from != at("127.0.0.1", c) {
					t.Errorf("%v answered %q", from, got)
				}
			})
		}
	})
}

func TestAllocations(t *testing.T) {
	each(t, func(t *testing.T, way transport) {
		if raceEnabled {
			t.Skip("the race detector allocates")
		}
		for _, tt := range []struct{ host, ip string }{
			{"127.0.0.1", "127.0.0.1"},
			{"0.0.0.0", "127.0.0.1"},
			{"", "127.0.0.1"},
			{"::1", "::1"},
			{"", "::1"},
		} {
			t.Run(fmt.Sprintf("%q at %s", tt.host, tt.ip), func(t *testing.T) {
				if tt.ip == "::1" {
					needIPv6(t)
				}
				conns := way.listenAll(t, net.JoinHostPort(tt.host, "0"))
				c := conns[0]
				if tt.ip == "::1" {
					c = conns[len(conns)-1]
				}
				p := newPeer(t, tt.ip)
				to := at(tt.ip, c)
				b := core.NewBatch()
				data := pattern(32)
				n := testing.AllocsPerRun(200, func() {
					p.send(to, data)
					m := receiveOne(t, c, b)
					b.Answer(0, append(b.Room(core.MaxPayload4), m.Data...))
					if err := c.Send(b); err != nil {
						t.Fatal(err)
					}
					p.receive()
				})
				if n != 0 {
					t.Errorf("%v allocations for each datagram", n)
				}
			})
		}
	})
}
