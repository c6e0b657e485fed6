package load_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/reply"
	"github.com/retort-udp/retort/core/server"
	"github.com/retort-udp/retort/native"
	"github.com/retort-udp/retort/native/cmd/retort/internal/load"
)

// patience is a timeout that replies on a busy machine do not take; it bounds waits for what never comes.
const patience = time.Second

// transports are the ways to run.
var transports = []struct {
	name     string
	portable bool
}{{"fast", false}, {"portable", true}}

func forTransports(t *testing.T, f func(t *testing.T, o load.Options)) {
	for _, tt := range transports {
		t.Run(tt.name, func(t *testing.T) { f(t, load.Options{Portable: tt.portable, Timeout: patience}) })
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
	addr     netip.AddrPort
	received atomic.Int64
}

// misbehave calls answer for the n-th request, counted from 0, with the request and what sends a reply.
func misbehave(t testing.TB, answer func(p *peer, n int, request []byte, from netip.AddrPort)) *peer {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{UDPConn: c, addr: c.LocalAddr().(*net.UDPAddr).AddrPort()}
	_ = c.SetReadBuffer(1 << 20) // what a peer does not answer it should have received
	p.addr = netip.AddrPortFrom(p.addr.Addr().Unmap(), p.addr.Port())
	var done sync.WaitGroup
	done.Go(func() {
		buffer := make([]byte, 65535)
		for n := 0; ; n++ {
			size, from, err := c.ReadFromUDPAddrPort(buffer)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				n--
				continue
			}
			p.received.Add(1)
			answer(p, n, buffer[:size], from)
		}
	})
	t.Cleanup(func() {
		c.Close()
		done.Wait()
	})
	return p
}

func (p *peer) send(data []byte, to netip.AddrPort) {
	_, _ = p.WriteToUDPAddrPort(data, to) // what is lost shows in the counts
}

func (p *peer) length(request []byte, to netip.AddrPort) {
	p.send(fmt.Appendf(nil, "Your data was %d bytes long", len(request)), to)
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

func wantCounts(t *testing.T, r *load.Report, want load.Counts) {
	t.Helper()
	if r.Counts != want {
		t.Errorf("counts\n%+v, want\n%+v", r.Counts, want)
	}
	if r.Sent != r.Answered+r.Wrong+r.Lost {
		t.Errorf("a request has no fate, or two: %+v", r.Counts)
	}
}

// With a server that does what it should every request is answered, in every kind of run.
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
		{"open loop", four, reply.Length{}, load.Options{Count: 1000, Rate: 5000}},
		{"open loop, echo", four, reply.Echo{},
			load.Options{Count: 1000, Rate: 5000, Expect: load.Echo, Threads: 2, Sockets: 3}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			addr := serve(t, tt.address, tt.handler)
			forTransports(t, func(t *testing.T, o load.Options) {
				portable := o.Portable
				o = tt.o
				o.Target, o.Portable, o.Timeout, o.Duration = addr, portable, patience, time.Minute
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
			o.Target, o.GSO, o.Duration, o.Timeout = serve(t, "127.0.0.1:0", tt.handler), true, time.Minute, patience
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

// Each way to misbehave is counted exactly, and alike on both transports.
func TestMisbehaved(t *testing.T) {
	const count = 300
	every := func(n, k int) bool { return n%k == k-1 }
	echo := load.Options{Count: count, Expect: load.Echo, Window: 64}
	length := load.Options{Count: count, Window: 64, Sockets: 64}
	for _, tt := range []struct {
		name   string
		o      load.Options
		answer func(p *peer, n int, request []byte, from netip.AddrPort)
		want   load.Counts
	}{
		{
			"drops, echo", echo,
			func(p *peer, n int, request []byte, from netip.AddrPort) {
				if !every(n, 5) {
					p.send(request, from)
				}
			},
			load.Counts{Answered: 240, Lost: 60},
		},
		{
			"drops, length", length,
			func(p *peer, n int, request []byte, from netip.AddrPort) {
				if !every(n, 5) {
					p.length(request, from)
				}
			},
			load.Counts{Answered: 240, Lost: 60},
		},
		{
			"drops, length, deep windows", load.Options{Count: count, Window: 64, Sockets: 2},
			func(p *peer, n int, request []byte, from netip.AddrPort) {
				if !every(n, 20) {
					p.length(request, from)
				}
			},
			load.Counts{Answered: 285, Lost: 15},
		},
		{
			"duplicates", echo,
			func(p *peer, n int, request []byte, from netip.AddrPort) {
				p.send(request, from)
				if every(n, 3) && n < count-64 { // their ports will be heard again
					p.send(request, from)
				}
			},
			load.Counts{Answered: count, Extra: 78},
		},
		{
			"wrong, length", length,
			func(p *peer, n int, request []byte, from netip.AddrPort) {
				switch {
				case every(n, 5):
					p.length(request[1:], from)
				case every(n, 7):
					p.send(nil, from)
				case every(n, 11):
					p.send(bytes.Repeat([]byte{'Y'}, 5000), from)
				default:
					p.length(request, from)
				}
			},
			// Of 300, 60 are the 5th, 42 the 7th, 27 the 11th; 8 the 35th, 5 the 55th, 3 the 77th, none all.
			load.Counts{Answered: 300 - 60 - 34 - 19, Wrong: 60 + 34 + 19},
		},
		{
			"wrong, echo", echo,
			func(p *peer, n int, request []byte, from netip.AddrPort) {
				if every(n, 5) {
					request[len(request)-1]++ // the id is right
				}
				p.send(request, from)
			},
			load.Counts{Answered: 240, Wrong: 60},
		},
		{
			"wrong ids", load.Options{Count: count, Expect: load.Echo, Window: 8, Sockets: 8},
			func(p *peer, n int, request []byte, from netip.AddrPort) {
				switch {
				case every(n, 5):
					copy(request, "not ours") // an id of nobody
				case every(n, 7):
					request[7] ^= 1 // another port's
				case every(n, 11):
					request[2]++ // of the future
				}
				p.send(request, from)
			},
			load.Counts{Answered: 300 - 60 - 34 - 19, Wrong: 60 + 34 + 19},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			forTransports(t, func(t *testing.T, o load.Options) {
				portable := o.Portable
				o = tt.o
				o.Target = misbehave(t, tt.answer).addr
				o.Portable, o.Blind, o.Timeout, o.Duration, o.Linger = portable, true, patience, time.Minute, time.Millisecond
				want := tt.want
				want.Sent = count
				wantCounts(t, run(t, o), want)
			})
		})
	}
}

// A reply that comes when its request has been given up is late: it neither answers that one nor another.
func TestLate(t *testing.T) {
	const count, held = 60, 10
	for _, tt := range []struct {
		name string
		o    load.Options
	}{
		{"echo", load.Options{Expect: load.Echo, Window: 32, Sockets: 4}},
		{"length", load.Options{Window: 32, Sockets: 32}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			forTransports(t, func(t *testing.T, o load.Options) {
				portable := o.Portable
				// Every sixth reply is held until the run says that it has given up on all of them.
				given := make(chan struct{})
				var late sync.WaitGroup
				p := misbehave(t, func(p *peer, n int, request []byte, from netip.AddrPort) {
					answer := slices.Clone(request)
					if tt.o.Expect == load.Length {
						answer = fmt.Appendf(nil, "Your data was %d bytes long", len(request))
					}
					if n%6 != 5 {
						p.send(answer, from)
						return
					}
					late.Go(func() {
						<-given
						p.send(answer, from)
					})
				})
				var once sync.Once
				release := func() { once.Do(func() { close(given) }) }
				defer late.Wait()
				defer release()

				o = tt.o
				o.Target, o.Portable, o.Blind, o.Count, o.Duration = p.addr, portable, true, count, time.Minute
				o.Timeout, o.Linger = patience, 20*time.Second
				o.ProgressEvery = time.Millisecond
				o.Progress = func(p load.Progress) {
					if p.Lost >= held {
						release()
					}
				}
				wantCounts(t, run(t, o), load.Counts{Sent: count, Answered: count - held, Lost: held, Late: held})
			})
		})
	}
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
		p := misbehave(t, func(p *peer, n int, request []byte, from netip.AddrPort) {
			if n%2 == 0 {
				// The right reply, from the wrong address.
				_, _ = stranger.WriteToUDPAddrPort(fmt.Appendf(nil, "Your data was %d bytes long", len(request)), from)
			}
			p.length(request, from)
		})
		o.Target, o.Count, o.Window, o.Blind, o.Duration = p.addr, count, 4, true, time.Minute
		wantCounts(t, run(t, o), load.Counts{Sent: count, Answered: count, Foreign: count / 2})
	})
}

// A closed loop keeps as many requests outstanding as it should, from as many ports: the server answers none
// before all of a window are there.
func TestWindow(t *testing.T) {
	const window, sockets = 50, 7
	forTransports(t, func(t *testing.T, o load.Options) {
		type question struct {
			size int
			from netip.AddrPort
		}
		var waiting []question
		ports := make(map[netip.AddrPort]int)
		p := misbehave(t, func(p *peer, _ int, request []byte, from netip.AddrPort) {
			waiting = append(waiting, question{len(request), from})
			if len(waiting) < window {
				return
			}
			for _, q := range waiting {
				ports[q.from]++
				p.length(request[:q.size], q.from)
			}
			waiting = waiting[:0]
		})
		o.Target, o.Window, o.Sockets, o.Count, o.Blind, o.Duration = p.addr, window, sockets, 20*window, true, time.Minute
		wantCounts(t, run(t, o), load.Counts{Sent: 20 * window, Answered: 20 * window})
		p.Close()
		if len(ports) != sockets {
			t.Errorf("%d ports asked, want %d", len(ports), sockets)
		}
		for port, n := range ports {
			if share := n / 20; n%20 != 0 || share != window/sockets && share != window/sockets+1 {
				t.Errorf("%v asked %d times", port, n)
			}
		}
	})
}

// An open loop makes as many requests as its rate and duration say, whatever happens in between.
func TestOpenLoopCount(t *testing.T) {
	for _, tt := range []struct {
		o    load.Options
		want uint64
	}{
		{load.Options{Rate: 2000, Duration: 250 * time.Millisecond}, 500},
		{load.Options{Rate: 2000, Duration: 250 * time.Millisecond, Warmup: 100 * time.Millisecond}, 500},
		{load.Options{Rate: 333, Duration: 100 * time.Millisecond, Expect: load.Echo}, 34}, // request 33 is due at 99.1 ms
		{load.Options{Rate: 3000, Duration: 100 * time.Millisecond, Expect: load.Echo, Threads: 2, Sockets: 5}, 300},
		{load.Options{Rate: 10, Duration: time.Millisecond}, 1},
	} {
		t.Run(fmt.Sprintf("%v in %v", tt.o.Rate, tt.o.Duration), func(t *testing.T) {
			var h core.Handler = reply.Length{}
			if tt.o.Expect == load.Echo {
				h = reply.Echo{}
			}
			addr := serve(t, "127.0.0.1:0", h)
			forTransports(t, func(t *testing.T, o load.Options) {
				portable := o.Portable
				o = tt.o
				o.Target, o.Portable, o.Timeout = addr, portable, 5*patience
				r := run(t, o)
				wantCounts(t, r, load.Counts{Sent: tt.want, Answered: tt.want})
				if r.Unsent != 0 || r.Loop != "open" || r.Offered != o.Rate {
					t.Errorf("report %+v", r)
				}
			})
		})
	}
}

// While a server stands still an open loop's requests grow old, those included that find no free port and
// are not even sent: their latency counts from when they were due. The bounds follow from the timetable.
func TestOpenLoopLatencyCountsFromTheTimetable(t *testing.T) {
	const rate, still = 1000, 200 * time.Millisecond
	for _, tt := range []struct {
		name string
		o    load.Options
	}{
		{"free ports", load.Options{Expect: load.Echo}},
		{"busy ports", load.Options{Expect: load.Echo, Size: 4, Sockets: 2}}, // without ids, one request each
	} {
		t.Run(tt.name, func(t *testing.T) {
			forTransports(t, func(t *testing.T, o load.Options) {
				var began time.Time
				p := misbehave(t, func(p *peer, n int, request []byte, from netip.AddrPort) {
					if n == 0 {
						began = time.Now()
						time.Sleep(still) // the server's fault: this is what is measured
					}
					p.send(request, from)
				})
				portable := o.Portable
				o = tt.o
				o.Target, o.Portable, o.Blind, o.Rate, o.Timeout = p.addr, portable, true, rate, 10*patience
				o.Duration = 300 * time.Millisecond
				r := run(t, o)
				wantCounts(t, r, load.Counts{Sent: 300, Answered: 300})
				p.Close()
				if began.IsZero() {
					t.Fatal("nothing was asked")
				}
				// The k-th request, due after k ms, waited for at least 200-k ms: half of them 50 ms, the
				// mean of all 67 ms.
				if l := r.Latency; l.Max < 199*time.Millisecond || l.P50 < 49*time.Millisecond || l.Mean < 66*time.Millisecond {
					t.Errorf("latencies %+v", l)
				}
			})
		})
	}
}

// What a rate asks for and the server does not let out is not swept under the carpet.
func TestOpenLoopUnsent(t *testing.T) {
	forTransports(t, func(t *testing.T, o load.Options) {
		p := misbehave(t, func(*peer, int, []byte, netip.AddrPort) {})
		o.Target, o.Blind, o.Rate, o.Sockets, o.Duration = p.addr, true, 1000, 2, 100*time.Millisecond
		o.Timeout = 300 * time.Millisecond
		r := run(t, o)
		if r.Sent+r.Unsent != 100 || r.Sent != r.Lost || r.Answered != 0 || r.Unsent == 0 {
			t.Errorf("report %+v", r)
		}
	})
}

// The warm-up is sent and answered, and not counted.
func TestWarmup(t *testing.T) {
	forTransports(t, func(t *testing.T, o load.Options) {
		p := misbehave(t, func(p *peer, _ int, request []byte, from netip.AddrPort) { p.length(request, from) })
		o.Target, o.Blind, o.Window, o.Sockets = p.addr, true, 4, 2
		o.Warmup, o.Duration, o.Count = 50*time.Millisecond, time.Minute, 100
		wantCounts(t, run(t, o), load.Counts{Sent: 100, Answered: 100})
		if n := p.received.Load(); n <= 100 {
			t.Errorf("the server got %d requests: there was no warm-up", n)
		}
	})
}

// What is late from the warm-up is not counted either.
func TestWarmupLate(t *testing.T) {
	forTransports(t, func(t *testing.T, o load.Options) {
		const window = 4
		type held struct {
			request []byte
			from    netip.AddrPort
		}
		var first []held
		p := misbehave(t, func(p *peer, n int, request []byte, from netip.AddrPort) {
			if n < window {
				first = append(first, held{slices.Clone(request), from})
				return
			}
			if n == window { // those have been given up
				for _, h := range first {
					p.length(h.request, h.from)
				}
			}
			p.length(request, from)
		})
		o.Target, o.Blind, o.Window, o.Sockets, o.Count = p.addr, true, window, 2, 100
		o.Warmup, o.Duration = patience*3/2, time.Minute
		wantCounts(t, run(t, o), load.Counts{Sent: 100, Answered: 100})
	})
}

// A context that ends is no error: there is a report on what was until then.
func TestInterrupted(t *testing.T) {
	addr := serve(t, "127.0.0.1:0", reply.Length{})
	forTransports(t, func(t *testing.T, o load.Options) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		o.Target, o.Duration, o.ProgressEvery = addr, load.MaxDuration, 5*time.Millisecond
		var last load.Progress
		o.Progress = func(p load.Progress) {
			if last = p; p.Answered > 100 {
				cancel()
			}
		}
		r, err := load.Run(ctx, o)
		if err != nil {
			t.Fatal(err)
		}
		if !r.Interrupted || r.Answered < last.Answered || r.Lost != 0 || r.Elapsed >= o.Duration ||
			last.Total != o.Duration {
			t.Errorf("report %+v after %+v", r, last)
		}
	})
}

// Nobody is put under load who has not answered one request, rightly.
func TestProbe(t *testing.T) {
	forTransports(t, func(t *testing.T, o load.Options) {
		p := misbehave(t, func(p *peer, _ int, request []byte, from netip.AddrPort) { p.length(request, from) })
		o.Target, o.Expect, o.Duration = p.addr, load.Echo, time.Minute
		r, err := load.Run(t.Context(), o)
		wrong, ok := errors.AsType[*load.WrongError](err)
		if r != nil || !ok || string(wrong.Reply) != "Your data was 32 bytes long" ||
			!strings.Contains(err.Error(), "(echo)") {
			t.Errorf("report %+v, error %v", r, err)
		}
		if n := p.received.Load(); n != 1 {
			t.Errorf("%d requests were sent, want 1", n)
		}
	})
}

func TestNobodyThere(t *testing.T) {
	stranger, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stranger.Close() })
	forTransports(t, func(t *testing.T, o load.Options) {
		t.Parallel() // each waits for seconds
		p := misbehave(t, func(p *peer, _ int, request []byte, from netip.AddrPort) {
			_, _ = stranger.WriteToUDPAddrPort(request, from)
		})
		o.Target = p.addr
		_, err := load.Run(t.Context(), o)
		if silent, ok := errors.AsType[*load.SilentError](err); !ok || silent.Lost != 5 || silent.Foreign != 5 {
			t.Errorf("of a server that answers from elsewhere: %v", err)
		}
		if n := p.received.Load(); n != 5 {
			t.Errorf("%d requests were sent, want 5", n)
		}
	})
	t.Run("closed port", func(t *testing.T) {
		t.Parallel()
		p := misbehave(t, nil)
		p.Close()
		_, err := load.Run(t.Context(), load.Options{Target: p.addr})
		if _, ok := errors.AsType[*load.SilentError](err); !ok {
			t.Errorf("error %v", err)
		}
		if load.HasGSO && !errors.Is(err, syscall.ECONNREFUSED) { // Linux
			t.Errorf("the error does not say that nobody listens: %v", err)
		}
	})
}

// A server that falls silent is left alone, and what it answered before is reported.
func TestFallsSilent(t *testing.T) {
	forTransports(t, func(t *testing.T, o load.Options) {
		t.Parallel() // each waits for seconds
		p := misbehave(t, func(p *peer, n int, request []byte, from netip.AddrPort) {
			if n < 100 {
				p.length(request, from)
			}
		})
		o.Target, o.Duration, o.Window, o.Timeout = p.addr, time.Minute, 4, 100*time.Millisecond
		r, err := load.Run(t.Context(), o)
		if _, ok := errors.AsType[*load.SilentError](err); !ok {
			t.Fatalf("error %v", err)
		}
		if r.Answered != 99 || r.Sent != r.Answered+r.Lost { // the first was the probe's
			t.Errorf("counts %+v", r.Counts)
		}
		if n := p.received.Load(); n > 1000 {
			t.Errorf("%d requests were sent to a server that answered 100", n)
		}
	})
}

func TestOptions(t *testing.T) {
	loopback := netip.MustParseAddrPort("127.0.0.1:1060")
	for _, tt := range []struct {
		o    load.Options
		want string
	}{
		{load.Options{}, "no server's address"},
		{load.Options{Target: netip.MustParseAddrPort("127.0.0.1:0")}, "no server's address"},
		{load.Options{Target: loopback, Size: 65508}, "65508 bytes is out of range 0 to 65507"},
		{load.Options{Target: loopback, Size: -1}, "out of range"},
		{load.Options{Target: netip.MustParseAddrPort("[::1]:1"), Size: 65528}, "0 to 65527"},
		{load.Options{Target: loopback, Window: -1}, "a window of -1"},
		{load.Options{Target: loopback, Window: load.MaxWindow + 1}, "out of range"},
		{load.Options{Target: loopback, Sockets: load.MaxSockets + 1}, "sockets are out of range"},
		{load.Options{Target: loopback, Sockets: 5, Window: 4}, "it must hold one for each"},
		{load.Options{Target: loopback, Sockets: 2, Threads: 3}, "each needs a socket"},
		{load.Options{Target: loopback, Rate: -1}, "a rate of -1"},
		{load.Options{Target: loopback, Rate: 1e9}, "a rate of 1e+09"},
		{load.Options{Target: loopback, Duration: -1}, "a duration"},
		{load.Options{Target: loopback, Duration: load.MaxDuration + 1}, "a duration"},
		{load.Options{Target: loopback, Timeout: time.Hour}, "a timeout"},
		{load.Options{Target: loopback, GSO: true, Empty: true}, "gso needs a size"},
		{load.Options{Target: loopback, GSO: true, Portable: true}, "gso"},
	} {
		if _, err := load.Run(t.Context(), tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: error %v, want one that says %q", tt.o, err, tt.want)
		}
	}
	for _, tt := range []struct {
		o               load.Options
		window, sockets int
		timeout         time.Duration
	}{
		{load.Options{Target: loopback}, 128, 8, 32800 * time.Microsecond},
		{load.Options{Target: loopback, Window: 1}, 1, 1, 20100 * time.Microsecond},
		{load.Options{Target: loopback, Window: load.MaxWindow}, load.MaxWindow, 8, time.Second},
		{load.Options{Target: loopback, Window: 3}, 3, 3, 20300 * time.Microsecond},
		{load.Options{Target: loopback, Rate: 5}, 128, 64, time.Second},
		{load.Options{Target: loopback, Rate: 5, Expect: load.Echo}, 128, 8, time.Second},
		{load.Options{Target: loopback, Threads: 9}, 128, 9, 32800 * time.Microsecond},
		{load.Options{Target: netip.MustParseAddrPort("192.0.2.1:7")}, 128, 8, time.Second},
	} {
		o, err := tt.o.Complete()
		if err != nil || o.Window != tt.window || o.Sockets != tt.sockets || o.Timeout != tt.timeout {
			t.Errorf("%+v became %+v, %v", tt.o, o, err)
		}
	}
}

func TestExpectations(t *testing.T) {
	for _, name := range load.Expectations() {
		if e, err := load.ParseExpectation(name); err != nil || e.String() != name {
			t.Errorf("%q is %v, %v", name, e, err)
		}
	}
	if _, err := load.ParseExpectation("echos"); err == nil || !strings.Contains(err.Error(), "length, echo, any") {
		t.Errorf("error %v", err)
	}
}

// The names in the JSON form are for programs to rely on.
func TestReportJSON(t *testing.T) {
	addr := serve(t, "127.0.0.1:0", reply.Length{})
	r := run(t, load.Options{Target: addr, Count: 100, Timeout: patience, Duration: time.Minute})
	var text bytes.Buffer
	if err := r.WriteJSON(&text); err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(text.Bytes(), []byte("\n")); n != 1 || !bytes.HasSuffix(text.Bytes(), []byte("\n")) {
		t.Errorf("%d lines", n)
	}
	var fields map[string]any
	if err := json.Unmarshal(text.Bytes(), &fields); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"target": addr.String(), "loop": "closed", "gso": false, "threads": 1.0, "sockets": 8.0, "window": 128.0,
		"size": 32.0, "expect": "length", "interrupted": false, "sent": 100.0, "answered": 100.0, "wrong": 0.0,
		"lost": 0.0, "late": 0.0, "extra": 0.0, "foreign": 0.0, "unsent": 0.0, "errors": 0.0,
	}
	for name, value := range want {
		if fields[name] != value {
			t.Errorf("%s is %v, want %v", name, fields[name], value)
		}
	}
	latency, _ := fields["latency_ns"].(map[string]any)
	for _, name := range []string{"min", "mean", "p50", "p90", "p99", "p999", "max"} {
		if ns, ok := latency[name].(float64); !ok || ns <= 0 {
			t.Errorf("latency_ns.%s is %v", name, latency[name])
		}
	}
	for name := range fields {
		others := []string{"latency_ns", "elapsed_ns", "rate", "idle", "transport"}
		if _, ok := want[name]; !ok && !slices.Contains(others, name) {
			t.Errorf("%s is there, and not in this test", name)
		}
	}
	var back load.Report
	if err := json.Unmarshal(text.Bytes(), &back); err != nil || back != *r {
		t.Errorf("read back: %+v, %v, want %+v", back, err, *r)
	}
}

func TestReportText(t *testing.T) {
	r := load.Report{
		Target: "127.0.0.1:1060", Loop: "open", Offered: 1000, Sockets: 64, Size: 32, Elapsed: 1234567 * time.Microsecond,
		Rate: 998.6, Idle: 0.5, Interrupted: true, Unsent: 3, Errors: 2, Problem: "sendmmsg: connection refused",
		Counts: load.Counts{Sent: 10, Answered: 7, Wrong: 1, Lost: 2, Late: 1, Extra: 4, Foreign: 5},
		Latency: load.Latency{
			P50: 12345, P90: 999, P99: 1000, P999: 3 * time.Millisecond, Max: 12345678 * time.Microsecond,
		},
	}
	var text strings.Builder
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	const want = `asked      127.0.0.1:1060, 1000 requests a second on 64 sockets, 32 bytes each
replies    999 a second in 1.235s, interrupted
latency    p50 12.3µs, p90 999ns, p99 1µs, p99.9 3ms, max 12.3s
requests   10 sent, 7 answered, 1 wrong, 2 lost
besides    1 late, 4 extra, 5 foreign
unsent     3 requests were due and could not be sent: the rate is too high for 64 sockets or this machine
errors     2, the last: sendmmsg: connection refused
generator  idle for 50% of the time
`
	if text.String() != want {
		t.Errorf("got\n%swant\n%s", &text, want)
	}
}
