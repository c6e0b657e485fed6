package meter_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/retort-udp/retort/wasmhandler/meter"
)

// endless are functions that never return, each by another kind of branch.
var endless = map[string]fn{
	"br":               {code: loop(void, br(0))},
	"br_if":            {code: loop(void, cat(i32c(1), brIf(0)))},
	"br_table":         {code: loop(void, cat(i32c(5), brTable(1, 1, 0)))},
	"br from a block":  {code: loop(void, block(void, block(void, br(2))))},
	"br from an if":    {code: loop(void, cat(i32c(1), ifElse(void, br(1), unreachable)))},
	"br from an else":  {code: loop(void, cat(i32c(0), ifElse(void, unreachable, br(1))))},
	"an outer loop":    {code: loop(void, cat(loop(void, cat(i32c(0), brIf(0))), br(0)))},
	"out of a loop":    {code: loop(void, loop(void, br(1)))},
	"with an operand":  {code: cat(i32c(7), op(0x03, 3), i32c(1), add, br(0), op(0x0b), drop)},
	"a loop of loops":  {code: loop(void, cat(rep(20, loop(void, nop)), br(0)))},
	"memory.grow":      {code: loop(void, cat(i32c(0), memoryGrow, drop, br(0)))},
	"a long way round": {code: loop(void, cat(rep(5000, nop), br(0)))},
	"calls":            {code: loop(void, cat(call(1), br(0)))},
	"indirect calls":   {code: loop(void, cat(i32c(0), callIndirect(1, 0), br(0)))},
	"call the host":    {code: loop(void, cat(call(0), br(0)))},
}

// endlessModule has an endless function "f"; function 0 is the host's, 1 does nothing, type 3 is [i32] ->
// [i32].
func endlessModule(f fn, start bool) []byte {
	f.name = "f"
	m := mod{
		imports: []fn{{name: "nothing"}},
		fns:     []fn{{}, f},
		types:   [][2]vals{{{i32}, {i32}}},
		tables:  [][]byte{{fref, 0, 1}},
		elems:   [][]byte{cat(op(0), i32c(0), op(0x0b), vec(uleb(1)))},
		memory:  op(0, 1),
	}
	if start {
		m.start = 3
	}
	return m.bytes()
}

// withHost instantiates a module that imports a function which does nothing.
func withHost(t testing.TB, config wazero.RuntimeConfig, wasm []byte, limits meter.Limits) (*guest, error) {
	t.Helper()
	out, info := rewrite(t, wasm, limits)
	r := wazero.NewRuntimeWithConfig(t.Context(), config)
	t.Cleanup(func() { r.Close(t.Context()) })
	if _, err := r.NewHostModuleBuilder("env").NewFunctionBuilder().WithFunc(func() {}).Export("nothing").
		Instantiate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.CompileModule(t.Context(), wasm); err != nil {
		t.Fatalf("the original: %v", err)
	}
	m, err := r.Instantiate(t.Context(), out)
	if err != nil {
		return nil, err
	}
	return &guest{m, bind(t, m, info), info}, nil
}

func TestEndlessLoop(t *testing.T) {
	engines(t, func(t *testing.T, config wazero.RuntimeConfig) {
		for name, f := range endless {
			t.Run(name, func(t *testing.T) {
				g, err := withHost(t, config, endlessModule(f, false), meter.Limits{})
				if err != nil {
					t.Fatal(err)
				}
				for range 2 { // and again, for a trap must not use the meter up
					if _, err := g.call(200_000, "f"); err == nil || g.Cause() != meter.Fuel || g.Remaining() != 0 {
						t.Errorf("%v, %v, %d left", err, g.Cause(), g.Remaining())
					}
				}
			})
		}
	})
}

// A start function runs before a host can arm its guest: what it may use is in the module.
func TestEndlessStart(t *testing.T) {
	engines(t, func(t *testing.T, config wazero.RuntimeConfig) {
		for name, f := range endless {
			t.Run(name, func(t *testing.T) {
				_, err := withHost(t, config, endlessModule(f, true), meter.Limits{StartFuel: 200_000})
				if err == nil || meter.TraceCause(err) != meter.Fuel {
					t.Errorf("%v: %v", meter.TraceCause(err), err)
				}
			})
		}
	})
}

func TestTraceCause(t *testing.T) {
	engines(t, func(t *testing.T, config wazero.RuntimeConfig) {
		liar := cat(str("name"), op(1), sized(vec(cat(uleb(1), str("retort.meter.refill")))),
			op(0), sized(str("\n\tretort.meter.enter()")))
		for want, m := range map[meter.Cause]mod{
			meter.Depth: {fns: []fn{{code: call(0)}}, start: 1},
			meter.Fuel:  {fns: []fn{{code: loop(void, br(0))}}, start: 1},
			meter.Own:   {fns: []fn{{code: call(1)}, {code: unreachable}}, start: 1, custom: [][]byte{liar}},
		} {
			_, err := try(t, config, m.bytes(), meter.Limits{StartFuel: 500_000, Frames: 500})
			if got := meter.TraceCause(err); err == nil || got != want {
				t.Errorf("%v, not %v: %v", got, want, err)
			}
		}
		if meter.TraceCause(nil) != meter.Own {
			t.Error("no error has a cause")
		}
	})
}

// A tree of calls without any loop is as good as endless: 2 to the 40 here.
func TestCallTree(t *testing.T) {
	const height = 40
	direct := mod{memory: op(0, 1)}
	indirect := mod{memory: op(0, 1), tables: [][]byte{{fref, 0, height + 1}}}
	var all [][]byte
	for i := range height + 1 {
		f, g := fn{name: fmt.Sprint("f", i)}, fn{name: fmt.Sprint("f", i)}
		if i > 0 {
			f.code = cat(call(i-1), call(i-1))
			g.code = cat(i32c(int32(i-1)), callIndirect(0, 0), i32c(int32(i-1)), callIndirect(0, 0))
		}
		direct.fns, indirect.fns = append(direct.fns, f), append(indirect.fns, g)
		all = append(all, uleb(uint64(i)))
	}
	indirect.elems = [][]byte{cat(op(0), i32c(0), op(0x0b), vec(all...))}
	engines(t, func(t *testing.T, config wazero.RuntimeConfig) {
		for _, m := range []mod{direct, indirect} {
			g := instantiate(t, config, m.bytes(), meter.Limits{})
			if _, err := g.call(1_000_000, fmt.Sprint("f", height)); err == nil || g.Cause() != meter.Fuel {
				t.Errorf("%v: %v", g.Cause(), err)
			}
			// A call costs more than the instruction that it is.
			few, many := g.spent(t, "f5"), g.spent(t, "f10")
			if many < 32*few || few < 62*meter.WeightCall {
				t.Errorf("62 calls cost %d, 2046 calls cost %d", few, many)
			}
		}
	})
}

// Straight code costs the sum of its weights.
func TestWeights(t *testing.T) {
	g := op(0xfd, 0x0c, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7) // v128.const
	f32c, f64c := op(0x43, 0, 0, 0x80, 0x3f), op(0x44, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f)
	two := func(c []byte, o ...byte) []byte { return cat(c, c, o) }
	for _, tt := range []struct {
		name   string
		code   []byte
		weight uint64
	}{
		{"nothing", nil, 0},
		{"nop", nop, 1},
		{"arithmetic", cat(two(i32c(3), 0x6a), drop), 4},
		{"a local", cat(get(0), set(0)), 2},
		{"a global", cat(globalGet(0), globalSet(0)), 2},
		{"i32.load", cat(i32c(0), load, drop), 2 + 4},
		{"i64.load32_u", cat(i32c(0), op(0x35, 0, 0), drop), 2 + 4},
		{"i32.store", cat(two(i32c(0)), store), 2 + 4},
		{"i64.store8", cat(i32c(0), i64c(0), op(0x3c, 0, 0)), 2 + 4},
		{"v128.load", cat(i32c(0), op(0xfd, 0, 0, 0), drop), 2 + 4},
		{"v128.store", cat(i32c(0), g, op(0xfd, 11, 0, 0)), 2 + 4},
		{"v128.load8_lane", cat(i32c(0), g, op(0xfd, 0x54, 0, 0, 0), drop), 3 + 4},
		{"v128.store64_lane", cat(i32c(0), g, op(0xfd, 0x5b, 0, 0, 0)), 2 + 4},
		{"v128.load64_zero", cat(i32c(0), op(0xfd, 0x5d, 0, 0), drop), 2 + 4},
		{"table.get", cat(i32c(0), op(0x25, 0), drop), 2 + 4},
		{"table.set", cat(i32c(0), op(0xd0, fref), op(0x26, 0)), 2 + 4},
		{"i32.div_s", cat(two(i32c(3), 0x6d), drop), 3 + 16},
		{"i32.rem_u", cat(two(i32c(3), 0x70), drop), 3 + 16},
		{"i64.div_u", cat(two(i64c(3), 0x80), drop), 3 + 16},
		{"i64.rem_s", cat(two(i64c(3), 0x81), drop), 3 + 16},
		{"f32.div", cat(two(f32c, 0x95), drop), 3 + 16},
		{"f64.div", cat(two(f64c, 0xa3), drop), 3 + 16},
		{"f32.sqrt", cat(f32c, op(0x91), drop), 2 + 16},
		{"f64.sqrt", cat(f64c, op(0x9f), drop), 2 + 16},
		{"f32x4.div", cat(two(g, 0xfd, 0xe7, 1), drop), 3 + 16},
		{"f64x2.div", cat(two(g, 0xfd, 0xf3, 1), drop), 3 + 16},
		{"f32x4.sqrt", cat(g, op(0xfd, 0xe3, 1), drop), 2 + 16},
		{"f64x2.sqrt", cat(g, op(0xfd, 0xef, 1), drop), 2 + 16},
		{"f64x2.mul", cat(two(g, 0xfd, 0xf2, 1), drop), 3 + 1},
		{"call", call(1), 8 + 1}, // and the callee's end
		{"call_indirect", cat(i32c(0), callIndirect(1, 0)), 1 + 8 + 1},
		{"ref.func", cat(op(0xd2, 1), drop), 1 + 8},
		{"memory.size", cat(memorySize, drop), 2},
		{"memory.grow by none", cat(i32c(0), memoryGrow, drop), 2 + 8},
		{"memory.grow by 2", cat(i32c(2), memoryGrow, drop), 2 + 8 + 2*meter.PageFuel},
		{"memory.grow too far", cat(i32c(-1), memoryGrow, drop), 2 + 8},
		{"memory.fill", cat(i32c(0), i32c(0), i32c(1600), memoryFill), 3 + 8 + 100},
		{"memory.copy", cat(i32c(0), i32c(0), i32c(1600), memoryCopy), 3 + 8 + 100},
		{"memory.init", cat(i32c(0), i32c(0), i32c(32), op(0xfc, 8, 0, 0)), 3 + 8 + 2},
		{"data.drop", op(0xfc, 9, 1), 1},
		{"table.grow", cat(op(0xd0, fref), i32c(5), op(0xfc, 15, 0), drop), 3 + 8 + 5},
		{"table.grow too far", cat(op(0xd0, fref), i32c(-1), op(0xfc, 15, 0), drop), 3 + 8},
		{"table.fill", cat(i32c(0), op(0xd0, fref), i32c(2), op(0xfc, 17, 0)), 3 + 8 + 2},
		{"table.copy", cat(i32c(0), i32c(0), i32c(3), op(0xfc, 14, 0, 0)), 3 + 8 + 3},
		{"table.init", cat(i32c(0), i32c(0), i32c(1), op(0xfc, 12, 1, 0)), 3 + 8 + 1},
		{"elem.drop", op(0xfc, 13, 1), 1},
		{"a block", block(void, nop), 3},
		{"a branch", block(void, br(0)), 2},
		{"an if that is passed", cat(i32c(0), iff(void, nop)), 4}, // the heavier way is charged
		{"two arms", cat(i32c(0), ifElse(void, rep(9, nop), nop)), 2 + 10},
		{"a heavy arm, taken", cat(i32c(1), ifElse(void, rep(500, nop), nop)), 2 + 2 + 501 + 1}, // and what follows
		{"a heavy arm, passed", cat(i32c(0), ifElse(void, rep(500, nop), nop)), 2 + 2},
		{"a switch", block(void, cat(block(void, cat(block(void, cat(i32c(1), brTable(0, 1))),
			rep(9, nop), br(1))), rep(9, nop))), 5 + 10},
		{"a loop, once", loop(void, nop), 1 + 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cost := func(code []byte) uint64 {
				m := mod{
					fns:     []fn{{name: "f", locals: vals{i32}, code: code}, {}},
					tables:  [][]byte{{fref, 0, 8}},
					memory:  op(1, 1, 5),
					globals: [][]byte{mutable(i32, i32c(0)...)},
					elems:   [][]byte{cat(op(0), i32c(0), op(0x0b), vec(uleb(1))), cat(op(1, 0), vec(uleb(1)))},
					datas:   [][]byte{cat(op(1), sized(make([]byte, 64))), cat(op(1), sized(nil))},
				}
				return instantiate(t, wazero.NewRuntimeConfigInterpreter(), m.bytes(), meter.Limits{}).spent(t, "f")
			}
			if got := cost(tt.code) - cost(nil); got != tt.weight {
				t.Errorf("costs %d, not %d", got, tt.weight)
			}
		})
	}
}

// A loop costs its weight each time around.
func TestLoopsCostByTheRound(t *testing.T) {
	g := instantiate(t, wazero.NewRuntimeConfigInterpreter(), benchmarks.bytes(), meter.Limits{})
	if one, eleven := g.spent(t, "tight", 1), g.spent(t, "tight", 11); eleven-one != 10*(1+5) {
		t.Errorf("ten rounds of five instructions cost %d", eleven-one)
	}
	if one, eleven := g.spent(t, "hash", 0, 1), g.spent(t, "hash", 0, 11); eleven-one < 10*(15+3) {
		t.Errorf("ten rounds of fifteen instructions and a load cost %d", eleven-one)
	}
}

// What a call costs does not depend on the slices it is cut into, on earlier calls, or on the engine; and a
// budget of just that is enough, and one unit less is not.
func TestCostIsExact(t *testing.T) {
	type key struct {
		name string
		arg  uint64
	}
	costs := map[key]uint64{}
	engines(t, func(t *testing.T, config wazero.RuntimeConfig) {
		for _, slice := range []int64{1, 7, 1000, 0, 1 << 30} {
			g := instantiate(t, config, benchmarks.bytes(), meter.Limits{Slice: slice})
			for _, c := range []key{{"tight", 1}, {"tight", 20_000}, {"fib", 12}, {"fill", 65_536}, {"leaf", 0}} {
				args := []uint64{c.arg}
				if c.name == "leaf" {
					args = append(args, 1)
				}
				cost := g.spent(t, c.name, args...)
				if costs[c] == 0 {
					costs[c] = cost
				}
				if cost != costs[c] {
					t.Errorf("slice %d: %v costs %d, or %d", slice, c, cost, costs[c])
				}
				if _, err := g.call(cost, c.name, args...); err != nil || g.Remaining() != 0 {
					t.Errorf("slice %d: %v with a fuel of %d: %v, %d left", slice, c, cost, err, g.Remaining())
				}
				if _, err := g.call(cost-1, c.name, args...); err == nil || g.Cause() != meter.Fuel {
					t.Errorf("slice %d: %v with a fuel of %d: %v, %v", slice, c, cost-1, err, g.Cause())
				}
			}
		}
	})
}

// The guest's own traps are told from the meter's.
func TestOwnTraps(t *testing.T) {
	engines(t, func(t *testing.T, config wazero.RuntimeConfig) {
		for name, code := range map[string][]byte{
			"unreachable":   unreachable,
			"out of bounds": cat(i32c(-1), load, drop),
			"division":      cat(i32c(1), i32c(0), op(0x6d), drop),
			"a long fill":   cat(i32c(0), i32c(0), i32c(1<<20), memoryFill),
			"a late trap": cat(
				loop(void, cat(get(0), i32c(1), add, tee(0), i32c(10_000), op(0x49), brIf(0))), unreachable),
		} {
			g := instantiate(t, config, only(fn{code: code, locals: vals{i32}}), meter.Limits{})
			if _, err := g.call(1_000_000, "f"); err == nil || g.Cause() != meter.Own || g.Remaining() == 0 {
				t.Errorf("%s: %v, %v, %d left", name, err, g.Cause(), g.Remaining())
			}
		}
	})
}

// A host function charges for what it does.
func TestCharge(t *testing.T) {
	engines(t, func(t *testing.T, config wazero.RuntimeConfig) {
		m := mod{imports: []fn{{name: "work", params: vals{i32}}}, memory: op(0, 1), fns: []fn{
			{name: "f", params: vals{i32}, code: cat(get(0), call(0))},
			{name: "twice", params: vals{i32}, code: cat(get(0), call(0), loop(void, nop), get(0), call(0))},
		}}
		out, info := rewrite(t, m.bytes(), meter.Limits{})
		r := wazero.NewRuntimeWithConfig(t.Context(), config)
		defer r.Close(t.Context())
		var g *guest
		calls := 0
		host := func(n uint32) {
			if !g.Charge(uint64(n)) {
				panic("out of fuel")
			}
			calls++
		}
		if _, err := r.NewHostModuleBuilder("env").NewFunctionBuilder().WithFunc(host).Export("work").
			Instantiate(t.Context()); err != nil {
			t.Fatal(err)
		}
		instance, err := r.Instantiate(t.Context(), out)
		if err != nil {
			t.Fatal(err)
		}
		g = &guest{instance, bind(t, instance, info), info}
		nothing := g.spent(t, "f", 0)
		for _, n := range []uint64{1, 5_000, 29_999, 30_000, 31_000, 9_000_000} {
			if cost := g.spent(t, "f", n); cost != nothing+n {
				t.Errorf("%d units of the host cost %d", n, cost-nothing)
			}
			if _, err := g.call(nothing+n-1, "f", n); err == nil || g.Cause() != meter.Fuel || g.Remaining() != 0 {
				t.Errorf("%d units of the host, one short: %v, %v", n, err, g.Cause())
			}
		}
		once := calls
		if _, err := g.call(nothing+1_000, "twice", 900); err == nil || g.Cause() != meter.Fuel || calls != once+1 {
			t.Errorf("%v, %v after %d calls", err, g.Cause(), calls-once)
		}
		for _, n := range []uint64{math.MaxUint64, math.MaxUint64, 1} {
			if g.Charge(n) || g.Cause() != meter.Fuel {
				t.Error("an overdrawn account recovers")
			}
		}
		if _, err := g.call(math.MaxUint64, "f", 7); err != nil {
			t.Errorf("after that: %v", err)
		}
	})
}

// Until it is armed for the first time, a guest has what Limits.StartFuel says.
func TestStartFuel(t *testing.T) {
	m := mod{fns: []fn{{name: "_initialize", code: loop(void, br(0))}}, memory: op(0, 1)}
	for _, fuel := range []int64{1, 30_000, 100_000} {
		g := instantiate(t, wazero.NewRuntimeConfigInterpreter(), m.bytes(), meter.Limits{StartFuel: fuel})
		if g.Remaining() != uint64(fuel) {
			t.Errorf("%d at first, not %d", g.Remaining(), fuel)
		}
		if _, err := g.ExportedFunction("_initialize").Call(t.Context()); err == nil || g.Cause() != meter.Fuel {
			t.Errorf("%v, %v", err, g.Cause())
		}
	}
	g := instantiate(t, wazero.NewRuntimeConfigInterpreter(), m.bytes(), meter.Limits{})
	if g.Remaining() != meter.DefaultStartFuel {
		t.Errorf("%d at first", g.Remaining())
	}
}

// A plain instance is not taken for a metered one.
func TestBindPlain(t *testing.T) {
	r := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter())
	defer r.Close(t.Context())
	m, err := r.Instantiate(t.Context(), benchmarks.bytes())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := meter.Bind(&meter.Info{}, lookup(m)); err == nil || !strings.Contains(err.Error(), "not metered") {
		t.Error(err)
	}
}
