package wasmhandler_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/wasmhandler"
	"github.com/retort-udp/retort/wasmhandler/internal/race"
)

// inPlace tells whether this system can reset an instance in place.
const inPlace = runtime.GOOS == "linux"

// resets runs a test with instances that are reset in place, where that can be, and with instances made anew.
func resets(t *testing.T, test func(t *testing.T, c wasmhandler.Config)) {
	t.Run("in place", func(t *testing.T) {
		if !inPlace {
			t.Skip("this system has no private mapping of a memory file")
		}
		test(t, wasmhandler.Config{Seed: 1})
	})
	t.Run("discarding", func(t *testing.T) {
		if !inPlace {
			t.Skip("this system has no private mapping of a memory file")
		}
		test(t, wasmhandler.WithoutPagemap(wasmhandler.Config{Seed: 1}))
	})
	t.Run("anew", func(t *testing.T) { test(t, wasmhandler.WithoutImage(wasmhandler.Config{Seed: 1})) })
}

// state copies what a worker's guest holds.
func state(h core.Handler) (memory []byte, globals []uint64) {
	memory, globals = wasmhandler.State(h)
	return bytes.Clone(memory), globals
}

const canary = "CANARY-4F8E21D07A5B93C6"

// traces lists where in a guest there is any of the canary, in memory and in globals: 4 bytes in a row are a trace.
func traces(memory []byte, globals []uint64) (found []string) {
	for i := range len(canary) - 3 {
		if piece := canary[i : i+4]; bytes.Contains(memory, []byte(piece)) {
			found = append(found, piece)
		}
	}
	for _, g := range globals {
		value := binary.LittleEndian.AppendUint64(nil, g)
		for i := range len(canary) - 3 {
			if bytes.Contains(value, []byte(canary[i:i+4])) {
				found = append(found, "global "+canary[i:i+4])
			}
		}
	}
	return found
}

// TestCanary has one client send a mark that the guest keeps wherever it can, and looks for it in all that the guest
// holds, and in what the next client gets.
func TestCanary(t *testing.T) {
	wat := func(t *testing.T) []byte { return sample(t, "keeper") }
	gopher := func(t *testing.T) []byte { return goGuest(t, "goguest", "-buildmode=c-shared") }
	resets(t, func(t *testing.T, c wasmhandler.Config) {
		c.CacheDir, c.FaultAllowance = cacheDir, -1
		for _, guest := range []struct {
			name             string
			build            func(*testing.T) []byte
			keep, show, trap string // requests; how to trap after keeping
		}{
			{"wat", wat, "k", "show", "K"},
			{"go", gopher, "k", "v", "p"},
		} {
			t.Run(guest.name, func(t *testing.T) {
				wasm := guest.build(t)
				c.Isolate = wasmhandler.IsolateNone
				h := forWorker(t, compile(t, wasm, c))
				ask(t, h, datagram(guest.keep+canary))
				if memory, globals := wasmhandler.State(h); len(traces(memory, globals)) == 0 {
					t.Fatal("without isolation the guest keeps nothing: this test cannot fail")
				}
				if kept := ask(t, h, datagram(guest.show)); len(traces(kept, nil)) == 0 {
					t.Fatal("without isolation the guest shows nothing: this test cannot fail")
				}
				fail(t, h, datagram(guest.trap+canary))
				checkPristine(t, h, guest.show)

				c.Isolate = wasmhandler.IsolateDatagram
				m := compile(t, wasm, c)
				h = forWorker(t, m)
				before, globals := state(h)
				first := ask(t, h, datagram(guest.show))
				for range 3 {
					ask(t, h, datagram(guest.keep+canary))
					if !wasmhandler.Broken(h) { // it was reset
						after, now := wasmhandler.State(h)
						if !bytes.Equal(before, after) || !slices.Equal(globals, now) {
							t.Error("the guest is not as it was before its first datagram")
						}
						if found := traces(after, now); found != nil {
							t.Errorf("it holds %q", found)
						}
					}
					if got := ask(t, h, datagram(guest.show)); !bytes.Equal(got, first) {
						t.Errorf("the next client is shown %q, and the first was %q", got, first)
					}
					fail(t, h, datagram(guest.trap+canary))
				}
				checkPristine(t, h, guest.show)

				fresh, values := state(forWorker(t, m))
				if !bytes.Equal(fresh, before) || !slices.Equal(values, globals) {
					t.Error("another worker begins in another state than the first")
				}
				s := m.Stats()
				if inPlaceNow := !strings.Contains(t.Name(), "anew"); (s.Resets > 0) != inPlaceNow || (s.Restarts > 0) == inPlaceNow {
					t.Errorf("%+v", s)
				}
			})
		}
	})
}

// checkPristine asks for what a guest holds that has just had a fault: nothing of what was before.
func checkPristine(t *testing.T, h core.Handler, show string) {
	t.Helper()
	shown := ask(t, h, datagram(show))
	memory, globals := wasmhandler.State(h)
	if found := slices.Concat(traces(shown, nil), traces(memory, globals)); found != nil {
		t.Errorf("after a fault there is %q", found)
	}
}

// TestCanaryInGrownMemory keeps the mark where there was no memory before.
func TestCanaryInGrownMemory(t *testing.T) {
	resets(t, func(t *testing.T, c wasmhandler.Config) {
		c.Isolate = wasmhandler.IsolateDatagram
		m := load(t, "keeper", c)
		h := forWorker(t, m)
		first := ask(t, h, datagram("show"))
		for range 10 { // twice what the memory may grow by
			if reply, err := h.Reply(room(1), datagram("g"+canary)); reply != nil || err != nil {
				t.Fatal(reply, err)
			}
			if got := ask(t, h, datagram("show")); !bytes.Equal(got, first) {
				t.Errorf("%q, and the first time %q", got, first)
			}
			if memory, globals := wasmhandler.State(h); traces(memory, globals) != nil {
				t.Error("it is still there")
			}
		}
		if s := m.Stats(); s.Restarts < 10 {
			t.Errorf("memory that grew was reset in place: %+v", s)
		}
	})
}

// TestCanaryInManyPages has each datagram write to more or fewer pages, up to all of them: the ways to reset differ.
func TestCanaryInManyPages(t *testing.T) {
	resets(t, func(t *testing.T, c wasmhandler.Config) {
		c.Isolate = wasmhandler.IsolateDatagram
		h := forWorker(t, load(t, "scatter", c))
		before, globals := state(h)
		d := datagram("........" + canary)
		for _, pages := range []uint32{0, 1, 58, 59, 60, 61, 62, 63, 64, 65, 120, 124, 125, 126, 127, 128, 129, 500, 4000} {
			for _, apart := range []uint32{4096, 8192, 16384} {
				binary.LittleEndian.PutUint32(d.Data, pages)
				binary.LittleEndian.PutUint32(d.Data[4:], apart)
				if got := ask(t, h, d); len(got) != 1 || got[0] != 0 {
					t.Errorf("%d pages, %d bytes apart: the guest found %q there", pages, apart, got)
				}
				if wasmhandler.Broken(h) {
					continue
				}
				after, now := wasmhandler.State(h)
				if !bytes.Equal(before, after) || !slices.Equal(globals, now) {
					t.Fatalf("%d pages, %d bytes apart: %q is left", pages, apart, traces(after, now))
				}
			}
		}
	})
}

// TestChanges has guests change what is neither memory nor a global that a host can set: with isolation, each datagram
// finds it as the first did; without, the next finds it changed, which shows that the guest does change it.
func TestChanges(t *testing.T) {
	resets(t, func(t *testing.T, c wasmhandler.Config) {
		for _, name := range []string{
			"changes-memory", "changes-table", "changes-table-size", "changes-data", "changes-elements",
			"changes-vector", "changes-reference",
		} {
			t.Run(name, func(t *testing.T) {
				c.Isolate = wasmhandler.IsolateNone
				h := forWorker(t, load(t, name, c))
				if got := ask(t, h, datagram(""))[0]; got != 1 {
					t.Fatalf("the first datagram gets %d", got)
				}
				if reply, err := h.Reply(room(1), datagram("")); err == nil && reply[0] == 1 {
					t.Fatal("without isolation the guest changes nothing: this test cannot fail")
				}

				c.Isolate = wasmhandler.IsolateDatagram
				m := load(t, name, c)
				for _, h := range []core.Handler{forWorker(t, m), forWorker(t, m)} {
					for n := range 5 {
						if got := ask(t, h, datagram(""))[0]; got != 1 {
							t.Errorf("datagram %d gets %d", n, got)
						}
					}
				}
				if s := m.Stats(); s.Resets != 0 || s.Restarts != 8 {
					t.Errorf("it was reset in place: %+v", s)
				}
			})
		}
	})
}

// TestIsolatedCalls checks that isolation covers the calls that answer nobody.
func TestIsolatedCalls(t *testing.T) {
	resets(t, func(t *testing.T, c wasmhandler.Config) {
		c.Isolate = wasmhandler.IsolateDatagram
		h := forWorker(t, load(t, "optional", c))
		for range 3 {
			h.(core.Idler).Idle()
			h.(core.Classifier).IsResponse(datagram("question"))
			if got := ask(t, h, datagram("q")); !bytes.Equal(got, []byte{0, 0, 0}) {
				t.Errorf("the guest remembers % x", got)
			}
		}
	})
}

// TestStartFunction has a start function, which every new instance runs: they are in the same state all the same.
func TestStartFunction(t *testing.T) {
	resets(t, func(t *testing.T, c wasmhandler.Config) {
		c.Isolate = wasmhandler.IsolateDatagram
		m := load(t, "start", c)
		if err := m.Configure([]byte("configuration")); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			h := forWorker(t, m)
			for range 3 {
				if got := string(ask(t, h, datagram(""))); got != "siwc" {
					t.Errorf("%q", got)
				}
			}
		}
	})
}

// TestConfiguredImage checks that every instance begins with the configuration, and the second with the second.
func TestConfiguredImage(t *testing.T) {
	resets(t, func(t *testing.T, c wasmhandler.Config) {
		c.Isolate = wasmhandler.IsolateDatagram
		m := load(t, "config", c)
		var want []byte
		for _, settings := range []string{"one", "the other"} {
			if err := m.Configure([]byte(settings)); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			h := forWorker(t, m)
			for range 2 {
				got := ask(t, h, datagram("?"))
				if want == nil {
					want = got
				}
				if !bytes.Equal(got, want) || !bytes.Contains(got, []byte("the other")) {
					t.Errorf("%q", got)
				}
			}
		}
	})
}

// TestIsolatedNoAllocation is the rule of the reply path, with a reset on it.
func TestIsolatedNoAllocation(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	if !inPlace || !compilerHere() {
		t.Skip("on this system a reset makes another instance, or the engine allocates")
	}
	h := forWorker(t, load(t, "keeper", wasmhandler.Config{Isolate: wasmhandler.IsolateDatagram}))
	dst, d := room(core.MaxPayload6), datagram("show")
	if n := testing.AllocsPerRun(100, func() { h.Reply(dst, d) }); n != 0 {
		t.Errorf("%v allocations for a datagram with a reset behind it", n)
	}
}

func TestIsolationText(t *testing.T) {
	for _, i := range []wasmhandler.Isolation{wasmhandler.IsolateNone, wasmhandler.IsolateDatagram} {
		text, err := json.Marshal(i)
		if err != nil {
			t.Fatal(err)
		}
		var back wasmhandler.Isolation
		if err := json.Unmarshal(text, &back); err != nil || back != i || string(text) != `"`+i.String()+`"` {
			t.Errorf("%v is %s, which is %v, %v", i, text, back, err)
		}
	}
	var i wasmhandler.Isolation
	if err := i.UnmarshalText([]byte("process")); err == nil {
		t.Error("there is an isolation of processes")
	}
	if _, err := wasmhandler.Isolation(7).MarshalText(); err == nil {
		t.Error("there is an isolation 7")
	}
}
