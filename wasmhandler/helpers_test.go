package wasmhandler_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/wasmhandler"
	"github.com/retort-udp/retort/wasmhandler/internal/compiles"
	"github.com/retort-udp/retort/wasmhandler/internal/race"
)

// cacheDir keeps the code of Go guests, which take seconds to compile, for the tests that follow.
var cacheDir string

func TestMain(m *testing.M) {
	compilerMain(os.Args[1:])
	dir, err := os.MkdirTemp("", "wasmhandler-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	cacheDir = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// arrival is when the datagrams of these tests arrive unless they say otherwise.
var arrival = time.Date(2026, 11, 22, 13, 40, 0, 123456789, time.UTC)

func datagram(data string) *core.Datagram {
	return &core.Datagram{
		Data: []byte(data),
		From: netip.MustParseAddrPort("192.0.2.7:46056"),
		To:   netip.MustParseAddrPort("198.51.100.1:1060"),
		Time: arrival,
	}
}

// sample reads a module from testdata.
func sample(t testing.TB, name string) []byte {
	t.Helper()
	wasm, err := os.ReadFile(filepath.Join("testdata", name+".wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// compile makes a Module of wasm, and closes it when the test ends.
func compile(t testing.TB, wasm []byte, c wasmhandler.Config) *wasmhandler.Module {
	t.Helper()
	m, err := wasmhandler.Compile(context.Background(), wasm, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// load makes a Module of a sample.
func load(t testing.TB, name string, c wasmhandler.Config) *wasmhandler.Module {
	t.Helper()
	return compile(t, sample(t, name), c)
}

// forWorker takes a handler from m, and closes it when the test ends.
func forWorker(t testing.TB, m *wasmhandler.Module) core.Handler {
	t.Helper()
	h, err := m.ForWorker()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeHandler(t, h) })
	return h
}

func closeHandler(t testing.TB, h core.Handler) {
	t.Helper()
	if err := h.(interface{ Close() error }).Close(); err != nil {
		t.Error(err)
	}
}

// room is a dst that takes n bytes.
func room(n int) []byte { return make([]byte, 0, n) }

// ask returns h's reply, which there must be.
func ask(t testing.TB, h core.Handler, d *core.Datagram) []byte {
	t.Helper()
	reply, err := h.Reply(room(core.MaxPayload6), d)
	if err != nil {
		t.Fatalf("Reply(%.20q): %v", d.Data, err)
	}
	if reply == nil {
		t.Fatalf("Reply(%.20q) is silent", d.Data)
	}
	return reply
}

// fail returns the fault that h answers d with.
func fail(t testing.TB, h core.Handler, d *core.Datagram) *wasmhandler.Fault {
	t.Helper()
	reply, err := h.Reply(room(core.MaxPayload6), d)
	var f *wasmhandler.Fault
	if !errors.As(err, &f) {
		t.Fatalf("Reply(%.20q) = %q, %v, and should be a fault", d.Data, reply, err)
	}
	if reply != nil {
		t.Errorf("Reply(%.20q) has a fault and a reply: %q", d.Data, reply)
	}
	return f
}

// engines runs a test on wazero's compiler, where it has one, on its interpreter, and with instances that cannot be
// reset in place.
func engines(t *testing.T, test func(t *testing.T, c wasmhandler.Config)) {
	t.Run("default", func(t *testing.T) { test(t, wasmhandler.Config{}) })
	t.Run("interpreter", func(t *testing.T) { test(t, wasmhandler.Config{Interpreter: true}) })
	t.Run("anew", func(t *testing.T) { test(t, wasmhandler.WithoutImage(wasmhandler.Config{})) })
}

// renewed is how many instances were brought back to their first state, in one way or another.
func renewed(s wasmhandler.Stats) uint64 { return s.Resets + s.Restarts }

// logged is a log that can be looked at: a line a record, without its time.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) logger(level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
}

// lines returns what was logged since the last call.
func (l *logged) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := strings.TrimSuffix(l.text.String(), "\n")
	l.text.Reset()
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// goGuest builds a Go program below testdata as a guest, once for all tests that ask for it.
func goGuest(t testing.TB, name string, flags ...string) []byte {
	t.Helper()
	if race.Enabled {
		t.Skip("instrumented, the engine takes half a minute over a Go guest, and the guests in text do the same")
	}
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("the go command is not on this machine's path")
	}
	out := filepath.Join(cacheDir, name+".wasm")
	guests.Lock()
	defer guests.Unlock()
	if wasm, err := os.ReadFile(out); err == nil {
		return wasm
	}
	args := append([]string{"build", "-ldflags=-s -w", "-o", out}, flags...)
	build := exec.Command(goTool, append(args, "./testdata/"+name)...)
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=")
	if message, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", build.Args, err, message)
	}
	wasm, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

var guests sync.Mutex

// compilerHere tells whether wazero compiles on this machine.
func compilerHere() bool { return compiles.Here() }
