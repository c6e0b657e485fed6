package wasmhandler_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/wasmhandler"
	"github.com/retort-udp/retort/wasmhandler/internal/wasmgen"
)

// TestModuleReply has many goroutines ask the Module itself: they share one instance, in turn.
func TestModuleReply(t *testing.T) {
	m := load(t, "fault", wasmhandler.Config{})
	const callers, each = 8, 30 // fewer than a byte counts
	var seen [callers*each + 1]atomic.Bool
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range each {
				reply, err := m.Reply(room(1), datagram("."))
				if err != nil || seen[reply[0]].Swap(true) {
					t.Error(reply, err)
				}
			}
		})
	}
	wg.Wait()
}

// TestWorkers runs several workers that are made, fail and are closed at once. Each must see its own instance.
func TestWorkers(t *testing.T) {
	engines(t, func(t *testing.T, c wasmhandler.Config) {
		c.FaultAllowance = -1 // all are of one source
		m := load(t, "fault", c)
		const workers, rounds = 6, 40
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				h, err := m.ForWorker()
				if err != nil {
					t.Error(err)
					return
				}
				defer closeHandler(t, h)
				for range rounds {
					for want := byte(1); want <= 5; want++ {
						if reply, err := h.Reply(room(1), datagram(".")); err != nil || len(reply) != 1 || reply[0] != want {
							t.Errorf("%v, %v, want %d", reply, err, want)
							return
						}
					}
					var f *wasmhandler.Fault
					if _, err := h.Reply(room(1), datagram("u")); !errors.As(err, &f) {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		s := m.Stats()
		if s.Faults[wasmhandler.CauseUnreachable] != workers*rounds || renewed(s) != workers*(rounds-1) {
			t.Errorf("%+v", s)
		}
	})
}

// TestClose closes a Module before its workers, and in the other order.
func TestClose(t *testing.T) {
	engines(t, func(t *testing.T, c wasmhandler.Config) {
		c.Name = "short-lived"
		m := load(t, "fault", c)
		a, err := m.ForWorker()
		if err != nil {
			t.Fatal(err)
		}
		b := forWorker(t, m)
		ask(t, m, datagram("."))
		closed := func(what string, err error) {
			t.Helper()
			if !errors.Is(err, wasmhandler.ErrClosed) || !strings.Contains(err.Error(), "short-lived") {
				t.Errorf("%s: %v", what, err)
			}
		}
		for range 2 {
			if err := m.Close(); err != nil {
				t.Fatal(err)
			}
		}
		_, err = m.ForWorker()
		closed("ForWorker", err)
		_, err = m.Reply(room(1), datagram("."))
		closed("Reply", err)

		// The workers go on, through a fault as well, until they are closed.
		for _, h := range []core.Handler{a, b} {
			ask(t, h, datagram("."))
			fail(t, h, datagram("u"))
			if got := ask(t, h, datagram("."))[0]; got != 1 {
				t.Errorf("datagram %d", got)
			}
		}
		closeHandler(t, a)
		closeHandler(t, a)
		_, err = a.Reply(room(1), datagram("."))
		closed("Reply of a closed worker", err)
		if got := ask(t, b, datagram("."))[0]; got != 2 {
			t.Errorf("the other worker's datagram is number %d", got)
		}
		closeHandler(t, b)
		_, err = b.Reply(room(1), datagram("."))
		closed("Reply of the last worker", err)
	})
	t.Run("unused", func(t *testing.T) {
		m := load(t, "config", wasmhandler.Config{})
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		if err := m.Configure(nil); !errors.Is(err, wasmhandler.ErrClosed) {
			t.Error(err)
		}
		if _, err := m.Reply(room(1), datagram("")); !errors.Is(err, wasmhandler.ErrClosed) {
			t.Error(err)
		}
	})
	t.Run("command", func(t *testing.T) {
		m := load(t, "command", wasmhandler.Config{})
		h := forWorker(t, m)
		m.Close()
		ask(t, h, datagram("r"))
		ask(t, h, datagram("r"))
		closeHandler(t, h)
		if _, err := h.Reply(room(1), datagram("r")); !errors.Is(err, wasmhandler.ErrClosed) {
			t.Error(err)
		}
	})
	t.Run("optional", func(t *testing.T) {
		m := load(t, "optional", wasmhandler.Config{})
		h := forWorker(t, m)
		closeHandler(t, h)
		h.(core.Idler).Idle()
		if !h.(core.Classifier).IsResponse(datagram("question")) {
			t.Error("a closed worker takes questions")
		}
	})
}

// TestSwap replaces the module while workers answer, and closes the one before at once, while they still use it.
func TestSwap(t *testing.T) {
	var swap core.Swap
	var before *wasmhandler.Module
	samples := []string{"echo", "length"}
	set := func(name string) {
		m, err := wasmhandler.Compile(t.Context(), sample(t, name), wasmhandler.Config{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		if err := swap.Set(m); err != nil {
			t.Fatal(err)
		}
		if before != nil {
			if err := before.Close(); err != nil {
				t.Fatal(err)
			}
		}
		before = m
	}
	set(samples[0])

	var stop atomic.Bool
	var answered [2]atomic.Uint64
	var wg sync.WaitGroup
	for range 4 {
		h, err := swap.ForWorker()
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			defer closeHandler(t, h)
			dst := room(100)
			for !stop.Load() {
				switch reply, err := h.Reply(dst, datagram("hello")); {
				case err != nil:
					t.Error(err)
					return
				case string(reply) == "hello":
					answered[0].Add(1)
				case string(reply) == "Your data was 5 bytes long":
					answered[1].Add(1)
				default:
					t.Errorf("%q", reply)
					return
				}
			}
		})
	}
	for n := range 40 {
		count := &answered[(n+1)%2]
		start := count.Load()
		set(samples[(n+1)%2])
		for count.Load() == start && !t.Failed() { // until a worker has taken it
		}
	}
	stop.Store(true)
	wg.Wait()
	if err := before.Close(); err != nil {
		t.Error(err)
	}
}

// mapped is how much address space this process has taken, in kB.
func mapped(t *testing.T) (kB int) {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("this system does not tell how much is mapped: ", err)
	}
	_, after, _ := strings.Cut(string(status), "VmSize:")
	if _, err := fmt.Sscan(after, &kB); err != nil {
		t.Skip("this system does not tell how much is mapped: ", err)
	}
	return kB
}

// TestRelease makes and drops more instances than would fit if their memories stayed.
func TestRelease(t *testing.T) {
	const instances = 64 // 4 GiB
	start := mapped(t)
	used := func(what string) {
		t.Helper()
		if grown := mapped(t) - start; grown > 1<<20 {
			t.Errorf("%s: %d kB more are mapped than before", what, grown)
		}
	}
	for range instances {
		if _, err := wasmhandler.Compile(t.Context(), sample(t, "broken/window-refused"), wasmhandler.Config{}); err == nil {
			t.Fatal("it was compiled")
		}
		if _, err := wasmhandler.Compile(t.Context(), sample(t, "broken/start-trap"), wasmhandler.Config{}); err == nil {
			t.Fatal("it was compiled")
		}
	}
	used("refused modules")
	for range instances {
		m, err := wasmhandler.Compile(t.Context(), sample(t, "config"), wasmhandler.Config{})
		if err != nil {
			t.Fatal(err)
		}
		m.Configure(nil)
		m.Configure([]byte("!"))
		m.Close()
	}
	used("closed modules")
	m := load(t, "fault", wasmhandler.WithoutImage(wasmhandler.Config{FaultAllowance: -1}))
	h := forWorker(t, m)
	for range instances {
		fail(t, h, datagram("u"))
	}
	used("replaced instances")
	for range instances {
		h, err := m.ForWorker()
		if err != nil {
			t.Fatal(err)
		}
		closeHandler(t, h)
	}
	used("closed workers")
	h = forWorker(t, load(t, "command", wasmhandler.Config{}))
	for range instances {
		ask(t, h, datagram("r"))
	}
	used("commands that ran")
}

// TestMemoryLimit loads a module that declares more than its limit as its most: it gets the limit.
func TestMemoryLimit(t *testing.T) {
	three := new(wasmgen.Module)
	three.Memory(3)
	wasm := three.HandlerAt(1024, -1)
	m := compile(t, wasm, wasmhandler.Config{Memory: 3 * 65536})
	ask(t, m, datagram(""))
	_, err := wasmhandler.Compile(t.Context(), wasm, wasmhandler.Config{Memory: 2 * 65536})
	if err == nil || err.Error() != `handler "wasm": it needs 196608 bytes of memory to begin with, more than the limit of 131072 (Config.Memory)` {
		t.Error(err)
	}
}
