package native_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/native"
)

// What waits comes in batches, in order, and More says whether a batch was full. A busy kernel hands over datagrams a
// little after they were sent, so that not all of them need to wait when the first are taken: then they are sent again.
func TestBatches(t *testing.T) {
	c := listen(t, "127.0.0.1:0")
	p := newPeer(t, "127.0.0.1")
	var sizes []int
	want := []int{native.BatchSize, native.BatchSize, 3}
	for range 100 {
		if sizes = exchangeInBatches(t, c, p, 2*native.BatchSize+3); slices.Equal(sizes, want) {
			return
		}
	}
	t.Errorf("batches of %v messages, want %v", sizes, want)
}

// exchangeInBatches has p send n datagrams, which c echoes, and returns how many came in each batch.
func exchangeInBatches(t *testing.T, c core.Conn, p *peer, n int) (sizes []int) {
	t.Helper()
	for i := range n {
		p.send(c.LocalAddr(), fmt.Append(nil, i))
	}
	b := core.NewBatch()
	for next := 0; next < n; {
		if err := c.Receive(b); err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, len(b.Messages))
		if b.More != (len(b.Messages) == native.BatchSize) {
			t.Fatalf("a batch of %d messages, More %v", len(b.Messages), b.More)
		}
		for i, m := range b.Messages {
			if string(m.Data) != fmt.Sprint(next) || m.From != p.addr() {
				t.Fatalf("message %d is %q from %v, want %d", i, m.Data, m.From, next)
			}
			b.Answer(i, m.Data)
			next++
		}
		if err := c.Send(b); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		if got, _ := p.receive(); string(got) != fmt.Sprint(i) {
			t.Fatalf("reply %d is %q", i, got)
		}
	}
	return sizes
}

// More replies than fit one system call, good and bad ones mixed: the bad cost themselves only.
func TestBadRepliesAmongMany(t *testing.T) {
	c := listen(t, "127.0.0.1:0")
	p := newPeer(t, "127.0.0.1")
	b := core.NewBatch()
	b.Messages = []core.Message{
		{From: p.addr(), To: c.LocalAddr()},
		{From: netip.MustParseAddrPort("127.0.0.1:0"), To: c.LocalAddr()},
	}
	var want core.Losses
	const n = 3 * native.BatchSize
	for i := range n {
		b.Answer(0, fmt.Append(nil, i))
		switch {
		case i%7 == 0:
			b.Answer(1, []byte("to port 0"))
			want.Unsent++
		case i == 100:
			b.Answer(0, make([]byte, core.MaxPayload4+1))
			want.TooLong++
		}
	}
	if err := c.Send(b); err != nil {
		t.Fatal(err)
	}
	if b.Losses != want {
		t.Errorf("lost %+v, want %+v", b.Losses, want)
	}
	for i := range n {
		if got, _ := p.receive(); string(got) != fmt.Sprint(i) {
			t.Fatalf("reply %d is %q", i, got)
		}
	}
}

// What the kernel drops because the buffer is full is counted exactly.
func TestKernelDropsAreCounted(t *testing.T) {
	var log bytes.Buffer
	c := transport{Workers: 1, ReadBuffer: 1 << 17, Log: slog.New(slog.NewTextHandler(&log, nil))}.listen(t, "127.0.0.1:0")
	if dropWarnings(&log) {
		t.Skip("this kernel does not count what it drops")
	}
	defer time.AfterFunc(patience, c.Interrupt).Stop() // rather than wait for what was lost
	p := newPeer(t, "127.0.0.1")
	b := core.NewBatch()
	sent, received := 0, 0
	for range 3 {
		for range 2000 {
			p.send(c.LocalAddr(), pattern(1000))
			sent++
		}
		for more := true; more; more = b.More {
			if err := c.Receive(b); err != nil {
				t.Fatal(err)
			}
			received += len(b.Messages)
		}
	}
	// The count comes with a datagram that arrives after the drop.
	p.send(c.LocalAddr(), []byte("last"))
	receiveOne(t, c, b)
	if lost := uint64(sent - received); lost == 0 || b.Losses.Kernel != lost {
		t.Errorf("%d of %d datagrams were lost, and %d counted", lost, sent, b.Losses.Kernel)
	}
}

// The kernel's count is 32 bits wide and wraps.
func TestCountOfDropsWraps(t *testing.T) {
	c, b := listen(t, "127.0.0.1:0"), core.NewBatch()
	for _, step := range []struct {
		told uint32
		want uint64
	}{
		{5, 5}, {5, 5}, {4, 5}, // which is old
		{1 << 30, 1 << 30}, {2 << 30, 2 << 30}, {3 << 30, 3 << 30}, {1<<32 - 1, 1<<32 - 1},
		{2, 1<<32 + 2}, {1<<32 - 1, 1<<32 + 2}, {3, 1<<32 + 3},
	} {
		if native.TellsDropped(c, step.told, b); b.Losses.Kernel != step.want {
			t.Errorf("when the kernel says %d: %d, want %d", step.told, b.Losses.Kernel, step.want)
		}
	}
}

// What the kernel dropped before a socket was handed over is not the successor's to count, though datagrams that wait
// in it tell of some of that, and not of all.
func TestDropsBeforeAHandOverAreNotCounted(t *testing.T) {
	old := transport{Workers: 1, ReadBuffer: 1 << 17}.listen(t, "127.0.0.1:0")
	p, b := newPeer(t, "127.0.0.1"), core.NewBatch()
	for range 2 { // so that the second half tells how many of the first were dropped
		for range 1000 {
			p.send(old.LocalAddr(), pattern(1000))
		}
		if err := old.Receive(b); err != nil {
			t.Fatal(err)
		}
	}
	c := adopt(t, old)
	defer c.Close()
	b = core.NewBatch()
	p.send(c.LocalAddr(), []byte("last")) // the new one's buffer is larger
	for last := ""; last != "last"; last = string(b.Messages[len(b.Messages)-1].Data) {
		if err := c.Receive(b); err != nil {
			t.Fatal(err)
		}
	}
	if b.Losses.Kernel != 0 {
		t.Errorf("%d datagrams that were lost before are counted", b.Losses.Kernel)
	}
}

// Peers are spread over the workers of an address, each to one of them, and a second server is refused.
func TestWorkersShareAnAddress(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "0.0.0.0:0", ":0"} {
		t.Run(addr, func(t *testing.T) {
			const workers, peers = 3, 60
			conns := transport{Workers: workers}.listenAll(t, addr)
			if len(conns) != workers {
				t.Fatalf("%d Conns, want %d", len(conns), workers)
			}
			for i, c := range conns {
				if c.LocalAddr() != conns[0].LocalAddr() {
					t.Errorf("worker %d is at %v, not at %v", i, c.LocalAddr(), conns[0].LocalAddr())
				}
				serve(t, c, func(*core.Message) []byte { return []byte{byte(i)} })
			}
			to, busy := at("127.0.0.1", conns[0]), make(map[byte]int)
			for range peers {
				p := newPeer(t, "127.0.0.1")
				p.send(to, []byte("a"))
				first, _ := p.receive()
				worker := first[0]
				busy[worker]++
				for range 5 {
					p.send(to, []byte("b"))
					if again, _ := p.receive(); again[0] != worker {
						t.Errorf("a peer of worker %d was answered by %d", worker, again[0])
					}
				}
			}
			if len(busy) != workers {
				t.Errorf("%d peers went to workers %v", peers, busy)
			}
			for _, o := range []native.Options{{}, {Workers: 1}, {Workers: 1, Portable: true}} {
				if _, err := native.Listen(conns[0].LocalAddr().String(), o); !errors.Is(err, syscall.EADDRINUSE) {
					t.Errorf("a second server with %+v: %v", o, err)
				}
			}
		})
	}
}

// The kernel gives each worker of an address a copy of what is broadcast to it. One of them takes it.
func TestBroadcastIsReceivedOnce(t *testing.T) {
	for _, way := range []transport{{Workers: 3}, {Workers: 3, Portable: true}} {
		conns := way.listenAll(t, "0.0.0.0:0")
		got := make(chan string, 100)
		for _, c := range conns {
			serve(t, c, func(m *core.Message) []byte {
				got <- string(m.Data)
				return nil
			})
		}
		p := newPeer(t, "127.0.0.1")
		p.send(at("127.255.255.255", conns[0]), []byte("anyone?"))
		for range 20 { // which reach every worker, behind their copies
			q := newPeer(t, "127.0.0.1")
			q.send(at("127.0.0.1", conns[0]), []byte("you"))
		}
		seen := make(map[string]int)
		for range 21 {
			seen[<-got]++
		}
		if seen["anyone?"] != 1 || seen["you"] != 20 || len(got) != 0 {
			t.Errorf("with %+v: %v, and %d more", way, seen, len(got))
		}
	}
}

func TestBusyPoll(t *testing.T) {
	c := transport{Workers: 1, BusyPoll: 50 * time.Microsecond}.listen(t, "127.0.0.1:0")
	serve(t, c, echo) // and Interrupt ends it, with the test
	p := newPeer(t, "127.0.0.1")
	for i := range 1000 {
		want := fmt.Sprint(i)
		p.send(c.LocalAddr(), []byte(want))
		if got, _ := p.receive(); string(got) != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
}

// echoSegments answers every datagram of b with itself and returns how many there were.
func echoSegments(t *testing.T, c core.Conn, b *core.Batch) (n int) {
	t.Helper()
	for i, m := range b.Messages {
		size := m.Segment
		if size == 0 {
			size = max(len(m.Data), 1)
		}
		parts := slices.Collect(slices.Chunk(m.Data, size))
		if len(m.Data) == 0 {
			parts = [][]byte{nil}
		}
		for _, part := range parts {
			if b.Room(len(part)) == nil {
				sendAll(t, c, b)
			}
			b.Answer(i, part)
			n++
		}
	}
	sendAll(t, c, b)
	return n
}

func sendAll(t *testing.T, c core.Conn, b *core.Batch) {
	t.Helper()
	if err := c.Send(b); err != nil {
		t.Fatal(err)
	}
	b.Clear()
}
