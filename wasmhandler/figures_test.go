package wasmhandler_test

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/wasmhandler"
	"github.com/retort-udp/retort/wasmhandler/internal/wasmgen"

	"github.com/tetratelabs/wazero"
)

var figures = flag.Bool("figures", false, "print what calls, resets and loads take: go test -run TestFigures -v -figures")

// TestFigures prints what the host side of a guest takes. Machines are never quiet, so that what is compared is
// measured in turns, some hundred of each, and the medians are what counts. It asserts no time.
func TestFigures(t *testing.T) {
	if !*figures {
		t.Skip("it measures, and tests nothing: -figures")
	}
	t.Run("meter", figureMeter)
	t.Run("call", figureCall)
	t.Run("isolation", figureIsolation)
	t.Run("trap", figureTrap)
	t.Run("load", figureLoad)
	t.Run("pause", figurePause)
}

// question is what guests are asked whose replies are measured.
var question = datagram("The time is 2026-11-22 13:40:00.")

// inTurns runs each of some functions n times in a row, again and again, and returns the median of what one run
// took of each, and of how many times as long as the first each took in the same turn.
func inTurns(turns, n int, what ...func()) (times []time.Duration, ratios []float64) {
	took := make([][]time.Duration, len(what))
	ratio := make([][]float64, len(what))
	for range turns {
		for i, f := range what {
			start := time.Now()
			for range n {
				f()
			}
			took[i] = append(took[i], time.Since(start))
			ratio[i] = append(ratio[i], float64(took[i][len(took[i])-1])/float64(took[0][len(took[0])-1]))
		}
	}
	for i := range what {
		slices.Sort(took[i])
		slices.Sort(ratio[i])
		times = append(times, took[i][turns/2]/time.Duration(n))
		ratios = append(ratios, ratio[i][turns/2])
	}
	return times, ratios
}

// gallery reads a sample guest that is committed beside its source.
func gallery(t testing.TB, name string) []byte {
	t.Helper()
	return read(t, filepath.Join("..", "testdata", "handlers", filepath.FromSlash(name)))
}

// emptyCall is wazero's CallWithStack of a function that does nothing.
func emptyCall(t *testing.T) func() {
	m := new(wasmgen.Module)
	m.ExportFunction("nothing", "", "", nil)
	runtime := wazero.NewRuntime(t.Context())
	t.Cleanup(func() { runtime.Close(context.Background()) })
	guest, err := runtime.Instantiate(t.Context(), m.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	f, ctx, stack := guest.ExportedFunction("nothing"), context.Background(), make([]uint64, 1)
	return func() {
		if err := f.CallWithStack(ctx, stack); err != nil {
			t.Fatal(err)
		}
	}
}

// replying is a call of Reply.
func replying(t *testing.T, h core.Handler, d *core.Datagram) func() {
	dst := room(core.MaxPayload6)
	return func() {
		if _, err := h.Reply(dst, d); err != nil {
			t.Fatal(err)
		}
	}
}

func figureCall(t *testing.T) {
	guest := replying(t, forWorker(t, compile(t, gallery(t, "length-c/length.wasm"), wasmhandler.Config{})), question)
	times, ratios := inTurns(501, 2000, emptyCall(t), guest, replying(t, core.HandlerFunc(nativeLength), question))
	t.Logf("an empty CallWithStack                    %8v", times[0])
	t.Logf("the C guest's whole call                  %8v  %.2f empty ones, goal 3.5; %v allocations",
		times[1], ratios[1], testing.AllocsPerRun(1000, guest))
	t.Logf("the same in Go, without a sandbox         %8v", times[2])
}

func figureIsolation(t *testing.T) {
	for _, guest := range []struct {
		name string
		wasm []byte
	}{{"C", gallery(t, "length-c/length.wasm")}, {"Go", goGuest(t, "goguest", "-buildmode=c-shared")}} {
		none := wasmhandler.Config{CacheDir: cacheDir, Fuel: goFuel}
		datagram, anew := none, wasmhandler.WithoutImage(none)
		datagram.Isolate, anew.Isolate = wasmhandler.IsolateDatagram, wasmhandler.IsolateDatagram
		var calls []func()
		for _, c := range []wasmhandler.Config{none, datagram, anew} {
			calls = append(calls, replying(t, forWorker(t, compile(t, guest.wasm, c)), question))
		}
		times, _ := inTurns(101, 5, calls...)
		t.Logf("a reply of the %-2s guest, without isolation %8v", guest.name, times[0])
		t.Logf("  with a reset in place behind it         %8v", times[1])
		t.Logf("  with a new instance before it           %8v", times[2])
	}
}

func figureTrap(t *testing.T) {
	for _, guest := range []struct {
		name, trap, good string
		wasm             []byte
		goal             time.Duration
	}{
		{"C", "u", ".", sample(t, "fault"), 25 * time.Microsecond}, // as small as a C guest
		{"Go", "x", "hello", goGuest(t, "goguest", "-buildmode=c-shared"), 60 * time.Microsecond},
	} {
		inPlace := wasmhandler.Config{CacheDir: cacheDir, FaultAllowance: -1}
		var calls []func()
		for _, c := range []wasmhandler.Config{inPlace, wasmhandler.WithoutImage(inPlace)} {
			h := forWorker(t, compile(t, guest.wasm, c))
			bad, good, dst := datagram(guest.trap), datagram(guest.good), room(core.MaxPayload6)
			calls = append(calls, func() {
				if _, err := h.Reply(dst, bad); err == nil {
					t.Fatal("no fault")
				}
				if _, err := h.Reply(dst, good); err != nil {
					t.Fatal(err)
				}
			})
		}
		times, _ := inTurns(201, 5, calls...)
		t.Logf("trap, reset, next reply, %-2s guest          %8v  goal %v", guest.name, times[0], guest.goal)
		t.Logf("  with a new instance instead             %8v", times[1])
	}
}

func figureLoad(t *testing.T) {
	dir, err := os.MkdirTemp("", "wasmhandler-figures-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for _, guest := range []struct {
		name string
		wasm []byte
	}{{"C", gallery(t, "length-c/length.wasm")}, {"Go", goGuest(t, "goguest", "-buildmode=c-shared")}} {
		loading := func(c wasmhandler.Config) func() {
			return func() {
				m, err := wasmhandler.Compile(t.Context(), guest.wasm, c)
				if err != nil {
					t.Fatal(err)
				}
				m.Close()
			}
		}
		cached := wasmhandler.Config{CacheDir: dir}
		loading(cached)() // so that it is
		turns := 101
		if guest.name == "Go" {
			turns = 5
		}
		times, _ := inTurns(turns, 1, loading(cached), loading(wasmhandler.Config{}))
		goal := ""
		if guest.name == "C" {
			goal = "goal 1ms"
		}
		t.Logf("loading the %-2s guest from the cache        %8v  %s", guest.name, times[0], goal)
		t.Logf("  compiling it                            %8v", times[1])
	}
}
