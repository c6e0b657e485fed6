package load_test

// Runs on real sockets. What they do in time is in worker_test.go.

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/reply"
	"github.com/retort-udp/retort/core/server"
	"github.com/retort-udp/retort/native"
	"github.com/retort-udp/retort/native/cmd/retort/internal/load"
)

// patience is a timeout that no reply on a busy machine takes.
const patience = time.Minute

// forTransports runs f for each way to send and receive.
func forTransports(t *testing.T, f func(t *testing.T, o load.Options)) {
	for _, tt := range []struct {
		name     string
		portable bool
	}{{"fast", false}, {"portable", true}} {
		t.Run(tt.name, func(t *testing.T) {
			f(t, load.Options{Portable: tt.portable, Timeout: patience, Duration: load.MaxDuration})
		})
	}
}

// serve answers with h, through Retort's own server, until the test ends.
func serve(t testing.TB, address string, h core.Handler) netip.AddrPort {
	t.Helper()
	conns, err := native.Listen(address, native.Options{})
	if err != nil {
		t.Skipf("this host has no %s: %v", address, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &server.Server{Handler: h}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, conns...) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		for _, c := range conns {
			c.Close()
		}
	})
	return conns[0].LocalAddr()
}

// peer is a server that answers as it likes.
type peer struct {
	*net.UDPConn
	addr netip.AddrPort
}

// misbehave calls answer for each request.
func misbehave(t testing.TB, answer func(p *peer, request []byte, from netip.AddrPort)) *peer {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{c, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(c.LocalAddr().(*net.UDPAddr).Port))}
	var done sync.WaitGroup
	done.Go(func() {
		buffer := make([]byte, 65535)
		for {
			size, from, err := c.ReadFromUDPAddrPort(buffer)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				answer(p, buffer[:size], from)
			}
		}
	})
	t.Cleanup(func() {
		c.Close()
		done.Wait()
	})
	return p
}

func (p *peer) length(request []byte, to netip.AddrPort) {
	_, _ = p.WriteToUDPAddrPort(lengthOf(request), to) // what is lost shows in the counts
}

func run(t *testing.T, o load.Options) *load.Report {
	t.Helper()
	r, err := load.Run(t.Context(), o)
	if errors.Is(err, syscall.EMSGSIZE) {
		t.Skipf("this system sends no datagram of %d bytes", o.Size)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// With a server that does what it should every request is answered, in every kind of run. The windows fit into
// the buffer that a socket has by default.
func TestWellBehaved(t *testing.T) {
	four, six := "127.0.0.1:0", "[::1]:0"
	for _, tt := range []struct {
		name    string
		address string
		handler core.Handler
		o       load.Options
	}{
		{"length", four, reply.Length{}, load.Options{Count: 5000}},
		{"length, one outstanding", four, reply.Length{}, load.Options{Count: 500, Window: 1}},
		{"length, many ports", four, reply.Length{}, load.Options{Count: 5000, Window: 100, Sockets: 100}},
		{"length of nothing", four, reply.Length{}, load.Options{Count: 2000, Empty: true}},
		{"length, IPv6", six, reply.Length{}, load.Options{Count: 2000}},
		{"echo", four, reply.Echo{}, load.Options{Count: 5000, Expect: load.Echo}},
		{"echo, two threads", four, reply.Echo{}, load.Options{Count: 5001, Expect: load.Echo, Threads: 2}},
		{"echo of three bytes", four, reply.Echo{}, load.Options{Count: 2000, Expect: load.Echo, Size: 3}},
		{"echo, largest", four, reply.Echo{},
			load.Options{Count: 100, Expect: load.Echo, Size: core.MaxPayload4, Window: 1}},
		{"anything", four, reply.Time{}, load.Options{Count: 2000, Expect: load.Any}},
		{"open loop", four, reply.Length{}, load.Options{Count: 1000, Rate: 10_000}},
		{"open loop, two threads", four, reply.Length{}, load.Options{Count: 1000, Rate: 10_000, Threads: 2, Sockets: 3}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			addr := serve(t, tt.address, tt.handler)
			forTransports(t, func(t *testing.T, o load.Options) {
				portable, duration := o.Portable, o.Duration
				o = tt.o
				o.Target, o.Portable, o.Timeout, o.Duration = addr, portable, patience, duration
				r := run(t, o)
				wantCounts(t, r, load.Counts{Sent: o.Count, Answered: o.Count})
				if r.Unsent != 0 || r.Errors != 0 || r.Interrupted || r.Rate <= 0 || r.Elapsed <= 0 {
					t.Errorf("report %+v", r)
				}
				l := r.Latency
				if !(0 < l.Min && l.Min <= l.P50 && l.P50 <= l.P90 && l.P90 <= l.P99 && l.P99 <= l.P999 && l.P999 <= l.Max) {
					t.Errorf("latencies %+v", l)
				}
			})
		})
	}
}

// Bursts that leave and come as single pieces are counted as the datagrams that they are.
func TestGSO(t *testing.T) {
	o := load.Options{Target: netip.MustParseAddrPort("127.0.0.1:9"), GSO: true}
	if !load.HasGSO {
		if _, err := load.Run(t.Context(), o); err == nil {
			t.Error("gso is taken where there is none")
		}
		t.Skip("this system has no GSO")
	}
	for _, tt := range []struct {
		name    string
		handler core.Handler
		o       load.Options
	}{
		{"length", reply.Length{}, load.Options{Count: 20_001, Window: 120, Sockets: 3}},
		{"echo", reply.Echo{}, load.Options{Count: 20_001, Window: 120, Sockets: 3, Expect: load.Echo}},
		{"echo, large", reply.Echo{}, load.Options{Count: 500, Window: 8, Sockets: 2, Expect: load.Echo, Size: 9000}},
		{"echo, largest", reply.Echo{},
			load.Options{Count: 50, Window: 2, Sockets: 2, Expect: load.Echo, Size: core.MaxPayload4}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := tt.o
			o.Target, o.GSO, o.Duration, o.Timeout = serve(t, "127.0.0.1:0", tt.handler), true, load.MaxDuration, patience
			r, err := load.Run(t.Context(), o)
			if err != nil && strings.HasPrefix(err.Error(), "gso:") {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			wantCounts(t, r, load.Counts{Sent: o.Count, Answered: o.Count})
		})
	}
}

// Wrong replies are told from right ones, those included that fit into no buffer for right ones.
func TestWrong(t *testing.T) {
	const count = 300
	forTransports(t, func(t *testing.T, o load.Options) {
		n := 0
		p := misbehave(t, func(p *peer, request []byte, from netip.AddrPort) {
			switch n++; n % 5 {
			case 0:
				p.length(request[1:], from)
			case 1:
				_, _ = p.WriteToUDPAddrPort(nil, from)
			case 2:
				_, _ = p.WriteToUDPAddrPort(append(lengthOf(request), make([]byte, 4000)...), from)
			default:
				p.length(request, from)
			}
		})
		o.Target, o.Count, o.Window, o.Blind = p.addr, count, 64, true
		wantCounts(t, run(t, o), load.Counts{Sent: count, Answered: count * 2 / 5, Wrong: count * 3 / 5})
	})
}

// What somebody else sends to a port that asks is no reply, and is counted.
func TestForeign(t *testing.T) {
	stranger, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	const count = 200
	forTransports(t, func(t *testing.T, o load.Options) {
		n := 0
		p := misbehave(t, func(p *peer, request []byte, from netip.AddrPort) {
			if n++; n%2 == 0 {
				_, _ = stranger.WriteToUDPAddrPort(lengthOf(request), from) // the right reply, from the wrong address
			}
			p.length(request, from)
		})
		o.Target, o.Count, o.Window, o.Blind = p.addr, count, 4, true
		wantCounts(t, run(t, o), load.Counts{Sent: count, Answered: count, Foreign: count / 2})
	})
}

// A port whose reply is missing is replaced by another, and what comes to it then is late. The server holds its
// replies until it is asked from more ports than there are; whatever else is slow counts as late as well.
func TestPortIsReplaced(t *testing.T) {
	const count, sockets = 200, 4
	forTransports(t, func(t *testing.T, o load.Options) {
		var held []netip.AddrPort
		answering := false
		p := misbehave(t, func(p *peer, request []byte, from netip.AddrPort) {
			if held = append(held, from); !answering && len(held) <= sockets {
				return
			}
			answering = true
			for _, to := range held {
				p.length(request, to)
			}
			held = held[:0]
		})
		o.Target, o.Count, o.Window, o.Sockets, o.Blind = p.addr, count, sockets, sockets, true
		o.Timeout, o.Linger = 50*time.Millisecond, patience
		r := run(t, o)
		if r.Sent != count || r.Answered+r.Lost != count || r.Lost == 0 || r.Late != r.Lost || r.Wrong+r.Extra+r.Foreign > 0 {
			t.Errorf("counts %+v", r.Counts)
		}
	})
}

func TestInterrupted(t *testing.T) {
	addr := serve(t, "127.0.0.1:0", reply.Length{})
	forTransports(t, func(t *testing.T, o load.Options) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		o.Target, o.ProgressEvery = addr, 5*time.Millisecond
		var last load.Progress
		o.Progress = func(p load.Progress) {
			if last = p; p.Answered > 100 {
				cancel()
			}
		}
		r := func() *load.Report {
			r, err := load.Run(ctx, o)
			if err != nil {
				t.Fatal(err)
			}
			return r
		}()
		if !r.Interrupted || r.Answered < last.Answered || r.Lost != 0 || last.Total != o.Duration {
			t.Errorf("report %+v after %+v", r, last)
		}
	})
}

// Where nobody listens the network says so, on systems that pass that on.
func TestClosedPort(t *testing.T) {
	t.Parallel() // it takes seconds
	p := misbehave(t, nil)
	p.Close()
	_, err := load.Run(t.Context(), load.Options{Target: p.addr})
	if _, ok := errors.AsType[*load.SilentError](err); !ok {
		t.Errorf("error %v", err)
	}
	if load.HasGSO && !errors.Is(err, syscall.ECONNREFUSED) { // Linux
		t.Errorf("the error does not say that nobody listens: %v", err)
	}
}

// A socket that cannot be had is an error, and none stays open.
func TestNoSocket(t *testing.T) {
	o := load.Options{Target: netip.MustParseAddrPort("[fe80::1%no-such-interface]:7"), Blind: true, Count: 1}
	if _, err := load.Run(t.Context(), o); err == nil || !strings.Contains(fmt.Sprint(err), "no-such-interface") {
		t.Errorf("error %v", err)
	}
}
