package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/retort-udp/retort/native/cmd/retort/internal/load"
)

// asCommand in the environment makes the test binary the command itself.
const asCommand = "RETORT_TEST_COMPARE"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	os.Exit(m.Run())
}

// needGo skips the test where nothing can be built.
func needGo(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("there is no go command here")
	}
}

// logWriter writes to the test's log.
type logWriter struct{ t *testing.T }

func (w logWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSuffix(string(p), "\n"))
	return len(p), nil
}

// testBench is not pinned: that would bind this process for good.
func testBench(t *testing.T) *bench {
	t.Helper()
	b, err := newBench(t.Context(), t.TempDir(), logWriter{t})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Every server that can be had here builds, starts, and answers what it should, alone and under each load.
func TestServers(t *testing.T) {
	needGo(t)
	b := testBench(t)
	var all []recipe
	for _, list := range sets {
		more, err := list(b)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, more...)
	}
	roles := make(map[role]int)
	for _, r := range all {
		roles[r.is]++
		t.Run(r.name, func(t *testing.T) {
			command, err := r.build(t.Context(), b)
			if m, ok := errors.AsType[missing](err); ok {
				t.Skip(m)
			}
			if err != nil {
				t.Fatal(err)
			}
			s := server{r.name, command, r.is}
			if err := b.check(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			p, err := b.start(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			defer p.stop()
			for _, w := range workloads(regexpFlag{}) {
				l := w.load
				// So many fit into every buffer: nothing is lost, and on a busy machine nothing is taken for lost.
				l.Window, l.Sockets = min(l.Window, 128), min(l.Sockets, 128)
				l.Target, l.Count, l.Duration, l.Timeout = p.addr, 2000, load.MaxDuration, time.Minute
				m, err := p.load(t.Context(), l)
				if err != nil {
					t.Fatalf("%s: %v", w.name, err)
				}
				if m.Sent != 2000 || m.Answered != 2000 {
					t.Errorf("%s: %+v", w.name, m.Counts)
				}
			}
		})
	}
	for _, is := range []role{batches, plain, scripting, alone, watched} {
		if roles[is] != 1 {
			t.Errorf("%d servers have role %d", roles[is], is)
		}
	}
}

// command is the compare command as a process of its own, with a directory for its temporary files.
func command(t *testing.T, temp string, args ...string) *exec.Cmd {
	t.Helper()
	needGo(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), asCommand+"=1", "TMPDIR="+temp)
	return cmd
}

// wantEmpty checks that nothing is left behind.
func wantEmpty(t *testing.T, temp string) {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(temp, "retort-compare*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestComparison(t *testing.T) {
	temp := t.TempDir()
	raw := filepath.Join(temp, "raw.json")
	cmd := command(t, temp, "-rounds", "6", "-duration", "20ms", "-warmup", "5ms", "-json", raw,
		"-servers", "^Go, (net|a goroutine each)$", "-workloads", "^256 outstanding$")
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v:\n%s", err, &stderr)
	}
	for _, want := range []string{"6 rounds of 20ms", "| × plain Go |", "\n| Go, net | ", "\n| Go, a goroutine each | "} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, &stdout)
		}
	}
	text, err := os.ReadFile(raw)
	if n := strings.Count(string(text), "\n"); err != nil || n != 12 {
		t.Errorf("%d measurements were written, want 12: %v", n, err)
	}
	wantEmpty(t, temp)
}

func TestUsage(t *testing.T) {
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"-help"}, 0, "-rounds"},
		{[]string{"-rounds", "0"}, 2, "nothing to measure"},
		{[]string{"-servers", "("}, 2, "-servers"},
		{[]string{"more"}, 2, "nothing to do"},
		{[]string{"-by", "luck"}, 2, `by "luck"`},
		{[]string{"-set", "nobody's"}, 2, `"nobody's": there are operations and servers`},
		{[]string{"-nonsense"}, 2, "-nonsense"},
	} {
		var stdout, stderr strings.Builder
		code := run(t.Context(), tt.args, &stdout, &stderr)
		if code != tt.code || !strings.Contains(stderr.String(), tt.want) {
			t.Errorf("%q: exit %d, %q", tt.args, code, &stderr)
		}
	}
}

// hook is a writer that looks for a line.
type hook struct {
	mu   sync.Mutex
	text strings.Builder
	at   string
	then func()
}

func (h *hook) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.text.Write(p)
	if h.then != nil && strings.Contains(h.text.String(), h.at) {
		h.then()
		h.then = nil
	}
	return len(p), nil
}

// When it is told to end it does, with its servers and files.
func TestInterrupted(t *testing.T) {
	needGo(t)
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stderr := &hook{at: "round 2 of", then: cancel}
	args := []string{"-rounds", "1000000", "-duration", "1ms", "-warmup", "0", "-servers", "^Go, net$"}
	var stdout strings.Builder
	code := run(ctx, args, &stdout, stderr)
	if code != 1 || stdout.Len() > 0 || !strings.Contains(stderr.text.String(), "compare: context canceled") {
		t.Errorf("exit %d, output %q, and\n%s", code, &stdout, &stderr.text)
	}
	wantEmpty(t, temp)
}
