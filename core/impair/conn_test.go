package impair_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/coretest"
	"github.com/retort-udp/retort/core/impair"
	"github.com/retort-udp/retort/core/reply"
	"github.com/retort-udp/retort/core/server"
)

var (
	serverAddr = netip.MustParseAddrPort("192.0.2.1:1060")
	peerAddr   = netip.MustParseAddrPort("198.51.100.7:40000")
)

// setUp returns an impaired Conn on a network in memory that is perfect itself, and a peer.
func setUp(t *testing.T, settings string) (*impair.Conn, *coretest.Peer) {
	t.Helper()
	return setUpWorker(t, settings, 0)
}

func setUpWorker(t *testing.T, settings string, worker int) (*impair.Conn, *coretest.Peer) {
	t.Helper()
	s, err := impair.Parse(settings)
	if err != nil {
		t.Fatal(err)
	}
	n := coretest.NewNetwork(coretest.Faults{})
	below, err := n.Listen(serverAddr)
	if err != nil {
		t.Fatal(err)
	}
	peer, err := n.Peer(peerAddr)
	if err != nil {
		t.Fatal(err)
	}
	return impair.Wrap(below, s, worker), peer
}

// number is a datagram that says which it is.
func number(i int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(i)) }

// receive returns what arrives at c within a minute, and when.
func receive(t *testing.T, c *impair.Conn) (arrived [][]byte, at []time.Time) {
	t.Helper()
	end := time.AfterFunc(time.Minute, c.Interrupt)
	defer end.Stop()
	for b := core.NewBatch(); ; {
		if err := c.Receive(b); err != nil {
			if !errors.Is(err, core.ErrInterrupted) {
				t.Error(err)
			}
			return arrived, at
		}
		for _, m := range b.Messages {
			if m.From != peerAddr || m.To != serverAddr {
				t.Errorf("from %v to %v", m.From, m.To)
			}
			arrived, at = append(arrived, bytes.Clone(m.Data)), append(at, time.Now())
		}
	}
}

// run sends n requests at once, and returns what arrived.
func run(t *testing.T, settings string, n int) (arrived [][]byte, stats impair.Stats) {
	t.Helper()
	return runWorker(t, settings, n, 0)
}

func runWorker(t *testing.T, settings string, n, worker int) (arrived [][]byte, stats impair.Stats) {
	t.Helper()
	c, peer := setUpWorker(t, settings, worker)
	for i := range n {
		peer.Send(serverAddr, number(i))
	}
	arrived, _ = receive(t, c)
	stats, _ = c.Stats()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	return arrived, stats
}

func TestNothingGoesWrongUnasked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		arrived, stats := run(t, "", 1000)
		if len(arrived) != 1000 || stats != (impair.Stats{Datagrams: 1000}) {
			t.Errorf("%d arrived: %+v", len(arrived), stats)
		}
		for i, data := range arrived {
			if !bytes.Equal(data, number(i)) {
				t.Fatalf("%x at %d", data, i)
			}
		}
	})
}

// Each fault happens as often as it is asked for, within five standard deviations, and is counted.
func TestShares(t *testing.T) {
	const n, share = 4000, 0.1
	for name, count := range map[string]func(impair.Stats) uint64{
		"loss":      func(s impair.Stats) uint64 { return s.Lost },
		"duplicate": func(s impair.Stats) uint64 { return s.Duplicated },
		"truncate":  func(s impair.Stats) uint64 { return s.Truncated },
		"corrupt":   func(s impair.Stats) uint64 { return s.Corrupted },
		"reorder":   func(s impair.Stats) uint64 { return s.Reordered },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				arrived, stats := run(t, fmt.Sprintf("%s=%v,seed=3", name, share), n)
				got := float64(count(stats))
				// One that would be held while it lets another pass is not held.
				if spread := 5 * math.Sqrt(n*share*(1-share)); math.Abs(got-n*share) > spread+n*share*share {
					t.Errorf("%v of %d, want %v", got, n, n*share)
				}
				seen := 0
				for i, data := range arrived {
					if name == "reorder" && i > 0 && bytes.Compare(data, arrived[i-1]) < 0 ||
						name == "truncate" && len(data) < 4 ||
						name == "corrupt" && binary.BigEndian.Uint32(data) != uint32(i) {
						seen++
					}
				}
				switch name {
				case "loss":
					seen = n - len(arrived)
				case "duplicate":
					seen = len(arrived) - n
				}
				if seen != int(got) {
					t.Errorf("%d are seen, %v were counted", seen, got)
				}
			})
		})
	}
}

// A datagram in which a bit is turned over differs in one bit.
func TestCorruptIsOneBit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		arrived, _ := run(t, "corrupt=1", 100)
		for i, data := range arrived {
			if x := binary.BigEndian.Uint32(data) ^ uint32(i); x == 0 || x&(x-1) != 0 {
				t.Errorf("%08x differs from %08x by %032b", data, i, x)
			}
		}
	})
}

// The same seed gives the same faults, another seed others, and so does another worker.
func TestSeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const settings = "loss=10%,duplicate=10%,reorder=10%,truncate=10%,corrupt=10%,delay=20ms±10ms,seed="
		first, _ := run(t, settings+"1", 500)
		again, _ := run(t, settings+"1", 500)
		other, _ := run(t, settings+"2", 500)
		second, _ := runWorker(t, settings+"1", 500, 1)
		if !slices.EqualFunc(first, again, bytes.Equal) {
			t.Error("the same seed gives other faults")
		}
		if slices.EqualFunc(first, other, bytes.Equal) {
			t.Error("another seed gives the same faults")
		}
		if slices.EqualFunc(first, second, bytes.Equal) {
			t.Error("another worker has the same faults")
		}
	})
}

func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := setUp(t, "in.delay=20ms")
		defer c.Close()
		sent := time.Now()
		peer.Send(serverAddr, number(1))
		if _, at := receive(t, c); len(at) != 1 || at[0].Sub(sent) != 20*time.Millisecond {
			t.Errorf("sent at %v, arrived at %v", sent, at)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		c, peer := setUp(t, "delay=20ms±5ms")
		defer c.Close()
		sent := time.Now()
		for i := range 200 {
			peer.Send(serverAddr, number(i))
		}
		_, at := receive(t, c)
		first, last := at[0].Sub(sent), at[len(at)-1].Sub(sent)
		if len(at) != 200 || first < 15*time.Millisecond || first > 16*time.Millisecond ||
			last > 25*time.Millisecond || last < 24*time.Millisecond {
			t.Errorf("%d arrive after %v to %v, want 15 to 25 ms", len(at), first, last)
		}
	})
}

// Who waits until some time only waits no longer for what is delayed, and gets it the next time.
func TestReceiveUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := setUp(t, "in.delay=20ms")
		defer c.Close()
		b := core.NewBatch()
		for range 2 {
			began := time.Now()
			peer.Send(serverAddr, number(1))
			b.Until = began.Add(15 * time.Millisecond)
			if err := c.Receive(b); err != nil || len(b.Messages) != 0 || !b.Time.Equal(b.Until) {
				t.Errorf("%v and %d messages at %v", err, len(b.Messages), b.Time)
			}
			b.Until = began.Add(30 * time.Millisecond)
			if err := c.Receive(b); err != nil || len(b.Messages) != 1 || b.Time.Sub(began) != 20*time.Millisecond {
				t.Errorf("%v and %d messages after %v", err, len(b.Messages), b.Time.Sub(began))
			}
			if err := c.Receive(b); err != nil || len(b.Messages) != 0 || !b.Time.Equal(b.Until) {
				t.Errorf("%v and %d messages at %v", err, len(b.Messages), b.Time)
			}
		}
	})
}

// What nobody overtakes arrives all the same.
func TestReorderAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := setUp(t, "reorder=1")
		defer c.Close()
		sent := time.Now()
		peer.Send(serverAddr, number(1))
		arrived, at := receive(t, c)
		if stats, _ := c.Stats(); len(arrived) != 1 || at[0].Sub(sent) != impair.HoldTime || stats.Reordered != 0 {
			t.Errorf("%x after %v: %+v", arrived, at[0].Sub(sent), stats)
		}
	})
}

// Two replies that are swapped arrive at the other's peer.
func TestSwap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := impair.Parse("swap=1")
		if err != nil {
			t.Fatal(err)
		}
		n := coretest.NewNetwork(coretest.Faults{})
		below, _ := n.Listen(serverAddr)
		c := impair.Wrap(below, s, 0)
		serve(t, c, reply.Echo{})
		first, _ := n.Peer(peerAddr)
		second, _ := n.Peer(netip.MustParseAddrPort("198.51.100.8:40000"))
		first.Send(serverAddr, []byte("one"))
		second.Send(serverAddr, []byte("two"))
		for peer, want := range map[*coretest.Peer]string{first: "two", second: "one"} {
			if data, _, err := peer.Receive(t.Context()); err != nil || string(data) != want {
				t.Errorf("%v got %q, %v; want %q", peer.Addr(), data, err, want)
			}
		}
		first.Send(serverAddr, []byte("alone"))
		if data, _, err := first.Receive(t.Context()); err != nil || string(data) != "alone" {
			t.Errorf("a reply without a partner: %q, %v", data, err)
		}
	})
}

// Replies are swapped, or come from the wrong port, as often as that is asked for, within five standard deviations. Of
// 1+share replies one begins a swap with a chance of share, for the other of a pair begins none.
func TestSharesOfReplies(t *testing.T) {
	const n, share = 4000, 0.2
	for _, tt := range []struct {
		name  string
		count func(impair.Stats) uint64
		want  float64
	}{
		{"swap", func(s impair.Stats) uint64 { return s.Swapped / 2 }, n * share / (1 + share)},
		{"wrong-port", func(s impair.Stats) uint64 { return s.Strayed }, n * share},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, peer := setUp(t, fmt.Sprintf("%s=%v,seed=4", tt.name, share))
				for i := range n {
					peer.Send(serverAddr, number(i))
				}
				echo(t, c)
				outOfTurn := 0
				for i := range n {
					data, _, err := peer.Receive(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					if !bytes.Equal(data, number(i)) {
						outOfTurn++
					}
				}
				_, stats := c.Stats()
				got := tt.count(stats)
				if spread := 5 * math.Sqrt(n*share*(1-share)); math.Abs(float64(got)-tt.want) > spread {
					t.Errorf("%d of %d, want %v", got, n, tt.want)
				}
				if err := c.Close(); err != nil {
					t.Error(err)
				}
				if tt.name == "swap" && outOfTurn != 2*int(got) {
					t.Errorf("%d replies are another's, and %d pairs were swapped", outOfTurn, got)
				}
			})
		})
	}
}

// echo answers what arrives at c within a minute.
func echo(t *testing.T, c *impair.Conn) {
	t.Helper()
	end := time.AfterFunc(time.Minute, c.Interrupt)
	defer end.Stop()
	for b := core.NewBatch(); ; b.Clear() {
		if err := c.Receive(b); err != nil {
			if !errors.Is(err, core.ErrInterrupted) {
				t.Error(err)
			}
			return
		}
		for i := range b.Messages {
			b.Answer(i, b.Messages[i].Data)
		}
		if err := c.Send(b); err != nil {
			t.Error(err)
			return
		}
	}
}

// serve has a server answer on c until the test ends.
func serve(t *testing.T, c core.Conn, h core.Handler) {
	t.Helper()
	ctx, end := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- (&server.Server{Handler: h}).Serve(ctx, c) }()
	t.Cleanup(func() {
		end()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

type stray struct{ *coretest.Peer }

func (s stray) Send(to netip.AddrPort, data []byte) error { s.Peer.Send(to, data); return nil }

// A reply from the wrong port does not come from the right one, and takes the way that it was given.
func TestStray(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := impair.Parse("wrong-port=1")
		if err != nil {
			t.Fatal(err)
		}
		n := coretest.NewNetwork(coretest.Faults{})
		below, _ := n.Listen(serverAddr)
		other, _ := n.Peer(netip.AddrPortFrom(serverAddr.Addr(), 9))
		c := impair.Wrap(below, s, 0)
		c.Stray = stray{other}
		serve(t, c, reply.Echo{})
		peer, _ := n.Peer(peerAddr)
		peer.Send(serverAddr, []byte("who?"))
		if data, from, err := peer.Receive(t.Context()); err != nil || from != other.Addr() || string(data) != "who?" {
			t.Errorf("%q from %v, %v", data, from, err)
		}
	})
}

// Closing sends what is on its way out, and does not wait until it is due.
func TestCloseSends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := setUp(t, "out.delay=1m")
		peer.Send(serverAddr, []byte("hello"))
		b := core.NewBatch()
		if err := c.Receive(b); err != nil {
			t.Fatal(err)
		}
		b.Answer(0, []byte("answer"))
		if err := c.Send(b); err != nil {
			t.Fatal(err)
		}
		closed := time.Now()
		if err := c.Close(); err != nil || time.Since(closed) != 0 {
			t.Errorf("Close returned %v after %v", err, time.Since(closed))
		}
		if data, _, err := peer.Receive(t.Context()); err != nil || string(data) != "answer" {
			t.Errorf("%q, %v", data, err)
		}
		if err := c.Receive(b); err == nil {
			t.Error("a closed Conn receives")
		}
		if err := c.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a second Close: %v", err)
		}
	})
}

// More than a wire holds is lost and counted, and takes no memory.
func TestBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := setUp(t, "delay=1s")
		defer c.Close()
		const n = 20_000
		go func() {
			for i := range n {
				peer.Send(serverAddr, number(i))
				if i%64 == 0 {
					synctest.Wait()
				}
			}
		}()
		time.AfterFunc(time.Minute, c.Interrupt)
		arrived := 0
		b := core.NewBatch()
		for c.Receive(b) == nil {
			arrived += len(b.Messages)
		}
		if lost := int(b.Losses.Kernel); lost == 0 || arrived+lost != n {
			t.Errorf("%d arrived and %d were lost, of %d", arrived, lost, n)
		}
	})
}

// A Conn that was never used can be closed.
func TestCloseUnused(t *testing.T) {
	c, _ := setUp(t, "loss=1")
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := c.Receive(core.NewBatch()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Receive: %v", err)
	}
}

func Example() {
	settings, err := impair.Parse("loss=10%,delay=20ms±5ms,seed=7")
	if err != nil {
		fmt.Println(err)
		return
	}
	n := coretest.NewNetwork(coretest.Faults{})
	below, err := n.Listen(serverAddr)
	if err != nil {
		fmt.Println(err)
		return
	}
	conn := impair.Wrap(below, settings, 0)
	defer conn.Close()
	fmt.Println(conn.LocalAddr(), "loses", settings.Replies.Loss)
	// Output: 192.0.2.1:1060 loses 0.1
}
