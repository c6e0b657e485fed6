package protocoltest

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/guard"
	"github.com/retort-udp/retort/core/reply"
	"github.com/retort-udp/retort/core/reply/builtin"
	"github.com/retort-udp/retort/core/reply/statsd"
	"github.com/retort-udp/retort/core/server"
	"github.com/retort-udp/retort/core/vectors"
	"github.com/retort-udp/retort/native"
	"github.com/retort-udp/retort/native/cmd/retort/internal/race"
	"github.com/retort-udp/retort/wasmhandler"
	"github.com/retort-udp/retort/wasmhandler/guest"
)

var (
	requests = flag.Int("requests", 100_000, "how many `datagrams` the two builds of a handler are compared by; -short: 5000")
	seed     = flag.Uint64("seed", 1, "the `number` that these datagrams follow from")
)

// samples is where the guests are.
const samples = "../../../../../testdata/handlers"

// temp holds guests and compiled code until the tests have run.
var temp string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(func() int {
		var err error
		if temp, err = os.MkdirTemp("", "retort-protocols"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(temp)
		return m.Run()
	}())
}

// sampleFile returns a file of the sample NAME-go: its source for ".go", its vectors for ".vectors.txt".
func sampleFile(name, ext string) string { return filepath.Join(samples, name+"-go", name+ext) }

func readSample(t testing.TB, name, ext string) []byte {
	t.Helper()
	text, err := os.ReadFile(sampleFile(name, ext))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// building lets guests be built one at a time, and each once.
var building sync.Mutex

// buildGuest builds the sample NAME-go, unless that has been done, and returns the module.
func buildGuest(t testing.TB, name string) []byte {
	t.Helper()
	building.Lock()
	defer building.Unlock()
	out := filepath.Join(temp, name+".wasm")
	if wasm, err := os.ReadFile(out); err == nil {
		return wasm
	}
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("go, which builds the guest, is not on this machine's path")
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", out, name+".go")
	cmd.Dir = filepath.Dir(sampleFile(name, ".go"))
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, text)
	}
	wasm, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// compileGuest returns the sample NAME-go as a handler that has not been configured. Its test has what it logs.
func compileGuest(t testing.TB, name string) *wasmhandler.Module {
	t.Helper()
	return compileLogging(t, name, slog.NewTextHandler(testLog{t}, nil))
}

func compileLogging(t testing.TB, name string, log slog.Handler) *wasmhandler.Module {
	t.Helper()
	if race.Enabled && name != "length" {
		t.Skip("the race detector watches one guest in Go: each takes ten seconds to compile then")
	}
	m, err := wasmhandler.Compile(t.Context(), buildGuest(t, name), wasmhandler.Config{
		Name:           name + "-go",
		CacheDir:       filepath.Join(temp, "cache"),
		FaultAllowance: -1, // a fault must fail every test that has it
		Log:            slog.New(log),
	})
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

// testLog passes what a guest logs on to its test.
type testLog struct{ t testing.TB }

func (l testLog) Write(line []byte) (int, error) {
	l.t.Logf("%s", bytes.TrimSpace(line))
	return len(line), nil
}

// configured configures h, unless config is nil.
func configured(t testing.TB, h core.Handler, config []byte) core.Handler {
	t.Helper()
	if config != nil {
		if err := core.Configure(h, config); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// guestHandler is the sample NAME-go.
func guestHandler(t testing.TB, name string, config []byte) core.Handler {
	t.Helper()
	return configured(t, compileGuest(t, name), config)
}

// builtinHandler is the handler NAME.
func builtinHandler(t testing.TB, name string, config []byte) core.Handler {
	t.Helper()
	h, err := builtin.Named(name)
	if err != nil {
		t.Fatal(err)
	}
	return configured(t, h, config)
}

// worker is the instance of h that a worker would have.
func worker(t testing.TB, h core.Handler) core.Handler {
	t.Helper()
	p, ok := h.(core.PerWorker)
	if !ok {
		return h
	}
	w, err := p.ForWorker()
	if err != nil {
		t.Fatal(err)
	}
	if c, ok := w.(io.Closer); ok {
		t.Cleanup(func() {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	return w
}

// differential holds the built-in handler NAME and its guest equal: in replies, silence, errors, what each takes
// for an answer, and what each that reports says at the end of all that it has counted. For every datagram next fills
// in d.Data, and may change what else is in d: by default a peer of either family, and a clock that moves on by up to
// a second.
func differential(t *testing.T, name string, config []byte, next func(r *rand.Rand, d *core.Datagram)) {
	t.Helper()
	native, err := builtin.Named(name)
	if err != nil {
		t.Fatal(err)
	}
	var saidBuiltIn, saidGuest reports
	reporter, reports := native.(reply.Reporter)
	if reports {
		reporter.ReportTo(saidBuiltIn.add)
	}
	builtIn := worker(t, configured(t, native, config))
	guest := worker(t, configured(t, compileLogging(t, name, &saidGuest), config))
	n := *requests
	if testing.Short() {
		n = min(n, 5000)
	}
	out := make([]byte, core.MaxPayload6)
	r := rand.New(rand.NewPCG(*seed, 0))
	counts := make(map[string]int)
	now := time.Date(2026, 11, 22, 13, 40, 0, 0, time.UTC)
	for i := range n {
		now = now.Add(time.Duration(r.Int64N(int64(time.Second))))
		if i == n-1 {
			now = now.Add(statsd.MaxEvery) // then a report is due
		}
		d := datagram(r, now)
		next(r, d)
		room := out[:0:room(r, d)]
		want, kind := outcome(builtIn, d, room)
		if got, _ := outcome(guest, d, room); got != want {
			t.Fatalf("request %d of seed %d, % x, from %v at %v with room for %d bytes:\nbuilt in: %s\nguest:    %s",
				i, *seed, d.Data, d.From, d.Time, cap(room), want, got)
		}
		counts[kind]++
	}
	t.Logf("%d datagrams: %v", n, counts)
	if counts["malformed"] > n/3 {
		t.Errorf("of %d datagrams %d are malformed, and compare little", n, counts["malformed"])
	}
	idle(builtIn)
	idle(guest)
	if saidBuiltIn.String() != saidGuest.String() || reports != (saidBuiltIn.String() != "") {
		t.Errorf("the built-in handler reports\n%s\nand the guest\n%s", &saidBuiltIn, &saidGuest)
	}
}

func idle(h core.Handler) {
	if i, ok := core.As[core.Idler](h); ok {
		i.Idle()
	}
}

// datagram returns a datagram without data, of a peer of either family.
func datagram(r *rand.Rand, now time.Time) *core.Datagram {
	d := &core.Datagram{Time: now}
	port := uint16(1 + r.IntN(65535))
	if r.IntN(2) == 0 {
		d.From = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(r.Uint32())}), port) // RFC 5737
		d.To = netip.MustParseAddrPort("198.51.100.1:1060")
		return d
	}
	from := netip.MustParseAddr("2001:db8::1").As16() // RFC 3849
	from[15] = byte(r.Uint32())
	d.From = netip.AddrPortFrom(netip.AddrFrom16(from), port)
	d.To = netip.MustParseAddrPort("[2001:db8::2]:1060")
	return d
}

// room is how long a reply may be: mostly as long as UDP allows or as the guard does, sometimes too little.
func room(r *rand.Rand, d *core.Datagram) int {
	most := core.MaxPayload(d.From.Addr())
	switch r.IntN(8) {
	case 0:
		return r.IntN(64)
	case 1:
		return r.IntN(2048)
	case 2, 3, 4:
		return min(most, int(guard.DefaultMaxAmplification)*(len(d.Data)+28)-28) // IPv4, or a little less than IPv6
	}
	return most
}

// outcome is what becomes of a datagram, in words, and the kind of that.
func outcome(h core.Handler, d *core.Datagram, dst []byte) (all, kind string) {
	answer := false
	if c, ok := core.As[core.Classifier](h); ok {
		answer = c.IsResponse(d)
	}
	reply, err := h.Reply(dst, d)
	var code core.Code
	text := ""
	switch {
	case errors.Is(err, core.ErrMalformed):
		kind = "malformed"
	case errors.As(err, &code) && code == guest.CodeOversize, err == nil && len(reply) > cap(dst):
		kind = "oversize"
	case errors.As(err, &code):
		kind = code.Error()
	case err != nil:
		kind, text = "fault", err.Error()
	case reply == nil:
		kind = "silence"
	default:
		kind, text = "reply", fmt.Sprintf("%d bytes, % x", len(reply), reply)
	}
	return fmt.Sprintf("answer %v, %s %s", answer, kind, text), kind
}

// answersVectors runs the vectors of the sample NAME-go on both builds.
func answersVectors(t *testing.T, name string) {
	t.Helper()
	file, err := vectors.Parse(name, readSample(t, name, ".vectors.txt"))
	if err != nil {
		t.Fatal(err)
	}
	t.Run("builtin", func(t *testing.T) {
		if err := file.Run(builtinHandler(t, name, nil)); err != nil {
			t.Error(err)
		}
	})
	t.Run("guest", func(t *testing.T) {
		if err := file.Run(compileGuest(t, name)); err != nil {
			t.Error(err)
		}
	})
}

// eachBuild runs a test with a server on 127.0.0.1 for each build of the handler NAME.
func eachBuild(t *testing.T, name string, config []byte, test func(t *testing.T, server netip.AddrPort)) {
	t.Helper()
	t.Run("builtin", func(t *testing.T) { test(t, serve(t, builtinHandler(t, name, config))) })
	t.Run("guest", func(t *testing.T) { test(t, serve(t, guestHandler(t, name, config))) })
}

// serve answers with h until the test ends, on a port of 127.0.0.1 that was free.
func serve(t *testing.T, h core.Handler) netip.AddrPort {
	t.Helper()
	conns, err := native.Listen("127.0.0.1:0", native.Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.Background())
	var served sync.WaitGroup
	served.Go(func() {
		if err := (&server.Server{Handler: h}).Serve(ctx, conns...); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		end()
		served.Wait()
		for _, c := range conns {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	return conns[0].LocalAddr()
}

// client returns the path of a program that was written elsewhere; the test is skipped where it is missing.
func client(t testing.TB, program, debianPackage string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("%s, of Debian's %s, is not on this machine's path", program, debianPackage)
	}
	return path
}

// run runs a client and returns all that it printed, on both outputs. How it ended is part of that: "exit status N".
func run(t testing.TB, program string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	text, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		text = append(text, exit.Error()...)
	case err != nil:
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, text)
	}
	return string(text)
}
