package wasmhandler_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/reply"
	"github.com/retort-udp/retort/core/vectors"
	"github.com/retort-udp/retort/wasmhandler"
)

func parseVectors(t *testing.T, text string) *vectors.File {
	t.Helper()
	f, err := vectors.Parse("x.vectors.txt", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestSelfTest loads modules with vectors that they pass and that they do not.
func TestSelfTest(t *testing.T) {
	for _, test := range []struct{ module, vectors, want string }{
		{"length", `"123" -> "Your data was 3 bytes long"`, ""},
		{"length", `"123" -> "Your data was 4 bytes long"`, `it fails its own vectors: x.vectors.txt:1: request "123" (3 bytes): want `},
		{"length", "", ""},
		{"config", "config \"yes\"\n\"?\" -> \"\\x03\\x00\\x00\\x00yes\"", ""},
		{"length", "config \"yes\"", `it fails its own vectors: x.vectors.txt: configuring the handler with "yes": `},
		{"fault", `"u" -> silence`, `it fails its own vectors: x.vectors.txt:1: request "u" (1 byte): want silence, got the error: `},
		{"command", `"x" -> "Your data was 1 bytes long"`, "?"},
	} {
		t.Run(test.module, func(t *testing.T) {
			var log logged
			c := wasmhandler.Config{Name: "x", Vectors: parseVectors(t, test.vectors), Log: log.logger(slog.LevelDebug)}
			m, err := wasmhandler.Compile(t.Context(), sample(t, test.module), c)
			if err == nil {
				defer m.Close()
				if got := m.Stats(); got != (wasmhandler.Stats{LogDropped: got.LogDropped}) {
					t.Errorf("the self-test was counted: %+v", got)
				}
			}
			switch {
			case test.want == "?":
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want != "" && (err == nil || !strings.HasPrefix(err.Error(), `handler "x": `+test.want)):
				t.Errorf("%v, want %s", err, test.want)
			}
			if got := log.lines(); len(got) > 0 {
				t.Errorf("the self-test was logged: %q", got)
			}
		})
	}
}

// TestSelfTestApart has vectors with a configuration of their own beside the operator's: neither meets the other, and
// what the vectors left in the guest's memory is not there when it serves.
func TestSelfTestApart(t *testing.T) {
	m := load(t, "config", wasmhandler.Config{Vectors: parseVectors(t, "config \"theirs\"\n\"?\" -> 0x06000000 \"theirs\"")})
	if err := m.Configure([]byte("ours")); err != nil {
		t.Fatal(err)
	}
	if got := string(ask(t, forWorker(t, m), datagram("?"))); got != "\x04\x00\x00\x00ours" {
		t.Errorf("%q", got)
	}
	fresh := load(t, "fault", wasmhandler.Config{Vectors: parseVectors(t, "\".\" -> \"\\x01\"\n\".\" -> \"\\x02\"")})
	if got := ask(t, forWorker(t, fresh), datagram("."))[0]; got != 1 {
		t.Errorf("the first datagram is number %d", got)
	}
}

// TestSelfTestCancelled ends a self-test that would take long.
func TestSelfTestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f := parseVectors(t, strings.Repeat("\"123\" -> \"Your data was 3 bytes long\"\n", 20_000))
	time.AfterFunc(10*time.Millisecond, cancel)
	m, err := wasmhandler.Compile(ctx, sample(t, "length"), wasmhandler.Config{Vectors: f})
	if err == nil {
		m.Close() // it was faster
	} else if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestPause has a guest that is fit at times: it passes its vectors by chance. When it fails them it is paused, the
// fallback answers, and it goes on by itself.
func TestPause(t *testing.T) {
	for name, fallback := range map[string]core.Handler{"silence": nil, "fallback": reply.Fixed{Text: []byte("instead")}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log logged
				m := pausable(t, wasmhandler.Config{Name: "moody", Fallback: fallback, Log: log.logger(slog.LevelInfo)})
				defer m.Close()
				h, err := m.ForWorker()
				if err != nil {
					t.Fatal(err)
				}
				defer closeHandler(t, h)
				again := func() string {
					got, err := h.Reply(room(100), datagram("?"))
					if err != nil {
						t.Fatal(err)
					}
					return string(got)
				}
				instead := ""
				if fallback != nil {
					instead = "instead"
				}
				if got := again(); got != "y" && got != "n" {
					t.Fatalf("before the fault it answers %q", got)
				}
				fail(t, h, datagram("u"))
				synctest.Wait() // the vectors have run
				if got := again(); got != instead {
					t.Fatalf("while it is paused it answers %q", got)
				}
				// It is asked again after 1, 3, 7, 15 s and so on, until it passes.
				checks, asked := uint64(1), uint64(1)
				for wait := time.Second; ; wait = min(2*wait, time.Minute) {
					time.Sleep(wait - time.Millisecond)
					if s := m.Stats(); s.Checks != checks {
						t.Fatalf("%d checks before it was time for number %d", s.Checks, checks+1)
					}
					if got := again(); got != instead {
						t.Fatalf("while it is paused it answers %q", got)
					}
					asked++
					time.Sleep(time.Millisecond)
					synctest.Wait()
					checks++
					if s := m.Stats(); s.Checks != checks || s.Paused != asked {
						t.Fatalf("%+v, want %d checks and %d datagrams while paused", s, checks, asked)
					} else if s.Unfit < s.Checks {
						break
					}
				}
				if got := again(); got != "y" && got != "n" {
					t.Errorf("after it has passed it answers %q", got)
				}
				lines := log.lines()
				if len(lines) != 2 || !strings.HasPrefix(lines[0],
					`level=ERROR msg="handler paused: it fails its own vectors" handler=moody error="x.vectors.txt:1: request \"?\"`) ||
					lines[1] != `level=INFO msg="handler goes on: it passes its own vectors again" handler=moody` {
					t.Errorf("%q", lines)
				}
			})
		})
	}
}

// pausable returns a module that fails its vectors the second time that they run. The seed says when; there are not
// many to try.
func pausable(t *testing.T, c wasmhandler.Config) *wasmhandler.Module {
	t.Helper()
	c.Vectors = parseVectors(t, `"?" -> "y"`)
	log := c.Log
	for seed := range uint64(200) {
		c.Seed, c.Log = seed+1, nil
		m, err := wasmhandler.Compile(t.Context(), sample(t, "moody"), c)
		if err != nil {
			continue
		}
		fail(t, m, datagram("u"))
		synctest.Wait()
		unfit := m.Stats().Unfit
		m.Close()
		if unfit > 0 {
			c.Log = log
			if m, err = wasmhandler.Compile(t.Context(), sample(t, "moody"), c); err != nil {
				t.Fatal(err)
			}
			return m
		}
	}
	t.Fatal("no seed will do")
	return nil
}

// TestRecheckRate has a fault with every datagram: the vectors run once a second all the same.
func TestRecheckRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := wasmhandler.Config{Vectors: parseVectors(t, `"." -> "\x01"`), FaultAllowance: -1}
		m, err := wasmhandler.Compile(t.Context(), sample(t, "fault"), c)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		for range 100 {
			fail(t, m, datagram("u"))
			synctest.Wait()
			time.Sleep(100 * time.Millisecond)
		}
		if s := m.Stats(); s.Checks < 9 || s.Checks > 11 || s.Unfit > 0 || s.Paused > 0 {
			t.Errorf("%+v: want 10 checks in 10 s, none of them failed", s)
		}
	})
}

// TestFallbackShared: a fallback that workers must not share is refused.
func TestFallbackShared(t *testing.T) {
	if _, err := wasmhandler.Compile(t.Context(), sample(t, "length"), wasmhandler.Config{Fallback: new(core.Swap)}); err == nil {
		t.Error("it was taken")
	}
}

// TestFallbackWithoutInstance: the fallback answers, too, while an instance cannot be made.
func TestFallbackWithoutInstance(t *testing.T) {
	_, good, bad := mortal(t, "mortal")
	c := wasmhandler.WithoutImage(wasmhandler.Config{Seed: good, Fallback: reply.Fixed{Text: []byte("instead")}})
	m := load(t, "mortal", c)
	h := forWorker(t, m)
	fail(t, h, datagram("u"))
	wasmhandler.Reseed(m, bad)
	for range 2 {
		if got := string(ask(t, h, datagram(""))); got != "instead" {
			t.Errorf("without an instance it answers %q", got)
		}
	}
	wasmhandler.Reseed(m, good)
	if got := string(ask(t, h, sent("", "192.0.2.7:46056", time.Second))); got != "" {
		t.Errorf("with an instance it answers %q", got)
	}
	if s := m.Stats(); s.Paused != 2 || s.Failures != 1 || s.Restarts != 1 {
		t.Errorf("%+v", s)
	}
}
