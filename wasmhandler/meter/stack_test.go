package meter_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/retort-udp/retort/wasmhandler/internal/race"
	"github.com/retort-udp/retort/wasmhandler/meter"
)

// count is code that adds one to global 0.
var count = cat(globalGet(0), i32c(1), add, globalSet(0))

// recursive functions call each other without end and count their calls.
var recursive = map[string]mod{
	"itself": {fns: []fn{{name: "f", code: cat(count, call(0))}}},
	"each other": {fns: []fn{
		{name: "f", code: cat(count, call(1))},
		{code: cat(count, call(2))},
		{code: cat(count, call(0))},
	}},
	"through a table": {
		fns:    []fn{{name: "f", code: cat(count, i32c(0), callIndirect(0, 0))}},
		tables: [][]byte{{fref, 0, 1}},
		elems:  [][]byte{cat(op(0), i32c(0), op(0x0b), vec(uleb(0)))},
	},
	"in a branch": {fns: []fn{{name: "f", results: vals{i32, i64}, code: cat(
		count, i32c(1), op(0x04, 0), call(0), op(0x05), i32c(1), i64c(1), op(0x0b))}}},
	"before a trap": {fns: []fn{{name: "f", code: cat(count, call(0), unreachable)}}},
}

func TestRecursion(t *testing.T) {
	engines(t, func(t *testing.T, config wazero.RuntimeConfig) {
		for name, m := range recursive {
			t.Run(name, func(t *testing.T) {
				m.globals = [][]byte{mutable(i32, i32c(0)...)}
				m.memory = op(0, 1)
				for _, frames := range []int64{1, 2, 100, 1_500, 0} {
					want := frames
					if frames == 0 {
						want = meter.DefaultFrames
						if strings.HasSuffix(t.Name(), "interpreter/"+strings.ReplaceAll(name, " ", "_")) {
							continue // wazero's interpreter itself gives up at 2,000
						}
					}
					g := instantiate(t, config, m.bytes(), meter.Limits{Frames: frames})
					counter := g.ExportedGlobal(g.info.Globals[0].Export)
					for round := range uint64(2) {
						_, err := g.call(meter.MaxFuel, "f")
						if err == nil || g.Cause() != meter.Depth {
							t.Errorf("%d frames: %v, %v", frames, err, g.Cause())
						}
						if got := counter.Get(); got != uint64(want)*(round+1) {
							t.Errorf("%d frames: %d calls after %d rounds", frames, got, round+1)
						}
					}
				}
			})
		}
	})
}

// A leaf is a frame as well.
func TestLeavesAreFrames(t *testing.T) {
	m := mod{memory: op(0, 1), fns: []fn{{name: "f", code: call(1)}, {name: "g", code: call(2)}, {name: "h"}}}
	engines(t, func(t *testing.T, config wazero.RuntimeConfig) {
		g := instantiate(t, config, m.bytes(), meter.Limits{Frames: 2})
		for name, fits := range map[string]bool{"f": false, "g": true, "h": true} {
			if _, err := g.call(1_000, name); (err == nil) != fits || !fits && g.Cause() != meter.Depth {
				t.Errorf("%s: %v, %v", name, err, g.Cause())
			}
		}
	})
}

// Large frames are fewer.
func TestFrameBytes(t *testing.T) {
	many := vals(strings.Repeat(string([]byte{i64}), 900))
	wide := vals(strings.Repeat(string([]byte{v128}), 900))
	deep := cat(rep(1_000, globalGet(0)), call(0), rep(1_000, drop))
	engines(t, func(t *testing.T, config wazero.RuntimeConfig) {
		for _, tt := range []struct {
			name    string
			f       fn
			largest uint64 // so many frames, at most
			least   uint64
		}{
			{"locals", fn{locals: many, code: call(0)}, 1 << 20 / 7_200, 100},
			{"vectors", fn{locals: wide, code: call(0)}, 1 << 20 / 14_400, 50},
			{"operands", fn{code: deep}, 1 << 20 / 8_000, 80},
			{"code", fn{code: cat(rep(100_000, nop), call(0))}, 1 << 20 / 50_000, 10},
		} {
			t.Run(tt.name, func(t *testing.T) {
				tt.f.name = "f"
				tt.f.code = cat(count, tt.f.code)
				m := mod{fns: []fn{tt.f}, memory: op(0, 1), globals: [][]byte{mutable(i32, i32c(0)...)}}
				g := instantiate(t, config, m.bytes(), meter.Limits{})
				_, err := g.call(meter.MaxFuel, "f")
				got := g.ExportedGlobal(g.info.Globals[0].Export).Get()
				if err == nil || g.Cause() != meter.Depth || got > tt.largest || got < tt.least {
					t.Errorf("%d frames: %v, %v", got, err, g.Cause())
				}
			})
		}
	})
}

// Whichever way a function is left, its frame is given back.
func TestFramesAreGivenBack(t *testing.T) {
	ways := map[string][]byte{
		"falling through":            i32c(1),
		"return":                     cat(i32c(1), ret),
		"return before more":         cat(i32c(1), ret, unreachable),
		"return from blocks":         cat(block(void, loop(void, block(void, cat(i32c(1), ret)))), unreachable),
		"return from an if":          cat(i32c(1), ifElse(i32, cat(i32c(1), ret), i32c(2))),
		"return from an else":        cat(i32c(0), ifElse(i32, i32c(2), cat(i32c(1), ret))),
		"return with more operands":  cat(i64c(5), i64c(6), i32c(1), ret),
		"br":                         cat(i32c(1), br(0)),
		"br from blocks":             cat(block(void, loop(void, cat(i32c(1), br(2)))), unreachable),
		"br_if":                      cat(i32c(1), i32c(1), brIf(0)),
		"br_if from a block":         cat(block(void, cat(i32c(1), i32c(1), brIf(1), drop)), unreachable),
		"br_table":                   cat(i32c(1), i32c(0), brTable(0, 0)),
		"br_table's default":         cat(i32c(1), i32c(9), brTable(0, 0, 0)),
		"br_table from a block":      cat(block(i32, cat(i32c(1), i32c(1), brTable(0, 1, 0))), drop, unreachable),
		"br with more operands":      cat(i64c(5), i32c(1), br(0)),
		"br from an if with results": cat(i32c(1), ifElse(i32, cat(i32c(1), br(1)), cat(i32c(2), br(0)))),
	}
	engines(t, func(t *testing.T, config wazero.RuntimeConfig) {
		for name, way := range ways {
			t.Run(name, func(t *testing.T) {
				m := mod{memory: op(0, 1), fns: []fn{
					{name: "f", params: vals{i32}, code: loop(void, cat(
						call(1), drop, get(0), i32c(1), sub, tee(0), brIf(0)))},
					{results: vals{i32}, code: cat(call(2), way)},
					{},
				}}
				g := instantiate(t, config, m.bytes(), meter.Limits{})
				if _, err := g.call(meter.MaxFuel, "f", 10_000); err != nil {
					t.Errorf("%v (%v)", err, g.Cause())
				}
				// Not one byte is missing: a guest that just fits still fits.
				g = instantiate(t, config, m.bytes(), meter.Limits{Frames: 3})
				for range 10 {
					g.Arm(1_000)
					if _, err := g.ExportedFunction("f").Call(t.Context(), 3); err != nil {
						t.Fatalf("%v (%v)", err, g.Cause())
					}
				}
			})
		}
	})
}

// After a trap, the frames that were open count until the host resets the stack; after that they do not.
func TestReset(t *testing.T) {
	m := mod{memory: op(0, 1), fns: []fn{
		{name: "f", params: vals{i32}, code: cat(
			get(0), op(0x45), iff(void, unreachable), get(0), i32c(1), sub, call(0))},
	}}
	engines(t, func(t *testing.T, config wazero.RuntimeConfig) {
		g := instantiate(t, config, m.bytes(), meter.Limits{Frames: 100, FrameBytes: 1 << 30})
		f := g.ExportedFunction("f")
		g.Arm(meter.MaxFuel)
		for i, want := range []meter.Cause{meter.Own, meter.Depth} {
			if _, err := f.Call(t.Context(), 60); err == nil || g.Cause() != want {
				t.Errorf("call %d: %v, %v", i, err, g.Cause())
			}
		}
		// Traps do not add up to a stack that is large again.
		for range 100_000 {
			f.Call(t.Context(), 60)
			if g.Cause() != meter.Depth {
				t.Fatal(g.Cause())
			}
		}
		g.Reset()
		if _, err := f.Call(t.Context(), 60); err == nil || g.Cause() != meter.Own {
			t.Errorf("after Reset: %v, %v", err, g.Cause())
		}
	})
}

// The frames that functions really have are bounded, also for those that are written to have large ones. The
// engine's stack doubles when it grows, and is copied: 1 MiB of estimated frames that are four times as large
// in truth are 8 MiB of stack at most, beside as much that is garbage.
func TestTrueStack(t *testing.T) {
	if race.Enabled {
		t.Skip("instrumented, this takes minutes, and there is but one goroutine")
	}
	config := compiler(t)
	locals := func(n int, typ byte) vals { return vals(strings.Repeat(string([]byte{typ}), n)) }
	all := func(n int) []byte { // every local, so that all are alive during the call
		var code []byte
		for i := range n {
			code = append(code, get(i)...)
		}
		return cat(code, rep(n-1, op(0x7c)), globalSet(0))
	}
	wide := func(n int) (code []byte) {
		for i := range n {
			code = append(code, get(i)...)
		}
		return cat(code, rep(n-1, op(0xfd, 0x4e)), op(0xfd, 0x1d, 0), globalSet(0)) // v128.and, i64x2.extract_lane
	}
	each := func(n, times int, instruction ...byte) (code []byte) {
		for i := range times {
			code = append(code, cat(get(i%n), instruction, set(i%n))...)
		}
		return code
	}
	clz := byte(0x79)
	ways := map[string]fn{
		"values":  {locals: locals(120, i64), code: cat(each(120, 20_000, clz), call(0), all(120))},
		"vectors": {locals: locals(120, v128), code: cat(each(120, 16_000, 0xfd, 0x4d), call(0), wide(120))},
		"nested ifs": {locals: locals(100, i64), code: cat(
			rep(900, cat(get(0), op(0xa7, 0x04, void))), each(100, 100, clz), rep(900, op(0x0b)), call(0), all(100))},
		"nested loops": {locals: locals(780, i64), code: cat(
			rep(127, op(0x03, void)), each(780, 780, clz), rep(127, cat(get(0), op(0x50), brIf(0), op(0x0b))),
			call(0), all(780))},
		"results": {code: cat(rep(30, globalGet(0)), rep(3_000, call(1)), call(0), rep(30, globalSet(0)))},
	}
	for name, f := range ways {
		t.Run(name, func(t *testing.T) {
			f.name = "f"
			thirty := locals(30, i64)
			m := mod{memory: op(0, 1), globals: [][]byte{mutable(i64, i64c(1)...)}, fns: []fn{
				f, {params: thirty, results: thirty, code: func() (code []byte) {
					for i := range thirty {
						code = append(code, get(i)...)
					}
					return code
				}()},
			}}
			g := instantiate(t, config, m.bytes(), meter.Limits{})
			g.Arm(meter.MaxFuel)
			f := g.ExportedFunction("f")
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := f.Call(t.Context())
			runtime.ReadMemStats(&after)
			if err == nil || g.Cause() != meter.Depth {
				t.Errorf("%v, %v", err, g.Cause())
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 16<<20 {
				t.Errorf("the stack took %d bytes", grown)
			} else {
				t.Logf("%d bytes were allocated for the stack", grown)
			}
		})
	}
}
