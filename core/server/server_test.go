package server_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/coretest"
	"github.com/retort-udp/retort/core/reply"
	"github.com/retort-udp/retort/core/server"
)

func TestServe(t *testing.T) {
	h := open(t, &server.Server{Handler: reply.Length{}})
	stop := h.serve()
	for _, size := range []int{0, 1, 38, 1400, core.MaxPayload4} {
		want := fmt.Sprintf("Your data was %d bytes long", size)
		if got := h.ask(t, strings.Repeat("x", size)); got != want {
			t.Errorf("%d bytes: %q", size, got)
		}
	}
	if err := stop(); err != nil {
		t.Errorf("Serve returned %v", err)
	}
	s := h.Stats()
	if s.Received != 5 || s.Replied != 5 || s.Latency.Count() != 5 {
		t.Errorf("received %d, replied %d, %d latencies", s.Received, s.Replied, s.Latency.Count())
	}
	if want := uint64(1 + 38 + 1400 + core.MaxPayload4); s.ReceivedBytes != want {
		t.Errorf("received %d bytes, want %d", s.ReceivedBytes, want)
	}
	if want := uint64(len("Your data was  bytes long")*5 + len("0138140065507")); s.RepliedBytes != want {
		t.Errorf("replied %d bytes, want %d", s.RepliedBytes, want)
	}
}

// moody does what its request says.
var moody = core.HandlerFunc(func(dst []byte, d *core.Datagram) ([]byte, error) {
	switch string(d.Data) {
	case "silence":
		return nil, nil
	case "empty":
		return dst, nil
	case "malformed":
		return nil, core.ErrMalformed
	case "malformed, wrapped":
		return nil, fmt.Errorf("not at all: %w", core.ErrMalformed)
	case "code":
		return nil, core.Code(-100)
	case "code, wrapped":
		return nil, fmt.Errorf("because: %w", core.Code(-101))
	case "fault":
		return dst, errors.New("no good")
	case "panic":
		panic("I cannot go on")
	case "too long":
		return make([]byte, core.MaxPayload4+1), nil
	case "elsewhere":
		return []byte("elsewhere"), nil
	}
	return append(dst, d.Data...), nil
})

// A coalesced message is answered segment by segment, also behind one that made the handler panic.
func TestSegments(t *testing.T) {
	h := open(t, &server.Server{Handler: moody})
	h.conn.Coalesce = true
	requests := []string{"aaaaa", "bbbbb", "panic", "ccccc", "panic", "dd", "empty", "eeeee", "", "x"}
	for _, r := range requests {
		h.peer.Send(listener, []byte(r))
	}
	stop := h.serve()
	for _, want := range []string{"aaaaa", "bbbbb", "ccccc", "dd", "", "eeeee", "", "x"} {
		got, _, err := h.peer.Receive(t.Context())
		if err != nil || string(got) != want {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if s := h.Stats(); s.Received != 10 || s.Panics != 2 {
		t.Errorf("received %d, panics %d", s.Received, s.Panics)
	}
}

// More replies than the batch has room for are sent in between, in order and whole.
func TestRepliesBeyondTheArena(t *testing.T) {
	h := open(t, &server.Server{Handler: reply.Echo{}})
	rng := rand.New(rand.NewPCG(5, 6))
	var want [][]byte
	for i := range 40 {
		data := bytes.Repeat([]byte{byte(i)}, rng.IntN(core.MaxPayload4+1))
		want = append(want, data)
		h.peer.Send(listener, data)
	}
	stop := h.serve()
	for i := range want {
		got, _, err := h.peer.Receive(t.Context())
		if err != nil || !bytes.Equal(got, want[i]) {
			t.Fatalf("reply %d: %d bytes, %v; want %d", i, len(got), err, len(want[i]))
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestManyPeersGetTheirOwnReplies(t *testing.T) {
	h := open(t, &server.Server{Handler: reply.Echo{}})
	var peers []*coretest.Peer
	for i := range 50 {
		p, err := h.network.Peer(anybody)
		if err != nil {
			t.Fatal(err)
		}
		peers = append(peers, p)
		p.Send(listener, fmt.Append(nil, "peer ", i))
	}
	defer h.serve()()
	for i, p := range peers {
		if got, _, err := p.Receive(t.Context()); err != nil || string(got) != fmt.Sprint("peer ", i) {
			t.Errorf("peer %d got %q, %v", i, got, err)
		}
	}
}

func TestTheReplyPathAllocatesNothing(t *testing.T) {
	for _, handler := range []core.Handler{reply.Length{}, reply.Echo{}} {
		h := open(t, &server.Server{Handler: handler})
		stop := h.serve()
		request := bytes.Repeat([]byte("x"), 64)
		round := func() {
			for range 64 {
				h.peer.Send(listener, request)
			}
			for range 64 {
				if _, _, err := h.peer.Receive(context.Background()); err != nil {
					t.Fatal(err)
				}
			}
		}
		for range 10 {
			round() // queues grow to their size
		}
		if n := testing.AllocsPerRun(100, round); n != 0 {
			t.Errorf("%T: %v allocations for 64 datagrams", handler, n)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	}
}

func Example() {
	network := coretest.NewNetwork(coretest.Faults{}) // native.Listen gives real sockets
	conn, _ := network.Listen(netip.MustParseAddrPort("127.0.0.1:1060"))
	client, _ := network.Peer(netip.MustParseAddrPort("127.0.0.1:0"))

	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	s := &server.Server{Handler: reply.Length{}}
	go func() { done <- s.Serve(ctx, conn) }()

	client.Send(conn.LocalAddr(), []byte("hello"))
	answer, _, _ := client.Receive(ctx)
	fmt.Printf("%s\n", answer)

	stop()
	fmt.Println(<-done, s.Stats().Replied)
	// Output:
	// Your data was 5 bytes long
	// <nil> 1
}
