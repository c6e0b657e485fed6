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

	"github.com/retort-udp/retort/wasmhandler"
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
				want.Restarts = 1
				want.LogDropped = test.lines
				if got := m.Stats(); got != want {
					t.Errorf("counted %+v, want %+v", got, want)
				}
			})
		}
	})
}

// TestDepth recurses until the engine has enough. Its stack is large, so this is a test of its own.
func TestDepth(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("it takes 400 MiB of stack")
	}
	engines(t, func(t *testing.T, c wasmhandler.Config) {
		m := load(t, "fault", c)
		h := forWorker(t, m)
		f := fail(t, h, datagram("d"))
		if f.Cause != wasmhandler.CauseDepth || f.Detail != "stack overflow" {
			t.Errorf("%+v", f)
		}
		if got := ask(t, h, datagram("."))[0]; got != 1 {
			t.Errorf("the datagram after it is number %d", got)
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
	want := []string{"unreachable", "bounds", "arithmetic", "depth", "result", "window", "exit", "other"}
	if !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}
	if got := wasmhandler.Cause(200).String(); got != "cause 200" {
		t.Errorf("no cause: %q", got)
	}
}

// mortal returns a handler of testdata/mortal.wat and how many attempts to start it again will fail. Whether one
// does depends on random numbers, so it tries seeds until they fail often enough to see the attempts spread.
func mortal(t *testing.T, c wasmhandler.Config) (m *wasmhandler.Module, failures int) {
	t.Helper()
	wasm := sample(t, "mortal")
	for seed := uint64(1); seed < 10_000; seed++ {
		c.Seed = seed
		try, err := wasmhandler.Compile(context.Background(), wasm, c)
		if err != nil {
			continue
		}
		h, err := try.ForWorker()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Reply(room(1), datagram("u")); err == nil {
			t.Fatal("no fault")
		}
		failures := 0
		d := datagram("")
		for ; failures < 6; failures++ {
			d.Time = d.Time.Add(time.Hour)
			if _, err := h.Reply(room(1), d); err == nil {
				break
			}
		}
		closeHandler(t, h)
		try.Close()
		if failures >= 4 && failures < 6 {
			return compile(t, wasm, c), failures
		}
	}
	t.Fatal("no seed will do")
	return nil, 0
}

// TestBackoff checks what happens when an instance cannot be replaced: every datagram gets an error, attempts are
// made ever more rarely, by the datagrams' time, and the first that succeeds puts all right.
func TestBackoff(t *testing.T) {
	m, failures := mortal(t, wasmhandler.Config{})
	h := forWorker(t, m)
	d := datagram("")
	ask(t, h, d)
	fail(t, h, datagram("u"))

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
		if !raceEnabled {
			if n := testing.AllocsPerRun(100, func() { h.Reply(room(0), d) }); n != 0 {
				t.Errorf("%v allocations for a datagram that nobody answers", n)
			}
		}
		d.Time = d.Time.Add(1)
		pause *= 2
	}
	ask(t, h, d)
	if s := m.Stats(); s.Restarts != 1 || s.Failures != uint64(failures) {
		t.Errorf("%+v", s)
	}
}

// TestBackoffClock sets the clock back while an instance is missing: that does not make the wait longer.
func TestBackoffClock(t *testing.T) {
	m, _ := mortal(t, wasmhandler.Config{})
	h := forWorker(t, m)
	fail(t, h, datagram("u"))
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

// TestFaultLog checks that faults are logged, once a second.
func TestFaultLog(t *testing.T) {
	var log logged
	m := load(t, "fault", wasmhandler.Config{Name: "clumsy", Log: log.logger(slog.LevelInfo)})
	a, b := forWorker(t, m), forWorker(t, m)
	d := datagram("u")
	d.Time = time.Unix(1000, 0)
	line := func(suppressed string) string {
		return `level=WARN msg="handler fault" handler=clumsy cause=unreachable ` +
			`fault="handler \"clumsy\": retort_v1_reply: unreachable (in inner < reply)"` + suppressed
	}
	expect := func(want ...string) {
		t.Helper()
		if got := log.lines(); !slices.Equal(got, want) {
			t.Errorf("logged\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
		}
	}
	fail(t, a, d)
	expect(line(""))
	fail(t, a, d)
	fail(t, b, d)
	d.Time = d.Time.Add(time.Second - 1)
	fail(t, b, d)
	expect()
	d.Time = d.Time.Add(1)
	fail(t, a, d)
	expect(line(" suppressed=3"))
	fail(t, b, d)
	d.Time = time.Unix(500, 0) // the clock was set back
	fail(t, b, d)
	expect(line(" suppressed=1"))
	if n := m.Stats().Faults[wasmhandler.CauseUnreachable]; n != 7 {
		t.Errorf("%d faults were counted, not 7", n)
	}
}

// TestHostileNames puts what could forge a line into the names that faults show.
func TestHostileNames(t *testing.T) {
	b := newBuilder()
	b.exportFunction("_initialize", "", "", 0x00) // unreachable
	wasm := b.handler(65536)
	names := []byte{0} // the index of _initialize
	names = append(names, name("f(i32)\nlevel=ERROR\u202e\x1b[2J wasm stack trace:\n\tg(")...)
	names = append(leb(1), names...)
	section := append(name("name"), 1) // function names
	section = append(section, leb(uint32(len(names)))...)
	section = append(section, names...)
	wasm = append(wasm, 0)
	wasm = append(wasm, leb(uint32(len(section)))...)
	wasm = append(wasm, section...)

	_, err := wasmhandler.Compile(t.Context(), wasm, wasmhandler.Config{})
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
