package coretest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/coretest"
)

var (
	server = netip.MustParseAddrPort("127.0.0.1:1060")
	client = netip.MustParseAddrPort("127.0.0.1:0")
)

// pair returns a Conn and a Peer on one network.
func pair(t *testing.T, f coretest.Faults) (*coretest.Conn, *coretest.Peer) {
	t.Helper()
	n := coretest.NewNetwork(f)
	c, err := n.Listen(server)
	if err != nil {
		t.Fatal(err)
	}
	p, err := n.Peer(client)
	if err != nil {
		t.Fatal(err)
	}
	return c, p
}

func TestPerfectNetworkKeepsOrderAndContent(t *testing.T) {
	c, p := pair(t, coretest.Faults{})
	sent := [][]byte{[]byte("one"), nil, []byte("three"), make([]byte, core.MaxPayload4)}
	for _, data := range sent {
		p.Send(server, data)
	}
	b := core.NewBatch()
	if err := c.Receive(b); err != nil {
		t.Fatal(err)
	}
	if len(b.Messages) != len(sent) {
		t.Fatalf("a batch of %d messages, want %d", len(b.Messages), len(sent))
	}
	for i, m := range b.Messages {
		if !bytes.Equal(m.Data, sent[i]) || m.From != p.Addr() || m.To != server {
			t.Errorf("message %d: %d bytes from %v to %v", i, len(m.Data), m.From, m.To)
		}
		b.Answer(i, append(b.Room(core.MaxPayload4), fmt.Sprint(i)...))
	}
	if err := c.Send(b); err != nil {
		t.Fatal(err)
	}
	for i := range sent {
		data, from, err := p.Receive(t.Context())
		if err != nil || string(data) != fmt.Sprint(i) || from != server {
			t.Errorf("reply %d: %q from %v, %v", i, data, from, err)
		}
	}
}

func TestFaultsHappenAsOftenAsAsked(t *testing.T) {
	const n = 20_000
	for _, tt := range []struct {
		name   string
		faults coretest.Faults
		count  func(arrived []int, losses core.Losses) int
	}{
		{"lose", coretest.Faults{Lose: 0.1}, func(a []int, _ core.Losses) int { return n - len(a) }},
		{"duplicate", coretest.Faults{Duplicate: 0.1}, func(a []int, _ core.Losses) int { return len(a) - n }},
		{"truncate", coretest.Faults{Truncate: 0.1}, func(_ []int, l core.Losses) int { return int(l.Truncated) }},
		{"reorder", coretest.Faults{Reorder: 0.1}, func(a []int, _ core.Losses) int {
			overtakes := 0
			for i := 1; i < len(a); i++ {
				if a[i] < a[i-1] {
					overtakes++
				}
			}
			return overtakes
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.faults.Seed = 7
			c, p := pair(t, tt.faults)
			for i := range n {
				p.Send(server, fmt.Append(nil, i))
			}
			arrived, losses := receiveAll(t, c)
			got := tt.count(arrived, losses)
			if got < n/10*9/10 || got > n/10*11/10 {
				t.Errorf("it happened %d times of %d, want about %d", got, n, n/10)
			}
		})
	}
}

// receiveAll returns the numbers that wait for c.
func receiveAll(t *testing.T, c *coretest.Conn) (arrived []int, losses core.Losses) {
	t.Helper()
	b := core.NewBatch()
	for more := true; more; more = b.More {
		if err := c.Receive(b); err != nil {
			t.Fatal(err)
		}
		for _, m := range b.Messages {
			i, err := strconv.Atoi(string(m.Data))
			if err != nil {
				t.Fatal(err)
			}
			arrived = append(arrived, i)
		}
	}
	return arrived, b.Losses
}

func TestTheSameSeedGivesTheSameFaults(t *testing.T) {
	run := func(seed uint64) []int {
		c, p := pair(t, coretest.Faults{Lose: 0.3, Duplicate: 0.3, Reorder: 0.3, Seed: seed})
		for i := range 100 {
			p.Send(server, fmt.Append(nil, i))
		}
		arrived, _ := receiveAll(t, c)
		return arrived
	}
	if a, b := run(1), run(1); !slices.Equal(a, b) {
		t.Errorf("seed 1 twice:\n%v\n%v", a, b)
	}
	if a, b := run(1), run(2); slices.Equal(a, b) {
		t.Errorf("seeds 1 and 2 give the same: %v", a)
	}
}

// Whatever is coalesced must come apart again as it was sent.
func TestCoalescedMessagesHoldWhatWasSent(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		c, p := pair(t, coretest.Faults{})
		c.Coalesce = true
		var sent []string
		for range rng.IntN(60) + 1 {
			data := bytes.Repeat([]byte{byte('a' + rng.IntN(26))}, []int{0, 1, 5, 5, 5, 9}[rng.IntN(6)])
			sent = append(sent, string(data))
			p.Send(server, data)
		}
		b := core.NewBatch()
		if err := c.Receive(b); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range b.Messages {
			if m.Segment == 0 {
				got = append(got, string(m.Data))
				continue
			}
			for part := range slices.Chunk(m.Data, m.Segment) {
				got = append(got, string(part))
			}
		}
		if !slices.Equal(got, sent) {
			t.Fatalf("sent %q\ngot  %q", sent, got)
		}
	}
}

func TestInterruptAndClose(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(*coretest.Conn)
		want error
	}{
		{"interrupt", func(c *coretest.Conn) { c.Interrupt() }, core.ErrInterrupted},
		{"close", func(c *coretest.Conn) { c.Close() }, net.ErrClosed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, p := pair(t, coretest.Faults{})
				result := make(chan error)
				go func() { result <- c.Receive(core.NewBatch()) }()
				synctest.Wait() // it is blocked now
				tt.end(c)
				if err := <-result; !errors.Is(err, tt.want) {
					t.Errorf("a blocked Receive returned %v, want %v", err, tt.want)
				}
				p.Send(server, []byte("late"))
				if err := c.Receive(core.NewBatch()); !errors.Is(err, tt.want) {
					t.Errorf("the next Receive returned %v, want %v", err, tt.want)
				}
			})
		})
	}
}

func TestReceiveUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := pair(t, coretest.Faults{})
		b := core.NewBatch()
		b.Until = time.Now().Add(time.Minute)
		if err := c.Receive(b); err != nil || len(b.Messages) != 0 || !b.Time.Equal(b.Until) {
			t.Errorf("%v and %d messages at %v", err, len(b.Messages), b.Time)
		}
		for _, until := range []time.Time{b.Until, b.Until.Add(time.Hour), {}} {
			p.Send(server, []byte("question"))
			b.Until = until
			if err := c.Receive(b); err != nil || len(b.Messages) != 1 || string(b.Messages[0].Data) != "question" {
				t.Errorf("%v and %d messages", err, len(b.Messages))
			}
		}
	})
}

func TestSendAfterInterrupt(t *testing.T) {
	c, p := pair(t, coretest.Faults{})
	p.Send(server, []byte("question"))
	b := core.NewBatch()
	if err := c.Receive(b); err != nil {
		t.Fatal(err)
	}
	c.Interrupt()
	b.Answer(0, []byte("answer"))
	if err := c.Send(b); err != nil {
		t.Fatal(err)
	}
	if data, _, err := p.Receive(t.Context()); err != nil || string(data) != "answer" {
		t.Errorf("got %q, %v", data, err)
	}
}

func TestSendCountsWhatCannotArrive(t *testing.T) {
	c, p := pair(t, coretest.Faults{})
	p.Send(server, []byte("question"))
	b := core.NewBatch()
	if err := c.Receive(b); err != nil {
		t.Fatal(err)
	}
	p.Close()
	b.Answer(0, []byte("nobody is there"))
	b.Answer(0, make([]byte, core.MaxPayload4+1))
	if err := c.Send(b); err != nil {
		t.Fatal(err)
	}
	if want := (core.Losses{Unreachable: 1, TooLong: 1}); b.Losses != want {
		t.Errorf("losses %+v, want %+v", b.Losses, want)
	}
}

func TestAddresses(t *testing.T) {
	n := coretest.NewNetwork(coretest.Faults{})
	a, err := n.Listen(server)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Listen(server); err == nil {
		t.Error("two Conns on one address")
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Listen(server); err != nil {
		t.Errorf("the address is not free after Close: %v", err)
	}
	p, err := n.Peer(client)
	if err != nil || p.Addr().Port() < 49152 {
		t.Errorf("port 0 gave %v, %v", p.Addr(), err)
	}
}

func TestPeerReceiveHonoursItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, p := pair(t, coretest.Faults{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := p.Receive(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}
