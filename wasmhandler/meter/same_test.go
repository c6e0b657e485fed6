package meter_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/retort-udp/retort/wasmhandler/meter"
)

// These tests make random functions with variables of every type, which compute something in nested loops, ifs and
// calls, and run them plain and metered: the meter stands between any two instructions, and what it does there must
// not show. Above all that is a test of what the engine's compiler makes of the meter: it has to bring every variable
// over the calls that the meter adds, whichever register it was in.

// typed are the types of variables, each with instructions that take two of the type and leave one.
var typed = []struct {
	typ    byte
	binary [][]byte
}{
	{i32, [][]byte{op(0x6a), op(0x6b), op(0x6c), op(0x73), op(0x77)}},                      // add, sub, mul, xor, rotl
	{i64, [][]byte{op(0x7c), op(0x7d), op(0x7e), op(0x85), op(0x89)}},                      // the same
	{f32, [][]byte{op(0x92), op(0x93), op(0x94), op(0x96)}},                                // add, sub, mul, min
	{f64, [][]byte{op(0xa0), op(0xa1), op(0xa2), op(0xa5)}},                                // add, sub, mul, max
	{v128, [][]byte{op(0xfd, 0x6e), op(0xfd, 0xb5, 1), op(0xfd, 0x51), op(0xfd, 0xce, 1)}}, // i8x16.add, i32x4.mul, xor, i64x2.add
}

// conversions take one type and leave another. None shows the bits of a NaN, which an engine may choose.
var conversions = []struct {
	from, to byte
	code     []byte
}{
	{i32, i64, op(0xac)}, {i64, i32, op(0xa7)}, // extend, wrap
	{i32, f64, op(0xb7)}, {i64, f32, op(0xb4)}, // convert
	{f64, i32, op(0xfc, 2)}, {f32, i64, op(0xfc, 4)}, // trunc_sat
	{f64, f32, op(0xb6)}, {f32, f64, op(0xbb)}, // demote, promote
	{i32, v128, op(0xfd, 0x11)}, {i64, v128, op(0xfd, 0x12)}, // splat
	{v128, i32, op(0xfd, 0x1b, 1)}, {v128, i64, op(0xfd, 0x1d, 1)}, // extract_lane
}

// randomFunction is a function in the making. Its locals are, for each type, a parameter and two variables, and then
// counters of loops, one for each depth.
type randomFunction struct {
	*rand.Rand
	callee int // -1: it calls nobody
}

const (
	ofEach   = 3 // variables of each type
	deepest  = 3 // nesting
	firstFor = 5 * ofEach
)

// locals are the types of what is no parameter.
func (f *randomFunction) locals() (l vals) {
	for range ofEach - 1 {
		for _, t := range typed {
			l = append(l, t.typ)
		}
	}
	return append(l, i32, i32, i32)
}

// variable is a local of the type with that index in typed.
func (f *randomFunction) variable(t int) int { return t + len(typed)*f.IntN(ofEach) }

func kindOf(typ byte) int {
	for i, t := range typed {
		if t.typ == typ {
			return i
		}
	}
	panic("no such type")
}

// statements are some, with so many loops and ifs inside each other at most.
func (f *randomFunction) statements(depth int) (code []byte) {
	for range 2 + f.IntN(6) {
		code = append(code, f.statement(depth)...)
	}
	return code
}

func (f *randomFunction) statement(depth int) []byte {
	address := cat(get(f.variable(0)), i32c(0xff8), op(0x71)) // i32.and
	switch n := f.IntN(12); {
	case n < 4:
		t := f.IntN(len(typed))
		op := typed[t].binary[f.IntN(len(typed[t].binary))]
		return cat(get(f.variable(t)), get(f.variable(t)), op, set(f.variable(t)))
	case n < 6:
		c := conversions[f.IntN(len(conversions))]
		return cat(get(f.variable(kindOf(c.from))), c.code, set(f.variable(kindOf(c.to))))
	case n == 6:
		return cat(address, get(f.variable(1)), op(0x37, 3, 0)) // i64.store
	case n == 7:
		return cat(address, op(0xfd, 0, 4, 0), set(f.variable(4))) // v128.load
	case n == 8 && f.callee >= 0:
		var code []byte
		for t := range typed {
			code = append(code, get(f.variable(t))...)
		}
		code = append(code, call(f.callee)...)
		for t := len(typed) - 1; t >= 0; t-- {
			code = append(code, set(f.variable(t))...)
		}
		return code
	case n < 11 && depth > 0:
		counter := firstFor + depth - 1
		round := cat(get(counter), i32c(1), sub, tee(counter), brIf(0))
		return cat(i32c(int32(1+f.IntN(12))), set(counter), loop(void, cat(f.statements(depth-1), round)))
	case depth > 0:
		odd := cat(get(f.variable(0)), i32c(1), op(0x71))
		if f.IntN(2) == 0 {
			return block(void, cat(odd, brIf(0), f.statements(depth-1)))
		}
		return cat(odd, ifElse(void, f.statements(depth-1), f.statements(depth-1)))
	}
	return nil
}

// digest leaves an i64 that depends on every variable, but not on which NaN one is.
func digest() []byte {
	code := i64c(0)
	for i := range len(typed) * ofEach {
		code = append(code, cat(i64c(31), op(0x7e))...) // i64.mul
		v := get(i)
		switch typed[i%len(typed)].typ {
		case i32:
			v = cat(v, op(0xac))
		case f32:
			v = cat(v, op(0xbc, 0xac), i64c(0), v, v, op(0x5b, 0x1b)) // reinterpret, extend; f32.eq, select
		case f64:
			v = cat(v, op(0xbd), i64c(0), v, v, op(0x61, 0x1b))
		case v128:
			v = cat(v, op(0xfd, 0x1d, 0), v, op(0xfd, 0x1d, 1), op(0x85))
		}
		code = append(code, cat(v, op(0x7c))...)
	}
	return code
}

// randomModule has a function "f" that takes a value of each type and leaves its digest, and one that it calls.
func randomModule(r *rand.Rand) []byte {
	one := vals{i32, i64, f32, f64, v128}
	caller, leaf := &randomFunction{r, 1}, &randomFunction{r, -1}
	var all []byte
	for t := range typed {
		all = append(all, get(leaf.variable(t))...)
	}
	var begin []byte
	for _, constant := range [][]byte{
		i32c(r.Int32()), i64c(r.Int64()), cat(i32c(r.Int32()), op(0xb2)), cat(i64c(r.Int64()), op(0xb9)),
		cat(i64c(r.Int64()), op(0xfd, 0x12)),
	} {
		begin = append(begin, constant...)
	}
	return mod{memory: op(0, 1), fns: []fn{
		{name: "f", results: vals{i64}, code: cat(begin, call(2))},
		{params: one, results: one, locals: leaf.locals(), code: cat(leaf.statements(2), all)},
		{params: one, results: vals{i64}, locals: caller.locals(), code: cat(caller.statements(deepest), digest())},
	}}.bytes()
}

// checkSame runs such a module plain, and metered with slices of so much.
func checkSame(t *testing.T, config wazero.RuntimeConfig, seed uint64, slice int64) {
	t.Helper()
	wasm := randomModule(rand.New(rand.NewPCG(seed, 0)))
	out, info := rewrite(t, wasm, meter.Limits{Slice: slice})
	r := wazero.NewRuntimeWithConfig(t.Context(), config)
	defer r.Close(t.Context())
	run := func(wasm []byte, prepare func(api.Module)) (result uint64, memory []byte) {
		m, err := r.InstantiateWithConfig(t.Context(), wasm, wazero.NewModuleConfig().WithName(""))
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		prepare(m)
		results, err := m.ExportedFunction("f").Call(t.Context())
		if err != nil {
			t.Fatalf("seed %d, slice %d: %v", seed, slice, err)
		}
		memory, _ = m.Memory().Read(0, m.Memory().Size())
		return results[0], memory
	}
	want, plain := run(wasm, func(api.Module) {})
	got, metered := run(out, func(m api.Module) { bind(t, m, info).Arm(meter.MaxFuel) })
	if got != want || !bytes.Equal(metered, plain) {
		t.Errorf("seed %d, slice %d: metered it computes %#x and not %#x; memory the same: %v",
			seed, slice, got, want, bytes.Equal(metered, plain))
	}
}

func TestSame(t *testing.T) {
	n := uint64(200)
	if testing.Short() {
		n = 50
	}
	engines(t, func(t *testing.T, config wazero.RuntimeConfig) {
		for seed := range n {
			for _, slice := range []int64{1, 300} {
				checkSame(t, config, seed, slice)
			}
		}
	})
}

// FuzzSame looks for a seed and a slice that tell.
func FuzzSame(f *testing.F) {
	f.Add(uint64(1), uint16(1))
	f.Fuzz(func(t *testing.T, seed uint64, slice uint16) {
		checkSame(t, compiler(t), seed, 1+int64(slice))
	})
}
