package meter_test

import (
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/retort-udp/retort/wasmhandler/meter"
)

// FuzzRewrite gives the meter any bytes. They are an error, or a module that an engine takes if and only if
// it takes the original.
func FuzzRewrite(f *testing.F) {
	f.Add(benchmarks.bytes())
	f.Add(bulk())
	for _, e := range endless {
		f.Add(endlessModule(e, true))
	}
	for _, m := range recursive {
		f.Add(m.bytes())
	}
	if !testing.Short() {
		for i, wasm := range seeds(f) {
			if i%5 == 0 && len(wasm) < 4_000 {
				f.Add(wasm)
			}
		}
	}
	limits := meter.Limits{ModuleBytes: 64 << 10, TableElements: 1 << 20}
	f.Fuzz(func(t *testing.T, wasm []byte) {
		out, info, err := meter.Rewrite(wasm, limits)
		if err != nil {
			return
		}
		if info.MemoryPages > 16 {
			return // valid, but too much for a fuzz test
		}
		r := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter())
		defer r.Close(t.Context())
		_, plain := r.CompileModule(t.Context(), wasm)
		_, metered := r.CompileModule(t.Context(), out)
		for _, own := range []string{
			"custom",        // it takes offence at custom sections that the meter drops
			"interpreterir", // its interpreter stumbles over opcodes that are longer than they need to be
		} {
			if plain != nil && strings.Contains(plain.Error(), own) {
				return // wazero refuses what it need not
			}
		}
		if (plain == nil) != (metered == nil) {
			t.Fatalf("plain: %v; metered: %v", plain, metered)
		}
		again, _, err := meter.Rewrite(wasm, limits)
		if err != nil || string(again) != string(out) {
			t.Fatalf("a second time it is %d bytes, not %d, %v", len(again), len(out), err)
		}
	})
}

// FuzzRun runs what engines take: metered, every exported function without parameters ends, and ends the way
// it does plain if it ends plain within the interpreter's own bounds.
func FuzzRun(f *testing.F) {
	for _, e := range endless {
		e.name = "f"
		f.Add(mod{fns: []fn{{}, e}, types: [][2]vals{{nil, nil}, {{i32}, {i32}}}, memory: op(1, 1, 2)}.bytes())
	}
	for _, m := range recursive {
		m.globals = [][]byte{mutable(i32, i32c(0)...)}
		f.Add(m.bytes())
	}
	f.Fuzz(func(t *testing.T, wasm []byte) {
		out, info, err := meter.Rewrite(wasm, meter.Limits{
			ModuleBytes: 16 << 10, StartFuel: 1_000_000, Slice: 100_000, Frames: 1_000, TableElements: 10_000,
		})
		if err != nil || info.MemoryImported {
			return
		}
		r := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter().WithMemoryLimitPages(16))
		defer r.Close(t.Context())
		if _, err := r.CompileModule(t.Context(), wasm); err != nil {
			return
		}
		instance, err := r.Instantiate(t.Context(), out)
		if err != nil {
			return
		}
		c := bind(t, instance, info)
		for name, def := range instance.ExportedFunctionDefinitions() {
			if len(def.ParamTypes()) > 0 {
				continue
			}
			c.Arm(1_000_000)
			c.Reset()
			_, err := instance.ExportedFunction(name).Call(t.Context())
			if err == nil && c.Cause() != meter.Own {
				t.Errorf("%s returned, out of %v", name, c.Cause())
			}
		}
	})
}
