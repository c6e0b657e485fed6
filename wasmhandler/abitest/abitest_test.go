package abitest_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/retort-udp/retort/core/vectors"
	"github.com/retort-udp/retort/wasmhandler"
	"github.com/retort-udp/retort/wasmhandler/abitest"
	"github.com/retort-udp/retort/wasmhandler/internal/hostile"
	"github.com/retort-udp/retort/wasmhandler/internal/race"
	"github.com/retort-udp/retort/wasmhandler/internal/wasmgen"
)

var root = filepath.Join("..", "..")

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// vectorsBeside reads the vectors of a sample.
func vectorsBeside(t testing.TB, sample string) *vectors.File {
	t.Helper()
	name := strings.TrimSuffix(sample, filepath.Ext(sample)) + ".vectors.txt"
	f, err := vectors.Parse(filepath.Base(name), read(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func run(t testing.TB, wasm []byte, o abitest.Options) *abitest.Report {
	t.Helper()
	r, err := abitest.Run(t.Context(), "guest", wasm, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestSamples checks the sample handlers, all of which conform.
func TestSamples(t *testing.T) {
	samples, err := filepath.Glob(filepath.Join(root, "testdata", "handlers", "*", "*.wasm"))
	if err != nil || len(samples) == 0 {
		t.Fatal("there are no samples", err)
	}
	for _, sample := range samples {
		name := filepath.Base(filepath.Dir(sample))
		if strings.HasSuffix(name, "-go") {
			continue // these are not committed: what is there may be of another day, and package guest builds and checks them
		}
		t.Run(name, func(t *testing.T) {
			o := abitest.Options{Vectors: vectorsBeside(t, sample)}
			abitest.Test(t, filepath.Base(sample), read(t, sample), o)
		})
	}
}

// TestGo checks a sample in Go, whose runtime asks much of a host.
func TestGo(t *testing.T) {
	if testing.Short() || race.Enabled {
		t.Skip("compiling a guest in Go takes seconds, and half a minute with the race detector")
	}
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("the go command is not on this machine's path")
	}
	source := filepath.Join(root, "testdata", "handlers", "length-go", "length.go")
	built := filepath.Join(t.TempDir(), "length.wasm")
	build := exec.Command(goTool, "build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", built, source)
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=")
	if message, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", build.Args, err, message)
	}
	r := run(t, read(t, built), abitest.Options{Vectors: vectorsBeside(t, source)})
	if err := r.Err(); err != nil {
		t.Error(err)
	}
}

// little gives guests fuel for no more than these tests need, so that endless ones end sooner.
var little = wasmhandler.Config{Fuel: 100_000, StartFuel: 1_000_000}

type code = wasmgen.Code

// guest is a handler in the making: parts that are not set do nothing.
type guest struct {
	reply                                        code // (request, length, out, room, meta i32) -> i32
	window, configure, isResponse, idle, initial code
}

const (
	request = 0
	length  = 1
	out     = 2
	room    = 3
)

func (g guest) wasm() []byte {
	m := new(wasmgen.Module)
	clock := m.Import("wasi_snapshot_preview1", "clock_time_get", "iIi", "i")
	if clock != 0 {
		panic("the functions below call it by its number")
	}
	m.Memory(4)
	m.Global(0)
	m.Export("memory", wasmgen.KindMemory, 0)
	add := func(name, params, results string, c, otherwise code) {
		if c == nil {
			c = otherwise
		}
		if c != nil {
			m.Export(name, wasmgen.KindFunction, m.Function(params, results, c))
		}
	}
	add("retort_v1_window", "i", "i", g.window, code{}.I32(1<<16))
	add("retort_v1_reply", "iiiii", "i", g.reply, code{}.I32(0))
	add("retort_v1_configure", "ii", "i", g.configure, nil)
	add("retort_v1_is_response", "iii", "i", g.isResponse, nil)
	add("retort_v1_idle", "", "", g.idle, nil)
	add("_initialize", "", "", g.initial, nil)
	return m.Bytes()
}

// trap ends a function.
var trap = code{}.Op(wasmgen.Unreachable)

// A guest that answers with the time of its start is the same each time, for each time it is told the same.
func TestStartTime(t *testing.T) {
	g := guest{
		initial: code{}.I32(0).I64(0).I32(16).Call(0).Op(wasmgen.Drop),
		reply: code{}.Get(room).I32(3).Op(wasmgen.GreaterUnsigned).
			If().Get(out).I32(16).Load().Store().I32(4).Op(wasmgen.Return).End().I32(-1),
	}
	options := abitest.Options{Config: little}
	if r := run(t, g.wasm(), options); !r.OK {
		t.Errorf("with the time that is left open: %v", r.Err())
	}
	options.Config.Loaded = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	if r := run(t, g.wasm(), options); !r.OK {
		t.Errorf("with a time: %v", r.Err())
	}
}

// TestFindings has guests with one thing wrong, which is what must be found, and nothing else.
func TestFindings(t *testing.T) {
	parsed := func(text string) *vectors.File {
		f, err := vectors.Parse("guest.vectors.txt", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	// first pushes whether the request begins with that byte, and is not empty.
	first := func(b int32) code {
		return code{}.Get(request).Load8().I32(b).Op(wasmgen.Equal).Get(length).Op(wasmgen.And)
	}
	beyond := func(n int32) code { return code{}.Get(length).I32(n).Op(wasmgen.GreaterUnsigned) }
	settings := abitest.Options{Settings: []byte("x")}
	for _, tt := range []struct {
		name    string
		guest   guest
		options abitest.Options
		check   string // that fails
		detail  string // in it
	}{
		{
			name: "no window", guest: guest{window: code{}.I32(0)},
			check: "load", detail: "it refused a window",
		},
		{
			name: "no configuration taken", options: settings,
			check: "configuration", detail: "takes no configuration",
		},
		{
			name: "configuration refused", guest: guest{configure: code{}.I32(7)}, options: settings,
			check: "configuration", detail: "returned 7",
		},
		{
			name: "configuration of the vectors refused", guest: guest{configure: code{}.I32(7)},
			options: abitest.Options{Vectors: parsed(`config "x"`)},
			check:   "configuration", detail: "returned 7",
		},
		{
			name: "odd configuration", guest: guest{configure: code{}.Get(0).Load8().If().Then(trap).End().I32(0)},
			check: "odd-configuration", detail: "unreachable",
		},
		{
			name: "wrong vectors", options: abitest.Options{Vectors: parsed(`"a" -> "b"`)},
			check: "vectors", detail: `want the reply "b" (1 byte), got the reply "" (0 bytes)`,
		},
		{
			name: "vectors for another configuration", guest: guest{configure: code{}.I32(0)},
			options: abitest.Options{Settings: []byte("x"), Vectors: parsed("config \"y\"\n\"a\" -> \"b\"")},
			check:   "vectors", detail: `want the reply "b"`,
		},
		{
			name: "large requests", guest: guest{reply: beyond(60_000).If().Then(trap).End().I32(0)},
			check: "sizes", detail: "a request of 65507 bytes: retort_v1_reply: unreachable",
		},
		{
			name: "endless", guest: guest{reply: code{}.Loop().Br(0).End().Then(trap)},
			check: "sizes", detail: "a request of 0 bytes: retort_v1_reply: it used up its fuel",
		},
		{
			name: "room ignored", guest: guest{reply: code{}.I32(600)},
			check: "room", detail: "it returned 600 bytes, and there was room for 0",
		},
		{
			name: "response", guest: guest{isResponse: beyond(9).If().Then(trap).End().I32(0)},
			check: "is-response", detail: "request 2, 12 bytes",
		},
		{
			name: "idle", guest: guest{idle: trap},
			check: "idle", detail: "it has a fault",
		},
		{
			name: "malformed", guest: guest{reply: first(0xff).If().Then(trap).End().I32(0)},
			check: "malformed", detail: "unreachable",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.options.Config = little
			r := run(t, tt.guest.wasm(), tt.options)
			if r.OK || r.Err() == nil {
				t.Error("it conforms")
			}
			c := find(t, r, tt.check)
			if c.Status != abitest.Fail || !strings.Contains(c.Detail, tt.detail) {
				t.Errorf("%s %s: %s; it must fail with %q", c.Status, c.Name, c.Detail, tt.detail)
			}
			for _, c := range r.Checks {
				if c.Status != abitest.Fail || c.Name == tt.check {
					continue
				}
				if tt.name != "endless" && !(tt.name == "odd configuration" && c.Name == "configuration") {
					t.Errorf("%s fails too: %s", c.Name, c.Detail)
				}
			}
		})
	}
}

func find(t *testing.T, r *abitest.Report, name string) abitest.Check {
	t.Helper()
	for _, c := range r.Checks {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("there is no check %q in\n%s", name, r)
	return abitest.Check{}
}

// TestReports checks what is measured, on a guest that echoes up to its room.
func TestReports(t *testing.T) {
	echo := guest{reply: code{}.Get(out).Get(request).Get(length).MemoryCopy().Get(length)}.wasm()
	r := run(t, echo, abitest.Options{})
	if r.Kind != abitest.Handler || r.LoadTime <= 0 {
		t.Errorf("%+v", r)
	}
	if m := r.Module; m.Size != len(echo) || m.Functions != 2 || m.MemoryPages != 4 ||
		!slices.Equal(m.Imports, []string{"wasi_snapshot_preview1.clock_time_get"}) ||
		!slices.Equal(m.Exports, []string{"memory", "retort_v1_window", "retort_v1_reply"}) {
		t.Errorf("%+v", m)
	}
	var fuel uint64
	for _, f := range r.Figures {
		// The clock of some Windows moves so seldom that it may stand still throughout.
		if timed := f.Nanos > 0 || runtime.GOOS == "windows"; !timed || !f.Stable || f.Fuel == 0 || !strings.HasSuffix(f.Reply, "bytes") && f.Size != 1 {
			t.Errorf("%+v", f)
		}
		if f.Fuel < fuel {
			t.Errorf("%d bytes cost %d fuel, less than fewer bytes", f.Size, f.Fuel)
		}
		fuel = f.Fuel
	}
	s := r.Fuel
	if s == nil || s.Max != fuel || s.Min > s.Median || s.Median > s.Max || s.Limit != wasmhandler.DefaultFuel {
		t.Errorf("%+v", s)
	}
	// A request of 65,527 bytes is echoed; with room for fewer bytes it cannot be.
	if c := find(t, r, "room"); c.Status != abitest.Fail {
		t.Errorf("%+v", c)
	}
}

// TestQuick is what a server can afford between two datagrams.
func TestQuick(t *testing.T) {
	sample := filepath.Join(root, "testdata", "handlers", "length-c", "length.wasm")
	r := run(t, read(t, sample), abitest.Options{Vectors: vectorsBeside(t, sample), Quick: true})
	if err := r.Err(); err != nil || !r.Quick {
		t.Errorf("%v\n%s", err, r)
	}
	for _, c := range r.Checks {
		if c.Name == "determinism" || c.Name == "odd-configuration" {
			t.Errorf("%s is no quick check", c.Name)
		}
	}
	for _, f := range r.Figures {
		if f.Nanos != 0 {
			t.Errorf("times were measured: %+v", f)
		}
	}
}

// TestSame checks that a report follows from the module and the options, but for times.
func TestSame(t *testing.T) {
	sample := filepath.Join(root, "testdata", "handlers", "counter-c", "counter.wasm")
	one, other := run(t, read(t, sample), abitest.Options{}), run(t, read(t, sample), abitest.Options{})
	for _, r := range []*abitest.Report{one, other} {
		r.LoadTime = 0
		for i := range r.Figures {
			r.Figures[i].Nanos = 0
		}
	}
	if one.String() != other.String() {
		t.Errorf("first\n%s\nand then\n%s", one, other)
	}
	if stable := one.Figures[0].Stable; stable {
		t.Error("a handler that counts is said to reply the same twice")
	}
}

// TestHostile checks modules that want to do harm. What has faults does not conform, and reports can be read.
func TestHostile(t *testing.T) {
	cases, err := hostile.Corpus(os.DirFS(filepath.Join(root, hostile.Dir)))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		wasm := c.Wasm()
		if len(wasm) > 64<<10 || strings.HasPrefix(c.Name, "lie-") {
			continue // what the host refuses for its size is its own business
		}
		r := run(t, wasm, abitest.Options{Quick: true, Config: little})
		harms := strings.Contains(c.Want, "fault") || strings.Contains(c.Want, "refused")
		if asked := strings.HasPrefix(c.Want, "configure: "); harms && r.OK && !asked {
			t.Errorf("%s conforms, and gets: %s", c.Name, c.Want)
		}
		checkReadable(t, c.Name, r)
	}
}

func checkReadable(t testing.TB, name string, r *abitest.Report) {
	t.Helper()
	for _, c := range r.String() {
		if c != '\n' && !unicode.IsPrint(c) && c != unicode.ReplacementChar {
			t.Errorf("%s: the report has %U in it", name, c)
		}
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	var again abitest.Report
	if err := json.Unmarshal(text, &again); err != nil || again.OK != r.OK || len(again.Checks) != len(r.Checks) {
		t.Errorf("%s: the report does not survive JSON: %v", name, err)
	}
}

func TestNoModule(t *testing.T) {
	const magic = "\x00asm\x01\x00\x00\x00"
	for _, wasm := range []string{"", "text", magic, magic + "\x02\xff\xff\xff\xff\x0f"} {
		r := run(t, []byte(wasm), abitest.Options{})
		if c := r.Checks[0]; r.OK || c.Name != "load" || c.Status != abitest.Fail || c.Detail == "" {
			t.Errorf("%q: %+v", wasm, c)
		}
		for _, c := range r.Checks[1:] {
			if c.Status != abitest.Skip || c.Detail != "it was not loaded" {
				t.Errorf("%q: %+v", wasm, c)
			}
		}
	}
}

func TestContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, err := abitest.Run(ctx, "guest", guest{}.wasm(), abitest.Options{})
	if r != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("%v, %v", r, err)
	}
}

// FuzzRun checks anything.
func FuzzRun(f *testing.F) {
	f.Add(guest{}.wasm())
	f.Add([]byte("\x00asm\x01\x00\x00\x00\x07\x05\x01\x01m\x02\x00"))
	f.Fuzz(func(t *testing.T, wasm []byte) {
		checkReadable(t, "it", run(t, wasm, abitest.Options{Quick: true}))
	})
}
