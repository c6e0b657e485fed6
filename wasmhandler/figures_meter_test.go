package wasmhandler_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/retort-udp/retort/wasmhandler"
	"github.com/retort-udp/retort/wasmhandler/internal/hostile"
	"github.com/retort-udp/retort/wasmhandler/internal/wasmgen"
	"github.com/retort-udp/retort/wasmhandler/meter"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// loops are the functions whose time is compared plain and metered. Each takes how far it is to go.
func loops() []byte {
	const counter, hash = 0, 1
	code := wasmgen.Code{}
	// The tightest loop of four operations: it takes one from a counter and goes on until that is zero.
	tight := code.Loop().Get(counter).I32(1).Op(wasmgen.Sub).Tee(counter).BrIf(0).End()
	// FNV-1a, from the last byte to the first.
	fnv := code.I32(-2128831035).Set(hash).Loop().
		Get(hash).Get(counter).Load8().Op(wasmgen.Xor).I32(16777619).Op(wasmgen.Mul).Set(hash).
		Get(counter).I32(1).Op(wasmgen.Sub).Tee(counter).BrIf(0).End().Get(hash)
	m := new(wasmgen.Module)
	m.Memory(1)
	m.ExportFunction("tight", "i", "", tight)
	m.ExportFunction("hash", "i", "i", fnv, wasmgen.Locals{Count: 1, Type: 'i'})
	return m.Bytes()
}

// figureMeter compares loops as they are with loops that burn fuel.
func figureMeter(t *testing.T) {
	wasm := loops()
	metered, info, err := meter.Rewrite(wasm, meter.Limits{Entries: []string{"tight", "hash"}})
	if err != nil {
		t.Fatal(err)
	}
	runtime := wazero.NewRuntime(t.Context())
	t.Cleanup(func() { runtime.Close(context.Background()) })
	instance := func(wasm []byte) api.Module {
		guest, err := runtime.InstantiateWithConfig(t.Context(), wasm, wazero.NewModuleConfig().WithName(""))
		if err != nil {
			t.Fatal(err)
		}
		return guest
	}
	plain, guest := instance(wasm), instance(metered)
	counters, err := meter.Bind(info, func(name string) meter.Global {
		global, _ := guest.ExportedGlobal(name).(api.MutableGlobal)
		return global
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, loop := range []struct {
		name, what string
		rounds     uint64
		goal       float64
	}{
		{"hash", "a hash of 1,000 bytes", 1000, 1.1},
		{"tight", "the tightest loop, 10,000 times", 10_000, 2},
	} {
		run := func(f api.Function, more ...uint64) func() {
			stack, ctx := make([]uint64, 2), context.Background()
			return func() {
				stack[0] = loop.rounds
				copy(stack[1:], more)
				if err := f.CallWithStack(ctx, stack); err != nil {
					t.Fatal(err)
				}
			}
		}
		times, ratios := inTurns(401, 100, run(plain.ExportedFunction(loop.name)),
			run(guest.ExportedFunction(meter.Entry(loop.name)), counters.Budget(wasmhandler.DefaultFuel)))
		t.Logf("%-41s %8v", loop.what, times[0])
		t.Logf("  metered                                 %8v  %.2f times as long, goal %.1f", times[1], ratios[1], loop.goal)
	}
}

// figurePause runs the hostile corpus, one module after the other in this process, and ordinary Go code in between: on a
// machine that does other things too, everybody is made to wait now and then.
func figurePause(t *testing.T) {
	cases, err := hostile.Corpus(os.DirFS(filepath.Join("..", filepath.FromSlash(hostile.Dir))))
	if err != nil {
		t.Fatal(err)
	}
	const between = 40
	var longest, control time.Duration
	var by string
	for i, c := range cases {
		if i%between == 0 {
			f, err := hostile.Control()
			if err != nil {
				t.Fatal(err)
			}
			control = max(control, f.Pause)
		}
		wasm := c.Wasm()
		f, err := hostile.Calmest(func() (hostile.Figures, error) { return hostile.Measure(wasm, wasmhandler.Config{}) })
		if err != nil || !f.Meets(c.Want) {
			t.Errorf("%s: it got %s, and must get %s; %v", c.Name, f.Got, c.Want, err)
		}
		if f.Pause > longest {
			longest, by = f.Pause, c.Name
		}
	}
	t.Logf("longest stop of the world, hostile corpus %8v  goal 10ms; by %s", longest, by)
	t.Logf("  by ordinary Go code                     %8v", control)
}
