package meter_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/retort-udp/retort/wasmhandler/meter"
)

// keeping is code that keeps the fuel in a local, for it begins with a loop without calls, of so many rounds. It
// counts them in the given local.
func keeping(rounds int32, local int) []byte {
	return loop(void, cat(get(local), i32c(1), add, tee(local), i32c(rounds), op(0x49), brIf(0))) // i32.lt_u
}

// roundCost is what a round of it costs: seven instructions and the end.
const roundCost = 7 + 1

// Whichever way a function is left that keeps the fuel in a local, what it used is known afterwards.
func TestFuelIsPutBack(t *testing.T) {
	const rounds = 1_000
	ways := map[string][]byte{
		"falling through":      nil,
		"return":               ret,
		"return from blocks":   cat(block(void, loop(void, block(void, ret))), unreachable),
		"return from an if":    cat(i32c(1), ifElse(void, ret, nop)),
		"br":                   br(0),
		"br from blocks":       cat(block(void, loop(void, br(2))), unreachable),
		"br_if":                cat(i32c(1), brIf(0), unreachable),
		"br_table":             cat(i32c(0), brTable(0, 0)),
		"br_table's default":   cat(block(void, cat(i32c(9), brTable(0, 1))), unreachable),
		"out of another loop":  cat(loop(void, cat(i32c(1), brIf(1))), unreachable),
		"a call behind":        call(1),
		"a call in a loop":     cat(loop(void, cat(call(1), get(1), i32c(1), add, tee(1), i32c(5), op(0x49), brIf(0)))),
		"memory.fill behind":   cat(i32c(0), i32c(0), i32c(8), memoryFill),
		"memory.grow behind":   cat(i32c(0), memoryGrow, drop),
		"an indirect call":     cat(i32c(0), callIndirect(1, 0)),
		"a loop with operands": cat(i32c(7), op(0x03, 2), i32c(1), add, op(0x0b), drop),
	}
	engines(t, func(t *testing.T, config wazero.RuntimeConfig) {
		for name, way := range ways {
			t.Run(name, func(t *testing.T) {
				cost := func(code []byte) uint64 {
					m := mod{
						memory: op(1, 1, 2), tables: [][]byte{{fref, 0, 1}}, types: [][2]vals{{{i32}, {i32}}},
						elems: [][]byte{cat(op(0), i32c(0), op(0x0b), vec(uleb(1)))},
						fns:   []fn{{name: "f", locals: vals{i32, i32}, code: code}, {}},
					}
					return instantiate(t, config, m.bytes(), meter.Limits{}).spent(t, "f")
				}
				without := cost(way)
				if with := cost(cat(keeping(rounds, 0), way)); with != without+1+rounds*roundCost { // 1 for the loop itself
					t.Errorf("it costs %d, and %d with %d rounds of %d", without, with, rounds, roundCost)
				}
			})
		}
	})
}

// Locals and operands keep their values, whatever their type, when a charge in a loop has to get the next slice: in
// a loop without calls, in one with a call, in one that takes operands, and in large functions.
func TestValuesSurviveCharges(t *testing.T) {
	type value struct {
		typ         byte
		first, same []byte // a constant; what tells whether two are equal
	}
	v128Equal := cat(op(0xfd, 0x51), op(0xfd, 0x53), op(0x45)) // v128.xor, v128.any_true, i32.eqz
	null := func(typ byte) value { return value{typ, op(0xd0, typ), cat(op(0x1a), op(0xd1))} }
	values := []value{
		{i32, i32c(-7), op(0x46)}, {i64, i64c(-7 << 40), op(0x51)},
		{f32, op(0x43, 0, 0, 0xc0, 0x3f), op(0x5b)}, {f64, op(0x44, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f), op(0x61)},
		{v128, op(0xfd, 0x0c, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16), v128Equal},
		null(fref), null(eref),
	}
	// Local 0 counts; then there are two of each type, which the loop exchanges, and so changes.
	locals := vals{i32}
	var begin, exchange, check []byte
	for i, v := range values {
		a, b := 1+2*i, 2+2*i
		locals = append(locals, v.typ, v.typ)
		begin = cat(begin, v.first, set(a), v.first, set(b))
		exchange = cat(exchange, get(a), get(b), set(a), set(b))
		check = cat(check, v.first, get(a), v.same, op(0x71), v.first, get(b), v.same, op(0x71)) // i32.and
	}
	rest := cat(get(0), i32c(1), add, tee(0), i32c(50), op(0x49), brIf(0))
	many := slices.Repeat(vals{i64}, 300)
	shapes := map[string]fn{
		"a loop":            {locals: locals, code: cat(begin, loop(void, cat(exchange, rest)))},
		"a loop with calls": {locals: locals, code: cat(begin, loop(void, cat(exchange, call(1), rest)))},
		"nested loops": {locals: locals, code: cat(begin, loop(void, cat(
			exchange, i32c(0), set(0), loop(void, cat(exchange, rest)))))},
		"a loop with operands": {locals: locals, code: cat(begin, i64c(3), op(0x03, 2), exchange, rest, op(0x0b),
			i64c(3), op(0x51), iff(void, nop))},
		"many locals": {locals: slices.Concat(locals, many), code: cat(begin, loop(void, cat(exchange, rest)))},
		"operands below": {locals: locals, code: cat(begin, f64Const, v128Const, loop(void, cat(exchange, rest)),
			values[4].first, v128Equal, op(0x45), iff(void, unreachable),
			values[3].first, op(0x61), op(0x45), iff(void, unreachable))},
	}
	engines(t, func(t *testing.T, config wazero.RuntimeConfig) {
		for name, f := range shapes {
			for _, slice := range []int64{1, 40, 1000} {
				t.Run(fmt.Sprint(name, ", slice ", slice), func(t *testing.T) {
					f := f
					f.name, f.results, f.code = "f", vals{i32}, cat(f.code, i32c(1), check)
					m := mod{fns: []fn{f, {}}, memory: op(0, 1), types: [][2]vals{{{i64}, {i64}}}}
					g := instantiate(t, config, m.bytes(), meter.Limits{Slice: slice})
					if got, err := g.call(1_000_000, "f"); err != nil || got[0] != 1 {
						t.Errorf("%v, %v", got, err)
					}
				})
			}
		}
	})
}

// What the operands below a loop are.
var (
	f64Const  = op(0x44, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f)
	v128Const = op(0xfd, 0x0c, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)
)

// In a loop around a br_table of many labels, as interpreters have it, each round costs what its own way weighs and not
// the heaviest one.
func TestDispatchPaysForItsWay(t *testing.T) {
	// Parameter 0 says which way, 1 how many rounds. Way n is n times ten instructions.
	const ways = 12
	var labels []int
	for n := range ways {
		labels = append(labels, n)
	}
	code := cat(get(0), brTable(labels...))
	for n := range ways {
		code = cat(block(void, code), rep(10*n, nop), br(ways-1-n)) // to the loop's end
	}
	code = loop(void, cat(block(void, code), get(1), i32c(1), sub, tee(1), brIf(0)))
	g := instantiate(t, wazero.NewRuntimeConfigInterpreter(), only(fn{name: "f", params: vals{i32, i32}, code: code}), meter.Limits{})
	for n := range uint64(ways) {
		const rounds, shared = 10, 1 + ways + 2 + 1 + 5 // blocks, br_table, br, the rest of the loop
		one, eleven := g.spent(t, "f", n, 1), g.spent(t, "f", n, 1+rounds)
		if got, least := (eleven-one)/rounds, 10*n+shared; got < least || got > least+20 {
			t.Errorf("a round of way %d costs %d, and takes %d", n, got, least)
		}
	}
}

// An entry is the function that it calls, with a budget, of which it tells what is left.
func TestEntries(t *testing.T) {
	limits := meter.Limits{Slice: 1_000, Entries: []string{"tight", "leaf", "absent", "memory"}}
	engines(t, func(t *testing.T, config wazero.RuntimeConfig) {
		g := instantiate(t, config, benchmarks.bytes(), limits)
		cost := g.spent(t, "tight", 1_000)
		tight := g.ExportedFunction(meter.Entry("tight"))
		for range 3 { // and again, for each call has a budget of its own
			got, err := tight.Call(t.Context(), 1_000, g.Budget(cost+7))
			if err != nil || len(got) != 2 || got[0] != 0 || meter.Left(got[1]) != 7 || g.Remaining() != 7 {
				t.Errorf("%v, %v, %d left", got, err, g.Remaining())
			}
			if _, err := tight.Call(t.Context(), 1_000, g.Budget(cost-1)); err == nil || g.Cause() != meter.Fuel {
				t.Errorf("one unit short: %v, %v", err, g.Cause())
			}
		}
		leaf := g.ExportedFunction(meter.Entry("leaf"))
		if got, err := leaf.Call(t.Context(), 40, 2, g.Budget(meter.MaxFuel)); err != nil || got[0] != 42 {
			t.Errorf("%v, %v", got, err)
		}
		for _, name := range []string{"absent", "memory", "fib"} {
			if g.ExportedFunction(meter.Entry(name)) != nil {
				t.Errorf("there is an entry for %s", name)
			}
		}
	})
}
