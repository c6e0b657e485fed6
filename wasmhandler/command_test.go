package wasmhandler_test

import (
	"bytes"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/wasmhandler"
)

// TestCommand answers with a program that reads and prints. The first byte of what it prints is how often that
// instance of it ran.
func TestCommand(t *testing.T) {
	engines(t, func(t *testing.T, c wasmhandler.Config) {
		c.Name = "printer"
		m := load(t, "command", c)
		for name, h := range map[string]core.Handler{"worker": forWorker(t, m), "module": m} {
			for _, test := range []struct{ request, reply string }{
				{"return", "1eturn"},
				{"0 exits", "1 exits"},
				{"return again", "1eturn again"},
				{strings.Repeat("r", core.MaxPayload4), "1" + strings.Repeat("r", core.MaxPayload4-1)},
				{"0", "1"},
				{"", ""},
			} {
				if got := string(ask(t, h, datagram(test.request))); got != test.reply {
					t.Errorf("%s, %.20q: %.20q, want %.20q", name, test.request, got, test.reply)
				}
			}
			if reply, err := h.Reply(room(100), datagram("1 is silence")); reply != nil || err != nil {
				t.Errorf("%s, exit code 1: %q, %v", name, reply, err)
			}
			f := fail(t, h, datagram("2 is a fault"))
			if f.Error() != `handler "printer": _start: it exited with code 2 (in wasi_snapshot_preview1.proc_exit < main)` {
				t.Errorf("%s, exit code 2: %s", name, f)
			}
			if f.Cause != wasmhandler.CauseExit || f.Call != "_start" {
				t.Errorf("%+v", f)
			}
			if f := fail(t, h, datagram("unreachable")); f.Cause != wasmhandler.CauseUnreachable {
				t.Errorf("%+v", f)
			}
			if got := string(ask(t, h, datagram("r"))); got != "1" {
				t.Errorf("%s, after a fault: %q", name, got)
			}
		}
		if s := m.Stats(); s.Faults[wasmhandler.CauseExit] != 2 || s.Faults[wasmhandler.CauseUnreachable] != 2 || s.Restarts != 0 {
			t.Errorf("%+v", s)
		}
		h := forWorker(t, m)
		if _, ok := core.As[core.Classifier](h); ok {
			t.Error("a command is no Classifier")
		}
	})
}

// TestCommandRoom prints as much as there is room for, then more, in one piece and in many.
func TestCommandRoom(t *testing.T) {
	engines(t, func(t *testing.T, c wasmhandler.Config) {
		h := forWorker(t, load(t, "command", c))
		for _, test := range []struct {
			request string
			room    int
			fits    bool
		}{
			{"r23456789", 9, true}, {"r23456789", 8, false}, {"r23456789", 0, false},
			{"b2345", 45, true}, {"b2345", 44, false}, {"b2345", 7, false}, {"b2345", 40, false},
		} {
			dst := room(test.room)
			guard := append(dst, make([]byte, 0)...)[:cap(dst)]
			reply, err := h.Reply(dst, datagram(test.request))
			if err != nil {
				t.Fatal(err)
			}
			if fits := len(reply) <= test.room; fits != test.fits || !fits && len(reply) != test.room+1 {
				t.Errorf("%q into %d bytes: a reply of %d", test.request, test.room, len(reply))
			}
			if test.fits && !bytes.Equal(guard[:len(reply)], reply) {
				t.Errorf("%q: the reply is not in dst", test.request)
			}
		}
	})
}

// TestCommandStderr checks that what a command prints on standard error is logged, and is no part of the reply.
func TestCommandStderr(t *testing.T) {
	var log logged
	h := forWorker(t, load(t, "command", wasmhandler.Config{Name: "printer", Log: log.logger(slog.LevelInfo)}))
	if got := string(ask(t, h, datagram("error\nhalf a line"))); got != "1rror\nhalf a line" {
		t.Errorf("%q", got)
	}
	want := []string{`level=WARN msg=error handler=printer`, `level=WARN msg="half a line" handler=printer`}
	if got := log.lines(); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// TestGoCommand runs an ordinary Go program.
func TestGoCommand(t *testing.T) {
	var log logged
	m := compile(t, goGuest(t, "gocommand"), wasmhandler.Config{CacheDir: cacheDir, Log: log.logger(slog.LevelInfo)})
	h := forWorker(t, m)
	for _, request := range []string{"hello", "a", strings.Repeat("xyz", 10_000)} {
		if got := string(ask(t, h, datagram(request))); got != strings.ToUpper(request) {
			t.Errorf("%.40q", got)
		}
	}
	if reply, err := h.Reply(room(100), datagram("")); reply != nil || err != nil {
		t.Errorf("exit code 1: %q, %v", reply, err)
	}
	f := fail(t, h, datagram("!"))
	if f.Cause != wasmhandler.CauseExit || f.Said != "no idea" {
		t.Errorf("%+v", f)
	}
	if got := log.lines(); len(got) != 1 || got[0] != `level=WARN msg="no idea" handler=wasm` {
		t.Errorf("%q", got)
	}
}

// TestCommandRestart checks that a command that cannot be started is an error, and tried again as rarely as others.
func TestCommandRestart(t *testing.T) {
	m, good, bad := mortal(t, "mortal-command")
	h := forWorker(t, m)
	d := datagram("")
	ask(t, h, d)
	wasmhandler.Reseed(m, bad)
	for range 3 {
		if reply, err := h.Reply(room(1), d); reply != nil || !errors.Is(err, wasmhandler.ErrNoInstance) {
			t.Fatal(reply, err)
		}
	}
	if s := m.Stats(); s.Failures != 1 {
		t.Errorf("%+v", s)
	}
	wasmhandler.Reseed(m, good)
	d.Time = d.Time.Add(time.Second)
	ask(t, h, d)
}
