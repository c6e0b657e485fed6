package wasmhandler_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/wasmhandler"
	"github.com/retort-udp/retort/wasmhandler/internal/race"
	"github.com/retort-udp/retort/wasmhandler/internal/wasmgen"
)

// TestFaults goes through what ends a guest's call. Each costs its datagram; the next meets a fresh instance.
func TestFaults(t *testing.T) {
	engines(t, func(t *testing.T, c wasmhandler.Config) {
		c.Name = "clumsy"
		for _, test := range []struct {
			request string
			cause   wasmhandler.Cause
			text    string // of the fault, behind what they all have
			lines   uint64 // that it logged, and nobody heard
		}{
			{"u", wasmhandler.CauseUnreachable, `unreachable (in inner < reply)`, 0},
			{"o", wasmhandler.CauseBounds, `out of bounds memory access (in inner < reply)`, 0},
			{"t", wasmhandler.CauseBounds, `indirect call type mismatch (in inner < reply)`, 0},
			{"n", wasmhandler.CauseBounds, `invalid table access (in inner < reply)`, 0},
			{"z", wasmhandler.CauseArithmetic, `integer divide by zero (in inner < reply)`, 0},
			{"f", wasmhandler.CauseArithmetic, `invalid conversion to integer (in inner < reply)`, 0},
			{"x", wasmhandler.CauseExit, `it exited with code 3 (in wasi_snapshot_preview1.proc_exit < inner < reply)`, 0},
			{"l", wasmhandler.CauseBounds, `it logged 2 bytes at 0x7fffffff, outside its memory (in retort_v1.log < inner < reply)`, 0},
			{"p", wasmhandler.CauseUnreachable, `unreachable (in inner < reply): "thread panicked: at last"`, 2},
			{"w", wasmhandler.CauseUnreachable, `unreachable (in inner < reply): "a last word"`, 1},
		} {
			t.Run(test.request, func(t *testing.T) {
				m := load(t, "fault", c)
				h := forWorker(t, m)
				if got := ask(t, h, datagram("."))[0]; got != 1 {
					t.Fatalf("the first datagram is number %d", got)
				}
				if got := ask(t, h, datagram("."))[0]; got != 2 {
					t.Fatalf("the guest forgot the datagram before: %d", got)
				}
				f := fail(t, h, datagram(test.request))
				if want := `handler "clumsy": retort_v1_reply: ` + test.text; f.Error() != want {
					t.Errorf("the fault is\n\t%s, want\n\t%s", f, want)
				}
				if f.Cause != test.cause || f.Name != "clumsy" || f.Call != "retort_v1_reply" {
					t.Errorf("%+v, want the cause %v", f, test.cause)
				}
				if got := ask(t, h, datagram("."))[0]; got != 1 {
					t.Errorf("the datagram after the fault is number %d of its instance", got)
				}
				var want wasmhandler.Stats
				want.Faults[test.cause] = 1
				want.LogDropped = test.lines
				got := m.Stats()
				if got.Fuel == 0 || renewed(got) != 1 {
					t.Errorf("counted %+v", got)
				}
				got.Fuel, got.Resets, got.Restarts = 0, 0, 0
				if got != want {
					t.Errorf("counted %+v, want %+v", got, want)
				}
			})
		}
	})
}

// TestDepth recurses until the meter has enough, or the interpreter's own stack, which is the smaller one.
func TestDepth(t *testing.T) {
	engines(t, func(t *testing.T, c wasmhandler.Config) {
		m := load(t, "fault", c)
		h := forWorker(t, m)
		f := fail(t, h, datagram("d"))
		cause, detail := wasmhandler.CauseDepth, "its calls were nested too deep: more than 4096 of them, or 1048576 bytes "+
			"of frames (Config.Depth, Config.FrameBytes)"
		if c.Interpreter || !compilerHere() {
			cause, detail = wasmhandler.CauseStack, "stack overflow"
		}
		if f.Cause != cause || f.Detail != detail || f.Functions[0] != "deeper" {
			t.Errorf("%+v", f)
		}
		if got := ask(t, h, datagram("."))[0]; got != 1 {
			t.Errorf("the datagram after it is number %d", got)
		}

		c.Depth = 100
		f = fail(t, forWorker(t, load(t, "fault", c)), datagram("d"))
		if f.Cause != wasmhandler.CauseDepth || !strings.Contains(f.Detail, "more than 100 of them") {
			t.Errorf("with a smaller limit: %+v", f)
		}
	})
}

// TestIsolation checks that workers share no state, and that a fault of one is none of another.
func TestIsolation(t *testing.T) {
	m := load(t, "fault", wasmhandler.Config{})
	a, b := forWorker(t, m), forWorker(t, m)
	for want := byte(1); want <= 3; want++ {
		if got := ask(t, a, datagram("."))[0]; got != want {
			t.Errorf("the first worker's datagram %d is its number %d", want, got)
		}
	}
	if got := ask(t, b, datagram("."))[0]; got != 1 {
		t.Errorf("the second worker's first datagram is its number %d", got)
	}
	fail(t, a, datagram("u"))
	if got := ask(t, b, datagram("."))[0]; got != 2 {
		t.Errorf("the second worker's second datagram is its number %d", got)
	}
	if got := ask(t, m, datagram("."))[0]; got != 1 {
		t.Errorf("the module's own first datagram is its number %d", got)
	}
}

// TestCauses checks that each cause has a name of its own.
func TestCauses(t *testing.T) {
	var names []string
	for c := range len(wasmhandler.Stats{}.Faults) {
		names = append(names, wasmhandler.Cause(c).String())
	}
	want := []string{"fuel", "depth", "unreachable", "bounds", "arithmetic", "stack", "result", "window", "exit", "other"}
	if !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}
	if got := wasmhandler.Cause(200).String(); got != "cause 200" {
		t.Errorf("no cause: %q", got)
	}
}

// mortal returns a sample that starts with some seeds and not with others, and one of each. It is one that has to be
// started again after a fault.
func mortal(t *testing.T, name string) (m *wasmhandler.Module, good, bad uint64) {
	t.Helper()
	wasm := sample(t, name)
	for seed := uint64(1); good == 0 || bad == 0; seed++ {
		c := wasmhandler.WithoutImage(wasmhandler.Config{Seed: seed})
		try, err := wasmhandler.Compile(context.Background(), wasm, c)
		if err != nil {
			bad = seed
			continue
		}
		good = seed
		try.Close()
	}
	return compile(t, wasm, wasmhandler.WithoutImage(wasmhandler.Config{Seed: good})), good, bad
}

// TestBackoff checks what happens when an instance cannot be replaced: every datagram gets an error, attempts are
// made ever more rarely, by the datagrams' time, and the first that succeeds puts all right.
func TestBackoff(t *testing.T) {
	const failures = 5
	m, good, bad := mortal(t, "mortal")
	h := forWorker(t, m)
	d := datagram("")
	ask(t, h, d)
	fail(t, h, datagram("u"))
	wasmhandler.Reseed(m, bad)

	attempts := func() int { return int(m.Stats().Failures) }
	refused := func() {
		t.Helper()
		reply, err := h.Reply(room(1), d)
		var f *wasmhandler.Fault
		if reply != nil || !errors.Is(err, wasmhandler.ErrNoInstance) || !errors.As(err, &f) || f.Call != "_initialize" {
			t.Fatalf("%v, %v", reply, err)
		}
	}
	pause := 100 * time.Millisecond
	for attempt := 1; attempt <= failures; attempt++ {
		refused()
		if n := attempts(); n != attempt {
			t.Fatalf("attempt %d is counted as %d", attempt, n)
		}
		d.Time = d.Time.Add(pause - 1)
		refused()
		if n := attempts(); n != attempt {
			t.Fatalf("after %v there was another attempt", pause-1)
		}
		if !race.Enabled {
			if n := testing.AllocsPerRun(100, func() { h.Reply(room(0), d) }); n != 0 {
				t.Errorf("%v allocations for a datagram that nobody answers", n)
			}
		}
		d.Time = d.Time.Add(1)
		pause *= 2
	}
	wasmhandler.Reseed(m, good)
	ask(t, h, d)
	if s := m.Stats(); s.Restarts != 1 || s.Failures != failures {
		t.Errorf("%+v", s)
	}
}

// TestBackoffClock sets the clock back while an instance is missing: that does not make the wait longer.
func TestBackoffClock(t *testing.T) {
	m, _, bad := mortal(t, "mortal")
	h := forWorker(t, m)
	fail(t, h, datagram("u"))
	wasmhandler.Reseed(m, bad)
	d := datagram("")
	for attempt := uint64(1); attempt <= 2; attempt++ {
		if _, err := h.Reply(room(1), d); !errors.Is(err, wasmhandler.ErrNoInstance) {
			t.Fatal(err)
		}
		if n := m.Stats().Failures; n != attempt {
			t.Errorf("%d attempts, want %d", n, attempt)
		}
		d.Time = d.Time.Add(-time.Hour)
	}
}

// TestFaultLog checks that a fault that is the error of Reply is left to who called it, and that one that is nobody's
// error is logged, once a second.
func TestFaultLog(t *testing.T) {
	var log logged
	c := wasmhandler.Config{Name: "clumsy", Log: log.logger(slog.LevelInfo)}
	fail(t, forWorker(t, load(t, "fault", c)), datagram("u"))
	if got := log.lines(); got != nil {
		t.Errorf("%q", got)
	}
	m := load(t, "optional", c)
	a, b := forWorker(t, m), forWorker(t, m)
	d := datagram("u")
	d.Time = time.Unix(1000, 0)
	classify := func(h core.Handler) {
		t.Helper()
		if !h.(core.Classifier).IsResponse(d) {
			t.Error("what traps is not taken for a response")
		}
	}
	line := func(suppressed string) string {
		return `level=WARN msg="handler fault" handler=clumsy cause=unreachable ` +
			`fault="handler \"clumsy\": retort_v1_is_response: unreachable (in $1)"` + suppressed
	}
	expect := func(want ...string) {
		t.Helper()
		if got := log.lines(); !slices.Equal(got, want) {
			t.Errorf("logged\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
		}
	}
	classify(a)
	expect(line(""))
	classify(a)
	classify(b)
	d.Time = d.Time.Add(time.Second - 1)
	classify(b)
	expect()
	d.Time = d.Time.Add(1)
	classify(a)
	expect(line(" suppressed=3"))
	classify(b)
	d.Time = time.Unix(500, 0) // the clock was set back
	classify(b)
	expect(line(" suppressed=1"))
	if n := m.Stats().Faults[wasmhandler.CauseUnreachable]; n != 7 {
		t.Errorf("%d faults were counted, not 7", n)
	}
}

// TestHostileNames puts what could forge a line into the names that faults show.
func TestHostileNames(t *testing.T) {
	m := new(wasmgen.Module)
	trap := m.ExportFunction("_initialize", "", "", wasmgen.Code{}.Op(wasmgen.Unreachable))
	name := wasmgen.Name("f(i32)\nlevel=ERROR\u202e\x1b[2J wasm stack trace:\n\tg(")
	m.NameFunctions(1, append(wasmgen.Uint(uint64(trap)), name...))

	_, err := wasmhandler.Compile(t.Context(), m.Handler(-1), wasmhandler.Config{})
	var f *wasmhandler.Fault
	if !errors.As(err, &f) || f.Cause != wasmhandler.CauseUnreachable {
		t.Fatal(err)
	}
	for _, r := range fmt.Sprint(err, f.Functions) {
		if r < ' ' || r == 0x202e {
			t.Fatalf("%q", err)
		}
	}
}
