package load_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/retort-udp/retort/native/cmd/retort/internal/load"
)

// way is how long a reply takes in memory.
const way = 100 * time.Microsecond

// script is a server that answers in memory as it likes.
type script struct{ *load.Memory }

type answer func(s *script, n int, request []byte, from netip.AddrPort)

func (s *script) length(request []byte, to netip.AddrPort) {
	s.Send(lengthOf(request), to, 0)
}

func (s *script) echo(request []byte, to netip.AddrPort) { s.Send(request, to, 0) }

func lengthOf(request []byte) []byte {
	return fmt.Appendf(nil, "Your data was %d bytes long", len(request))
}

func answerLength(s *script, _ int, request []byte, from netip.AddrPort) { s.length(request, from) }
func answerEcho(s *script, _ int, request []byte, from netip.AddrPort)   { s.echo(request, from) }

// inMemory calls check with what a run in memory, and in its time, came to.
func inMemory(t *testing.T, o load.Options, a answer, check func(t *testing.T, s *script, r *load.Report, err error)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &script{&load.Memory{Way: way}}
		s.Answer = func(n int, request []byte, from netip.AddrPort) { a(s, n, request, from) }
		r, err := load.Run(t.Context(), o.In(s.Memory))
		check(t, s, r, err)
	})
}

// wantInMemory is inMemory for runs whose counts are known, and which succeed.
func wantInMemory(t *testing.T, o load.Options, a answer, want load.Counts) {
	t.Helper()
	inMemory(t, o, a, func(t *testing.T, _ *script, r *load.Report, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		wantCounts(t, r, want)
	})
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

// Each way to misbehave is counted exactly.
func TestMisbehaved(t *testing.T) {
	const count = 300
	every := func(n, k int) bool { return n%k == k-1 }
	echo := load.Options{Count: count, Expect: load.Echo, Window: 64}
	length := load.Options{Count: count, Window: 64, Sockets: 64}
	lengthBut := func(k int) answer {
		return func(s *script, n int, request []byte, from netip.AddrPort) {
			if !every(n, k) {
				s.length(request, from)
			}
		}
	}
	for _, tt := range []struct {
		name   string
		o      load.Options
		answer answer
		want   load.Counts
	}{
		{
			"drops, echo", echo,
			func(s *script, n int, request []byte, from netip.AddrPort) {
				if !every(n, 5) {
					s.echo(request, from)
				}
			},
			load.Counts{Answered: 240, Lost: 60},
		},
		{"drops, length", length, lengthBut(5), load.Counts{Answered: 240, Lost: 60}},
		{
			"drops, length, deep windows", load.Options{Count: count, Window: 64, Sockets: 2}, lengthBut(20),
			load.Counts{Answered: 285, Lost: 15},
		},
		{"silence", length, func(*script, int, []byte, netip.AddrPort) {}, load.Counts{Lost: count}},
		{
			"duplicates", echo,
			func(s *script, n int, request []byte, from netip.AddrPort) {
				s.echo(request, from)
				if every(n, 3) {
					s.echo(request, from)
				}
			},
			load.Counts{Answered: count, Extra: count / 3},
		},
		{
			"overtaking", echo,
			func(s *script, n int, request []byte, from netip.AddrPort) {
				s.Send(request, from, time.Duration(n*7%5)*way)
			},
			load.Counts{Answered: count},
		},
		{
			"late, echo", echo,
			func(s *script, n int, request []byte, from netip.AddrPort) {
				if every(n, 6) {
					s.Send(request, from, time.Second)
				} else {
					s.echo(request, from)
				}
			},
			load.Counts{Answered: 250, Lost: 50, Late: 50},
		},
		{
			// Ports whose replies do not say what they answer are given up with their requests.
			"late, length", length,
			func(s *script, n int, request []byte, from netip.AddrPort) {
				if every(n, 6) {
					s.Send(lengthOf(request), from, time.Second)
				} else {
					s.length(request, from)
				}
			},
			load.Counts{Answered: 250, Lost: 50, Late: 50},
		},
		{
			"late and twice", length,
			func(s *script, n int, request []byte, from netip.AddrPort) {
				if n == 0 {
					s.Send(lengthOf(request), from, time.Second)
					s.Send(lengthOf(request), from, time.Second)
				} else {
					s.length(request, from)
				}
			},
			load.Counts{Answered: 299, Lost: 1, Late: 1, Extra: 1},
		},
		{
			"foreign", length,
			func(s *script, n int, request []byte, from netip.AddrPort) {
				if every(n, 2) {
					s.SendForeign(from)
				}
				s.length(request, from)
			},
			load.Counts{Answered: count, Foreign: count / 2},
		},
		{
			"wrong, length", length,
			func(s *script, n int, request []byte, from netip.AddrPort) {
				switch {
				case every(n, 5):
					s.length(request[1:], from)
				case every(n, 7):
					s.Send(nil, from, 0)
				case every(n, 11):
					s.Send(make([]byte, 5000), from, 0)
				default:
					s.length(request, from)
				}
			},
			// Of 300, 60 are the 5th, 42 the 7th, 27 the 11th; 8 the 35th, 5 the 55th, 3 the 77th, none all.
			load.Counts{Answered: 300 - 60 - 34 - 19, Wrong: 60 + 34 + 19},
		},
		{
			"wrong, echo", echo,
			func(s *script, n int, request []byte, from netip.AddrPort) {
				if every(n, 5) {
					request[len(request)-1]++ // the id is right
					defer func() { request[len(request)-1]-- }()
				}
				s.echo(request, from)
			},
			load.Counts{Answered: 240, Wrong: 60},
		},
		{
			"wrong ids", load.Options{Count: count, Expect: load.Echo, Window: 8, Sockets: 8},
			func(s *script, n int, request []byte, from netip.AddrPort) {
				switch {
				case every(n, 5):
					copy(request, "not ours") // an id of nobody
				case every(n, 7):
					request[7] ^= 1 // another port's
				case every(n, 11):
					request[2]++ // of the future
				}
				s.echo(request, from)
			},
			load.Counts{Answered: 300 - 60 - 34 - 19, Wrong: 60 + 34 + 19},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.o.Blind, tt.o.Duration, tt.o.Linger = true, time.Minute, 5*time.Second
			tt.want.Sent = count
			wantInMemory(t, tt.o, tt.answer, tt.want)
		})
	}
}

// Replies that come as one piece are those that they would be one by one.
func TestJoined(t *testing.T) {
	var joined []byte
	o := load.Options{Count: 400, Expect: load.Echo, Window: 8, Sockets: 1, Duration: time.Minute, Blind: true}
	wantInMemory(t, o, func(s *script, n int, request []byte, from netip.AddrPort) {
		if joined = append(joined, request...); n%4 == 3 {
			s.SendJoined(joined, len(request), from)
			joined = nil
		}
	}, load.Counts{Sent: 400, Answered: 400})
}

// A system that takes a few requests at a time gets all of them all the same.
func TestSmallBuffers(t *testing.T) {
	for _, o := range []load.Options{{Window: 50, Sockets: 3}, {Rate: 1e5, Sockets: 2, Expect: load.Echo}} {
		synctest.Test(t, func(t *testing.T) {
			s := &script{&load.Memory{Way: way, Accept: 3}}
			s.Answer = func(_ int, request []byte, from netip.AddrPort) {
				if o.Expect == load.Echo {
					s.echo(request, from)
				} else {
					s.length(request, from)
				}
			}
			o.Count, o.Duration = 1000, time.Minute
			r, err := load.Run(t.Context(), o.In(s.Memory))
			if err != nil {
				t.Fatal(err)
			}
			wantCounts(t, r, load.Counts{Sent: 1000, Answered: 1000})
		})
	}
}

// What the network says is counted, and the last of it told.
func TestNetworkErrors(t *testing.T) {
	o := load.Options{Count: 100, Window: 10, Duration: time.Minute, Blind: true}
	inMemory(t, o, func(s *script, n int, request []byte, from netip.AddrPort) {
		if n%10 == 9 {
			s.Refuse(from, syscall.ECONNREFUSED)
			return
		}
		s.length(request, from)
	}, func(t *testing.T, _ *script, r *load.Report, err error) {
		if err != nil || r.Lost != 10 || r.Errors == 0 || r.Errors > 10 || r.Problem != syscall.ECONNREFUSED.Error() {
			t.Errorf("report %+v, error %v", r, err)
		}
	})
}

// A closed loop keeps as many requests outstanding as it should, from as many ports: the server answers none
// before all of a window are there.
func TestWindow(t *testing.T) {
	const window, sockets = 50, 7
	var waiting []netip.AddrPort
	ports := make(map[netip.AddrPort]int)
	o := load.Options{Window: window, Sockets: sockets, Count: 20 * window, Blind: true, Duration: time.Minute}
	wantInMemory(t, o, func(s *script, _ int, request []byte, from netip.AddrPort) {
		if waiting = append(waiting, from); len(waiting) < window {
			return
		}
		for _, to := range waiting {
			ports[to]++
			s.length(request, to)
		}
		waiting = waiting[:0]
	}, load.Counts{Sent: 20 * window, Answered: 20 * window})
	if len(ports) != sockets {
		t.Errorf("%d ports asked, want %d", len(ports), sockets)
	}
	for port, n := range ports {
		if share := n / 20; n%20 != 0 || share != window/sockets && share != window/sockets+1 {
			t.Errorf("%v asked %d times", port, n)
		}
	}
}

// With a window of W and replies that take as long as they do, W are answered in that time.
func TestClosedLoopRate(t *testing.T) {
	o := load.Options{Window: 10, Duration: time.Second, Warmup: 100 * time.Millisecond}
	inMemory(t, o, answerLength, func(t *testing.T, s *script, r *load.Report, err error) {
		if err != nil {
			t.Fatal(err)
		}
		// A hundred thousand, but for the edges.
		if r.Rate < 99_000 || r.Rate > 101_000 || r.Elapsed < time.Second || r.Elapsed > 1002*time.Millisecond {
			t.Errorf("%v replies a second in %v", r.Rate, r.Elapsed)
		}
		if l := r.Latency; l.Min < way*99/100 || l.Max > way*101/100 || r.Idle < 0.9 || r.Loop != "closed" {
			t.Errorf("report %+v", r)
		}
		if warm := uint64(s.Asked()) - r.Sent; warm < 9_900 || warm > 10_100 {
			t.Errorf("%d requests of warm-up", warm)
		}
	})
}

// An open loop makes as many requests as its rate and duration say.
func TestOpenLoopCount(t *testing.T) {
	for _, tt := range []struct {
		o    load.Options
		want uint64
	}{
		{load.Options{Rate: 2000, Duration: 250 * time.Millisecond}, 500},
		{load.Options{Rate: 2000, Duration: 250 * time.Millisecond, Warmup: 100 * time.Millisecond}, 500},
		{load.Options{Rate: 333, Duration: 100 * time.Millisecond}, 34}, // request 33 is due at 99.1 ms
		{load.Options{Rate: 3000, Duration: 100 * time.Millisecond, Expect: load.Echo, Threads: 2, Sockets: 5}, 300},
		{load.Options{Rate: 1e6, Duration: 100 * time.Millisecond, Expect: load.Echo}, 100_000},
		{load.Options{Rate: 1e6, Duration: 100 * time.Millisecond, Count: 777, Expect: load.Echo}, 777},
		{load.Options{Rate: 10, Duration: time.Millisecond}, 1},
	} {
		t.Run(fmt.Sprintf("%v in %v", tt.o.Rate, tt.o.Duration), func(t *testing.T) {
			a := answerLength
			if tt.o.Expect == load.Echo {
				a = answerEcho
			}
			inMemory(t, tt.o, a, func(t *testing.T, _ *script, r *load.Report, err error) {
				if err != nil {
					t.Fatal(err)
				}
				wantCounts(t, r, load.Counts{Sent: tt.want, Answered: tt.want})
				if r.Unsent != 0 || r.Loop != "open" || r.Offered != tt.o.Rate {
					t.Errorf("report %+v", r)
				}
			})
		})
	}
}

// While a server stands still an open loop's requests grow old, those included that find no free port and
// are not even sent: their latency counts from when they were due.
func TestOpenLoopLatencyCountsFromTheTimetable(t *testing.T) {
	const rate, still = 1000, 200 * time.Millisecond
	for _, tt := range []struct {
		name string
		o    load.Options
		slow time.Duration // how much longer it takes until all that waited are answered
	}{
		{"free ports", load.Options{Expect: load.Echo}, time.Millisecond},
		{"busy ports", load.Options{Expect: load.Echo, Size: 4, Sockets: 2}, 15 * time.Millisecond}, // one request each
	} {
		t.Run(tt.name, func(t *testing.T) {
			var began time.Time
			o := tt.o
			o.Blind, o.Rate, o.Duration = true, rate, 300*time.Millisecond
			inMemory(t, o, func(s *script, n int, request []byte, from netip.AddrPort) {
				if n == 0 {
					began = time.Now()
				}
				s.Send(request, from, max(0, still-time.Since(began)))
			}, func(t *testing.T, _ *script, r *load.Report, err error) {
				if err != nil {
					t.Fatal(err)
				}
				wantCounts(t, r, load.Counts{Sent: 300, Answered: 300})
				// The k-th request, due after k ms, waits for 200-k ms: half of them for 50, the mean of all is 67.
				between := func(name string, d, least time.Duration) {
					if d < least*999/1000 || d > least+tt.slow {
						t.Errorf("%s is %v, want %v or up to %v more", name, d, least, tt.slow)
					}
				}
				between("p50", r.Latency.P50, 50*time.Millisecond)
				between("mean", r.Latency.Mean, 67*time.Millisecond)
				between("max", r.Latency.Max, still)
			})
		})
	}
}

// What a rate asks for and the server does not let out is not swept under the carpet.
func TestOpenLoopUnsent(t *testing.T) {
	o := load.Options{
		Blind: true, Rate: 1000, Sockets: 2, Duration: 100 * time.Millisecond, Timeout: 300 * time.Millisecond,
	}
	inMemory(t, o, func(*script, int, []byte, netip.AddrPort) {}, func(t *testing.T, _ *script, r *load.Report, err error) {
		if err != nil || r.Sent+r.Unsent != 100 || r.Sent != r.Lost || r.Answered != 0 || r.Unsent == 0 {
			t.Errorf("report %+v, error %v", r, err)
		}
	})
}

// What is late from the warm-up is not counted.
func TestWarmupLate(t *testing.T) {
	for _, expect := range []load.Expectation{load.Length, load.Echo} {
		t.Run(expect.String(), func(t *testing.T) {
			o := load.Options{
				Blind: true, Window: 4, Sockets: 2, Count: 1000, Expect: expect, Duration: time.Minute,
				Warmup: 150 * time.Millisecond, Timeout: 100 * time.Millisecond,
			}
			wantInMemory(t, o, func(s *script, n int, request []byte, from netip.AddrPort) {
				reply, delay := request, time.Duration(0)
				if expect == load.Length {
					reply = lengthOf(request)
				}
				if n < 4 {
					delay = 160 * time.Millisecond // they are given up before, and measuring has begun
				}
				s.Send(reply, from, delay)
			}, load.Counts{Sent: 1000, Answered: 1000})
		})
	}
}

// A context that ends is no error: there is a report on what was until then.
func TestInterruptedInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s := &script{&load.Memory{Way: way}}
		s.Answer = func(n int, request []byte, from netip.AddrPort) {
			if s.length(request, from); n == 1000 {
				cancel()
			}
		}
		o := load.Options{Duration: load.MaxDuration}
		r, err := load.Run(ctx, o.In(s.Memory))
		if err != nil || !r.Interrupted || r.Answered < 1000 || r.Answered != r.Sent || r.Elapsed > time.Second {
			t.Errorf("report %+v, error %v", r, err)
		}
	})
}

// Progress comes every so often, and says how it went since the last.
func TestProgress(t *testing.T) {
	var seen []load.Progress
	o := load.Options{
		Rate: 1000, Duration: 3500 * time.Millisecond, Warmup: 500 * time.Millisecond,
		Progress: func(p load.Progress) { seen = append(seen, p) },
	}
	inMemory(t, o, answerLength, func(t *testing.T, _ *script, _ *load.Report, err error) {
		if err != nil {
			t.Fatal(err)
		}
	})
	if len(seen) < 3 || len(seen) > 4 { // after 0.5, 1.5 and 2.5 seconds of measuring, and at the very end
		t.Fatalf("progress %+v", seen)
	}
	for i, p := range seen {
		elapsed := time.Duration(i)*time.Second + 500*time.Millisecond
		if (p.Elapsed-elapsed).Abs() > 10*time.Millisecond || p.Total != o.Duration || p.Lost != 0 ||
			p.Rate < 970 || p.Rate > 1030 || p.Answered > p.Sent {
			t.Errorf("progress %+v after %v", p, elapsed)
		}
	}
}

// Nobody is put under load who has not answered one request, rightly.
func TestProbe(t *testing.T) {
	inMemory(t, load.Options{Expect: load.Echo}, answerLength, func(t *testing.T, s *script, r *load.Report, err error) {
		wrong, ok := errors.AsType[*load.WrongError](err)
		if r != nil || !ok || string(wrong.Reply) != "Your data was 32 bytes long" || !strings.Contains(err.Error(), "(echo)") {
			t.Errorf("report %+v, error %v", r, err)
		}
		if n := s.Asked(); n != 1 {
			t.Errorf("%d requests were sent, want 1", n)
		}
	})
}

// A server that loses the first requests, because it only begins, is waited for.
func TestProbeIsPatient(t *testing.T) {
	wantInMemory(t, load.Options{Count: 100}, func(s *script, n int, request []byte, from netip.AddrPort) {
		if n >= 3 {
			s.length(request, from)
		}
	}, load.Counts{Sent: 100, Answered: 100})
}

func TestNobodyThere(t *testing.T) {
	inMemory(t, load.Options{}, func(s *script, n int, _ []byte, from netip.AddrPort) {
		s.SendForeign(from)
		s.Refuse(from, syscall.ECONNREFUSED)
	}, func(t *testing.T, s *script, r *load.Report, err error) {
		silent, ok := errors.AsType[*load.SilentError](err)
		if r != nil || !ok || silent.Lost != 5 || silent.Foreign != 5 || !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("report %+v, error %v", r, err)
		}
		for _, want := range []string{"has not answered for 3.1s", "any of 5 requests", "5 datagrams came from elsewhere", "refused"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("the error lacks %q: %v", want, err)
			}
		}
		if n := s.Asked(); n != 5 {
			t.Errorf("%d requests were sent, want 5", n)
		}
	})
}

// A server that falls silent is left alone, and what it answered before is reported.
func TestFallsSilent(t *testing.T) {
	for _, o := range []load.Options{{Window: 4}, {Rate: 1000}, {Window: 4, Threads: 2}} {
		o.Duration = time.Minute
		inMemory(t, o, func(s *script, n int, request []byte, from netip.AddrPort) {
			if n < 100 {
				s.length(request, from)
			}
		}, func(t *testing.T, s *script, r *load.Report, err error) {
			if _, ok := errors.AsType[*load.SilentError](err); !ok {
				t.Fatalf("error %v", err)
			}
			if r.Answered != 99 || r.Sent != r.Answered+r.Lost { // the first was the probe's
				t.Errorf("counts %+v", r.Counts)
			}
			if n := s.Asked(); n > 1000 {
				t.Errorf("%d requests were sent to a server that answered 100", n)
			}
		})
	}
}
