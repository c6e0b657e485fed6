package server_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/coretest"
	"github.com/retort-udp/retort/core/guard"
	"github.com/retort-udp/retort/core/reply"
	"github.com/retort-udp/retort/core/server"
)

var (
	listener = netip.MustParseAddrPort("127.0.0.1:1060")
	anybody  = netip.MustParseAddrPort("127.0.0.1:0")
)

// house is a Server that serves one Conn of a network in memory, and a peer beside it.
type house struct {
	*server.Server
	network *coretest.Network
	conn    *coretest.Conn
	peer    *coretest.Peer
}

func open(t testing.TB, s *server.Server) *house {
	t.Helper()
	n := coretest.NewNetwork(coretest.Faults{})
	c, err := n.Listen(listener)
	if err != nil {
		t.Fatal(err)
	}
	p, err := n.Peer(anybody)
	if err != nil {
		t.Fatal(err)
	}
	return &house{s, n, c, p}
}

// serve runs the Server until the returned function is called, which returns what Serve did.
func (h *house) serve() (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- h.Serve(ctx, h.conn) }()
	return func() error {
		cancel()
		return <-result
	}
}

func (h *house) ask(t testing.TB, request string) string {
	t.Helper()
	h.peer.Send(listener, []byte(request))
	data, from, err := h.peer.Receive(context.Background())
	if err != nil || from != listener {
		t.Fatalf("reply from %v, %v", from, err)
	}
	return string(data)
}

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

// Every way to not reply costs that datagram only and is counted once; the others of its batch are
// answered in order.
func TestEachDatagramIsCountedOnce(t *testing.T) {
	var log bytes.Buffer
	h := open(t, &server.Server{Handler: moody, Log: slog.New(slog.NewTextHandler(&log, nil))})
	requests := []string{
		"a", "silence", "b", "malformed", "malformed, wrapped", "code", "code, wrapped", "c", "fault", "d", "panic", "e",
		"too long", "f", "empty", "elsewhere", "g", "panic",
	}
	for _, r := range requests {
		h.peer.Send(listener, []byte(r))
	}
	h.peer.Forge(netip.MustParseAddrPort("127.0.0.1:0"), listener, []byte("from port zero"))
	h.peer.Forge(listener, listener, []byte("from ourselves"))
	h.peer.Send(listener, []byte("end"))
	stop := h.serve()
	for _, want := range []string{"a", "b", "c", "d", "e", "f", "", "elsewhere", "g", "end"} {
		got, _, err := h.peer.Receive(t.Context())
		if err != nil || string(got) != want {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	s := h.Stats()
	for _, tt := range []struct {
		name      string
		got, want uint64
	}{
		{"received", s.Received, uint64(len(requests) + 3)},
		{"replied", s.Replied, 10},
		{"silent", s.Silent, 1},
		{"malformed", s.Malformed, 2},
		{"code -100", s.Codes[-100], 1},
		{"code -101", s.Codes[-101], 1},
		{"faults", s.Faults, 1},
		{"panics", s.Panics, 2},
		{"oversize", s.Oversize, 1},
		{"from port zero", s.Refused[guard.PortZero], 1},
		{"from ourselves", s.Refused[guard.Own], 1},
		{"admitted ones refused", s.Refused[guard.Admit], 0},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, tt.got, tt.want)
		}
	}
	if got := accounted(s); got != s.Received {
		t.Errorf("%d of %d datagrams are accounted for", got, s.Received)
	}
	for _, says := range []string{"the handler panicked", "I cannot go on", "server_test.go", "the handler failed", "no good", h.peer.Addr().String()} {
		if !strings.Contains(log.String(), says) {
			t.Errorf("the log does not say %q:\n%s", says, log.String())
		}
	}
	if n := strings.Count(log.String(), "the handler panicked"); n != 1 {
		t.Errorf("two panics within a second made %d log lines", n)
	}
}

// accounted is the sum of what a datagram can come to.
func accounted(s server.Stats) uint64 {
	n := s.Replied + s.Silent + s.Malformed + s.OtherCodes + s.Faults + s.Panics + s.Oversize
	for _, c := range s.Codes {
		n += c
	}
	for _, c := range s.Refused {
		n += c
	}
	return n
}

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

// perWorker counts its instances.
type perWorker struct {
	open, closed atomic.Int64
	failAt       int64 // which instance cannot be made; 0: none
	closeErr     error
}

func (p *perWorker) Reply([]byte, *core.Datagram) ([]byte, error) {
	return nil, errors.New("only instances answer")
}

func (p *perWorker) ForWorker() (core.Handler, error) {
	if n := p.open.Add(1); n == p.failAt {
		p.open.Add(-1)
		return nil, errors.New("out of instances")
	}
	return &instance{of: p}, nil
}

type instance struct {
	of    *perWorker
	count int // not shared: the race detector watches
}

func (i *instance) Reply(dst []byte, _ *core.Datagram) ([]byte, error) {
	i.count++
	return fmt.Append(dst, i.count), nil
}

func (i *instance) Close() error {
	i.of.closed.Add(1)
	return i.of.closeErr
}

func TestEachConnHasItsWorker(t *testing.T) {
	n := coretest.NewNetwork(coretest.Faults{})
	var conns []core.Conn
	for range 3 {
		c, err := n.Listen(anybody)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	peer, err := n.Peer(anybody)
	if err != nil {
		t.Fatal(err)
	}
	handler := new(perWorker)
	s := &server.Server{Handler: handler}
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() { result <- s.Serve(ctx, conns...) }()
	for round := 1; round <= 3; round++ {
		for _, c := range conns {
			peer.Send(c.LocalAddr(), nil)
			got, from, err := peer.Receive(t.Context())
			if err != nil || from != c.LocalAddr() || string(got) != fmt.Sprint(round) {
				t.Errorf("round %d: %q from %v, %v", round, got, from, err)
			}
		}
	}
	cancel()
	if err := <-result; err != nil {
		t.Error(err)
	}
	if o, c := handler.open.Load(), handler.closed.Load(); o != 3 || c != 3 {
		t.Errorf("%d instances opened, %d closed", o, c)
	}
	if got := s.Stats().Received; got != 9 {
		t.Errorf("received %d over three workers", got)
	}
}

func TestServeRefusesToBegin(t *testing.T) {
	broken := &perWorker{failAt: 2}
	h := open(t, &server.Server{Handler: broken})
	second, err := h.network.Listen(anybody)
	if err != nil {
		t.Fatal(err)
	}
	err = h.Serve(t.Context(), h.conn, second)
	if err == nil || !strings.Contains(err.Error(), "out of instances") || !strings.Contains(err.Error(), second.LocalAddr().String()) {
		t.Errorf("Serve returned %v", err)
	}
	if o, c := broken.open.Load(), broken.closed.Load(); o != 1 || c != 1 {
		t.Errorf("%d instances opened, %d closed", o, c)
	}
	if err := new(server.Server).Serve(t.Context(), h.conn); err == nil || !strings.Contains(err.Error(), "no Handler") {
		t.Errorf("without a handler: %v", err)
	}
	if err := h.Serve(t.Context()); err == nil || !strings.Contains(err.Error(), "no Conn") {
		t.Errorf("without a Conn: %v", err)
	}
}

// brokenConn fails as told.
type brokenConn struct {
	*coretest.Conn
	receive, send error
}

func (c *brokenConn) Receive(b *core.Batch) error {
	if c.receive != nil {
		return c.receive
	}
	return c.Conn.Receive(b)
}

func (c *brokenConn) Send(b *core.Batch) error {
	if c.send != nil {
		return c.send
	}
	return c.Conn.Send(b)
}

// A Conn that fails ends Serve, and the workers beside it.
func TestServeEndsWhenAConnFails(t *testing.T) {
	cause := errors.New("the cable is cut")
	for _, fails := range []*brokenConn{{receive: cause}, {send: cause}} {
		h := open(t, &server.Server{Handler: reply.Length{}})
		second, err := h.network.Listen(anybody)
		if err != nil {
			t.Fatal(err)
		}
		fails.Conn = h.conn
		h.peer.Send(listener, nil)
		if err := h.Serve(t.Context(), second, fails); !errors.Is(err, cause) {
			t.Errorf("Serve returned %v", err)
		}
	}
}

func TestServeReportsWhatCloseSays(t *testing.T) {
	h := open(t, &server.Server{Handler: &perWorker{closeErr: io.ErrUnexpectedEOF}})
	if err := h.serve()(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Serve returned %v", err)
	}
}

// When its context ends the Server goes on for the time of Drain, and what had arrived by then is
// answered.
func TestDrain(t *testing.T) {
	for _, tt := range []struct {
		drain, want time.Duration
	}{
		{0, server.DefaultDrain},
		{-1, 0},
		{time.Minute, time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := open(t, &server.Server{Handler: reply.Length{}, Drain: tt.drain})
			stop := h.serve()
			synctest.Wait()
			for range 100 {
				h.peer.Send(listener, nil)
			}
			began := time.Now()
			if err := stop(); err != nil {
				t.Error(err)
			}
			if took := time.Since(began); took != tt.want {
				t.Errorf("Drain %v: Serve took %v to end", tt.drain, took)
			}
			if tt.want > 0 && h.peer.Waiting() != 100 {
				t.Errorf("Drain %v: %d of 100 datagrams were answered", tt.drain, h.peer.Waiting())
			}
		})
	}
}

// idler counts its moments.
type idler struct {
	reply.Length
	idle   atomic.Int64
	panics bool
}

func (i *idler) Idle() {
	i.idle.Add(1)
	if i.panics {
		panic("no rest")
	}
}

func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		quiet := &idler{panics: true}
		var log bytes.Buffer
		h := open(t, &server.Server{Handler: quiet, Log: slog.New(slog.NewTextHandler(&log, nil))})
		stop := h.serve()
		for range 20 { // 200 ms: at 0, 100 and 200
			h.ask(t, "")
			time.Sleep(10 * time.Millisecond)
		}
		h.ask(t, "")
		if err := stop(); err != nil {
			t.Error(err)
		}
		if got := quiet.idle.Load(); got != 3 {
			t.Errorf("%d moments in 200 ms, want 3", got)
		}
		if !strings.Contains(log.String(), "no rest") {
			t.Errorf("the panic of an Idler is not in the log:\n%s", &log)
		}
	})
}

func TestIdleWaitsWhileDatagramsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := new(idler)
		h := open(t, &server.Server{Handler: busy})
		h.conn.BatchSize = 1
		var order []string
		handler := core.HandlerFunc(func(dst []byte, d *core.Datagram) ([]byte, error) {
			order = append(order, fmt.Sprint(d.Data[0], " after ", busy.idle.Load()))
			return nil, nil
		})
		h.Handler = struct {
			core.HandlerFunc
			core.Idler
		}{handler, busy}
		for i := range byte(3) {
			h.peer.Send(listener, []byte{i})
		}
		if err := h.serve()(); err != nil {
			t.Error(err)
		}
		if want := []string{"0 after 0", "1 after 0", "2 after 0"}; !slices.Equal(order, want) || busy.idle.Load() != 1 {
			t.Errorf("%q, then %d moments", order, busy.idle.Load())
		}
	})
}

func TestCodesBeyondTheTableAreCountedTogether(t *testing.T) {
	h := open(t, &server.Server{Handler: core.HandlerFunc(func(dst []byte, d *core.Datagram) ([]byte, error) {
		if len(d.Data) == 0 {
			return dst, nil
		}
		return nil, core.MaxCode - core.Code(d.Data[0])
	})})
	for i := range 100 {
		h.peer.Send(listener, []byte{byte(i)})
		h.peer.Send(listener, []byte{0})
	}
	stop := h.serve()
	h.ask(t, "")
	if err := stop(); err != nil {
		t.Error(err)
	}
	s := h.Stats()
	if s.Codes[-100] != 101 || s.Codes[-131] != 1 || s.Codes[-132] != 0 || len(s.Codes) != 32 || s.OtherCodes != 100-32 {
		t.Errorf("codes %v, others %d", s.Codes, s.OtherCodes)
	}
}

func TestStatsAreASnapshot(t *testing.T) {
	h := open(t, &server.Server{Handler: moody})
	stop := h.serve()
	h.peer.Send(listener, []byte("code"))
	h.ask(t, "a")
	if err := stop(); err != nil {
		t.Error(err)
	}
	before := h.Stats()
	before.Codes[-100] = 77
	if got := h.Stats().Codes[-100]; got != 1 {
		t.Errorf("writing to one snapshot changed the next: %d", got)
	}
	// A second Serve adds to the first.
	conn, err := h.network.Listen(anybody)
	if err != nil {
		t.Fatal(err)
	}
	h.conn = conn
	stop = h.serve()
	h.peer.Send(conn.LocalAddr(), []byte("b"))
	if _, _, err := h.peer.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if got := h.Stats(); got.Replied != 2 || got.Codes[-100] != 1 {
		t.Errorf("replied %d, codes %v", got.Replied, got.Codes)
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
