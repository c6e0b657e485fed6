package meter_test

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/retort-udp/retort/wasmhandler/internal/race"
	"github.com/retort-udp/retort/wasmhandler/meter"
)

// repeated is a module with one function of so many repetitions of a piece of code.
func repeated(n int, code []byte) []byte { return only(fn{params: vals{i32}, code: rep(n, code)}) }

func i64s(n int) vals { return vals(strings.Repeat(string([]byte{i64}), n)) }

// nested is so many blocks inside each other.
func nested(n int, open []byte) []byte { return cat(rep(n, open), rep(n, op(0x0b))) }

// Each limit allows what it says and no more, and the error says which it is and where.
func TestLimits(t *testing.T) {
	named := func(m mod) mod {
		names := vec(cat(uleb(0), str("first")), cat(uleb(1), str("parse")))
		m.custom = append(m.custom, cat(str("name"), op(1), sized(names)))
		return m
	}
	globals := func(n int) (g [][]byte) {
		for range n {
			g = append(g, mutable(i32, i32c(0)...))
		}
		return g
	}
	many := func(n int, item []byte) (items [][]byte) {
		for range n {
			items = append(items, item)
		}
		return items
	}
	functions := func(n int) []fn { return make([]fn, n) }
	call1000 := func(n int) []byte { // passes on 1,000 results each time
		f := fn{params: nil, results: i64s(1000), code: rep(1000, i64c(0))}
		return mod{fns: []fn{{code: rep(n, block(void, cat(call(1), br(0))))}, f}}.bytes()
	}
	if3 := cat(get(0), op(0x04, void), op(0x0b))
	for _, tt := range []struct {
		name   string
		what   string // in the error
		limits meter.Limits
		limit  int64
		make   func(n int) []byte // a module that is n large
	}{
		{"module", "bytes", meter.Limits{ModuleBytes: 5_000}, 5_000, func(n int) []byte {
			m := mod{custom: [][]byte{cat(str("pad"), make([]byte, n-8-3-4))}}.bytes()
			return m
		}},
		{"function", "bytes of code", meter.Limits{}, meter.DefaultFunctionBytes, func(n int) []byte {
			return only(fn{code: rep(n-2, nop)})
		}},
		{"locals", "locals", meter.Limits{}, meter.DefaultLocals, func(n int) []byte {
			return only(fn{locals: i64s(n)})
		}},
		{"parameters are locals", "locals", meter.Limits{Locals: 700}, 700, func(n int) []byte {
			return only(fn{params: i64s(n - 300), locals: i64s(300)})
		}},
		{"locals times blocks", "locals times blocks", meter.Limits{}, meter.DefaultLocalBlocks, func(n int) []byte {
			if n%1000 == 0 {
				return only(fn{locals: i64s(1000), code: rep(n/1000, block(void, nil))})
			}
			return only(fn{locals: i64s(997), code: rep((n+996)/997, block(void, nil))})
		}},
		{"bulk operations", "bulk operations", meter.Limits{}, meter.DefaultBulk, func(n int) []byte {
			return repeated(n, cat(i32c(0), i32c(0), i32c(0), memoryFill))
		}},
		{"nesting", "nested blocks", meter.Limits{}, meter.DefaultNesting, func(n int) []byte {
			return only(fn{code: nested(n, op(0x02, void))})
		}},
		{"nested ifs", "nested blocks", meter.Limits{Nesting: 128}, 128, func(n int) []byte {
			return only(fn{params: vals{i32}, code: nested(n, cat(get(0), op(0x04, void)))})
		}},
		{"nested loops", "nested loops", meter.Limits{}, meter.DefaultLoopNesting, func(n int) []byte {
			return only(fn{code: nested(n, op(0x03, void))})
		}},
		{"loops", "loops", meter.Limits{}, meter.MaxLoops, func(n int) []byte { return repeated(n, loop(void, nil)) }},
		{"blocks", "blocks", meter.Limits{}, meter.MaxBlocks, func(n int) []byte { return repeated(n, if3) }},
		{"branch targets", "branch targets", meter.Limits{}, meter.MaxBranchTargets, func(n int) []byte {
			return only(fn{code: block(void, cat(i32c(0), op(0x0e), uleb(uint64(n-1)), rep(n, op(0))))})
		}},
		{"operands passed on", "operands passed on", meter.Limits{}, 200, func(n int) []byte { return call1000(n) }},
		{"globals and calls", "mutable globals times calls", meter.Limits{}, 1000, func(n int) []byte {
			return mod{fns: []fn{{code: rep(n, call(1))}, {}}, globals: globals(500)}.bytes()
		}},
		{"types", "types", meter.Limits{}, meter.MaxTypes, func(n int) []byte {
			return mod{types: make([][2]vals, n)}.bytes()
		}},
		{"parameters", "parameters of a type", meter.Limits{}, meter.MaxParams, func(n int) []byte {
			return mod{types: [][2]vals{{i64s(n), nil}}}.bytes()
		}},
		{"results", "results of a type", meter.Limits{}, meter.MaxParams, func(n int) []byte {
			return mod{types: [][2]vals{{nil, i64s(n)}}}.bytes()
		}},
		{"imports", "imports", meter.Limits{}, meter.MaxImports, func(n int) []byte {
			return mod{imports: functions(n)}.bytes()
		}},
		{"tables", "tables", meter.Limits{}, meter.MaxTables, func(n int) []byte {
			return mod{tables: many(n, op(fref, 0, 0))}.bytes()
		}},
		{"globals", "globals", meter.Limits{}, meter.MaxGlobals, func(n int) []byte {
			return mod{globals: globals(n)}.bytes()
		}},
		{"exports", "exports", meter.Limits{}, meter.MaxExports, func(n int) []byte {
			m := mod{fns: functions(1)}
			for i := range n {
				m.exports = append(m.exports, cat(str(fmt.Sprint(i)), op(0, 0)))
			}
			return m.bytes()
		}},
		{"data segments", "data segments", meter.Limits{}, meter.MaxSegments, func(n int) []byte {
			return mod{memory: op(0, 1), datas: many(n, op(1, 0))}.bytes()
		}},
		{"element segments", "element segments", meter.Limits{}, meter.MaxSegments, func(n int) []byte {
			return mod{elems: many(n, op(1, 0, 0))}.bytes()
		}},
		{"elements", "elements in segments", meter.Limits{}, meter.MaxElements, func(n int) []byte {
			return mod{fns: functions(1), elems: [][]byte{cat(op(1, 0), uleb(uint64(n)), rep(n, op(0)))}}.bytes()
		}},
		{"kinds of bulk operations", "kinds of bulk operations", meter.Limits{}, meter.MaxBulkKinds, func(n int) []byte {
			three := cat(i32c(0), i32c(0), i32c(0))
			m := mod{memory: op(0, 1), datas: many(n, op(1, 0))}
			for first := 0; first < n; first += 1000 {
				var code []byte
				for i := first; i < min(first+1000, n); i++ {
					code = append(code, cat(three, op(0xfc, 8), uleb(uint64(i)), op(0))...)
				}
				m.fns = append(m.fns, fn{code: code})
			}
			return m.bytes()
		}},
		{"names", "names", meter.Limits{}, meter.MaxNames, func(n int) []byte {
			names := cat(uleb(uint64(n)), rep(n, op(0, 0)))
			return mod{custom: [][]byte{cat(str("name"), op(1), sized(names))}}.bytes()
		}},
		{"names of locals", "names", meter.Limits{}, meter.MaxNames, func(n int) []byte {
			names := cat(op(1, 0), uleb(uint64(n-1)), rep(n-1, op(0, 0)))
			return mod{custom: [][]byte{cat(str("name"), op(2), sized(names))}}.bytes()
		}},
		{"table elements", "table elements", meter.Limits{}, meter.DefaultTableElements, func(n int) []byte {
			return mod{tables: [][]byte{{fref, 0, 100}, cat(op(fref, 0), uleb(uint64(n-100)))}}.bytes()
		}},
		{"functions", "functions", meter.Limits{}, meter.MaxFunctions, func(n int) []byte {
			one := cat(op(0x60, 0, 0))
			return cat([]byte("\x00asm\x01\x00\x00\x00"), section(1, vec(one)),
				section(3, cat(uleb(uint64(n)), rep(n, op(0)))),
				section(10, cat(uleb(uint64(n)), rep(n, op(2, 0, 0x0b)))))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, _, err := meter.Rewrite(tt.make(int(tt.limit)), tt.limits); err != nil {
				t.Errorf("%d: %v", tt.limit, err)
			}
			_, _, err := meter.Rewrite(tt.make(int(tt.limit)+1), tt.limits)
			var limit *meter.LimitError
			if !errors.As(err, &limit) || !strings.HasPrefix(limit.What, tt.what) {
				t.Fatalf("%d: %v", tt.limit+1, err)
			}
			if limit.Have <= limit.Limit || !strings.Contains(err.Error(), fmt.Sprint(limit.Limit)) ||
				!strings.Contains(err.Error(), limit.What) || !strings.Contains(err.Error(), limit.Where) {
				t.Errorf("%+v: %v", limit, err)
			}
		})
	}

	// The function is named, by its index and its name.
	tooMany := fn{locals: i64s(1001)}
	for want, m := range map[string]mod{
		`function 1 ("parse"): 1001 locals, of at most 1000`: named(mod{fns: []fn{{}, tooMany}}),
		`function 1: 1001 locals, of at most 1000`:           {imports: []fn{{name: "x"}}, fns: []fn{tooMany}},
		`function 1 ("parse"): 131073 bytes of code, of at most 131072`: named(mod{
			fns: []fn{{}, {code: rep(131071, nop)}},
		}),
	} {
		if _, _, err := meter.Rewrite(m.bytes(), meter.Limits{}); err == nil || err.Error() != "meter: "+want {
			t.Errorf("%v, not %s", err, want)
		}
	}
}

// A module may not become much larger than it was: 12 MB of empty loops would be 70.
func TestMeteredBytes(t *testing.T) {
	if race.Enabled {
		t.Skip("instrumented, this takes minutes, and there is but one goroutine")
	}
	wasm := mod{fns: slices.Repeat([]fn{{code: rep(480, loop(void, nop))}}, 6_000)}.bytes()
	_, _, err := meter.Rewrite(wasm, meter.Limits{})
	var limit *meter.LimitError
	if !errors.As(err, &limit) || limit.What != "bytes when metered" || limit.Limit != meter.MaxMeteredBytes {
		t.Errorf("%d bytes: %v", len(wasm), err)
	}
}

// Limits that make no sense are errors, whatever the module.
func TestBadLimits(t *testing.T) {
	for _, l := range []meter.Limits{
		{StartFuel: -1}, {StartFuel: meter.MaxFuel + 1}, {Slice: -5}, {Slice: 1 << 31}, {Frames: -1}, {FrameBytes: -1},
		{Frames: 100, FrameBytes: 99}, {FrameBytes: 1 << 31}, {TableElements: -1}, {ModuleBytes: -1}, {FunctionBytes: -1},
		{FunctionBytes: 1 << 30}, {Locals: -1}, {LocalBlocks: -1}, {Bulk: -1}, {Nesting: -1}, {LoopNesting: -1},
	} {
		if _, _, err := meter.Rewrite(benchmarks.bytes(), l); err == nil {
			t.Errorf("%+v passed", l)
		}
	}
}

// Modules that are known to cost a compiler seconds and gigabytes are refused before it sees them.
func TestCompileBombs(t *testing.T) {
	sets := func(n int) (code []byte) {
		for i := range n {
			code = append(code, cat(get(i), op(0x79), set(i))...)
		}
		return code
	}
	swaps := cat(get(0), get(1), get(2), set(0), set(1), set(2))
	for name, wasm := range map[string][]byte{
		"fills":              repeated(27_000, cat(i32c(0), i32c(0), i32c(0), memoryFill)),
		"fills in functions": repeated(1_001, cat(i32c(0), i32c(0), i32c(0), memoryFill)),
		"swaps in blocks":    only(fn{locals: i64s(1000), code: rep(500, block(void, swaps))}),
		"locals":             only(fn{locals: i64s(60_000)}),
		"blocks":             repeated(20_000, cat(get(0), op(0x04, void), op(0x0b))),
		"deep blocks":        only(fn{code: nested(20_000, op(0x02, void))}),
		"deep loops": only(fn{params: vals{i32}, code: cat(
			rep(5_000, op(0x03, void)), rep(5_000, cat(get(0), brIf(0), op(0x0b))))}),
		"loops with locals": only(fn{params: vals{i32}, locals: i64s(100), code: cat(
			rep(1_000, op(0x03, void)), rep(1_000, cat(get(0), brIf(0), op(0x0b))))}),
		"ifs with locals": only(fn{locals: i64s(400), code: cat(
			rep(1_000, cat(get(0), op(0x50, 0x04, void))), sets(100), rep(1_000, op(0x0b)))}),
		"br_table": only(fn{code: block(void, cat(i32c(0), op(0x0e), uleb(120_000), rep(120_001, op(0))))}),
		"results": mod{fns: []fn{
			{code: rep(18_000, block(void, cat(call(1), br(0))))},
			{results: i64s(1000), code: rep(1000, i64c(0))},
		}}.bytes(),
		"globals": mod{fns: []fn{{code: rep(60_000, call(1))}, {}}, globals: func() (g [][]byte) {
			for range 1000 {
				g = append(g, mutable(i64, i64c(0)...))
			}
			return g
		}()}.bytes(),
		"tables": cat([]byte("\x00asm\x01\x00\x00\x00"), section(4, cat(uleb(1<<20), rep(1<<20, op(fref, 0, 1))))),
		"table":  mod{tables: [][]byte{cat(op(fref, 0), uleb(1<<27))}}.bytes(),
	} {
		_, _, err := meter.Rewrite(wasm, meter.Limits{})
		var limit *meter.LimitError
		if !errors.As(err, &limit) {
			t.Errorf("%s, %d bytes: %v", name, len(wasm), err)
		}
	}
}

// What a few bytes announce is not believed: it costs no memory.
func TestAnnouncedCounts(t *testing.T) {
	head := []byte("\x00asm\x01\x00\x00\x00")
	huge := []byte{0xff, 0xff, 0xff, 0xff, 0x0f}
	body := func(content []byte) []byte {
		return cat(head, section(1, vec(op(0x60, 0, 0))), section(3, op(1, 0)), section(10, vec(sized(content))))
	}
	modules := map[string][]byte{
		"a section's length": cat(head, op(1), huge),
		"a name":             cat(head, section(2, cat(op(1), huge))),
		"a function's size":  cat(head, section(1, vec(op(0x60, 0, 0))), section(3, op(1, 0)), section(10, cat(op(1), huge))),
		"groups of locals":   body(cat(huge, op(1, i64, 0x0b))),
		"locals":             body(cat(op(1), huge, op(i64, 0x0b))),
		"br_table":           body(cat(op(0), i32c(0), op(0x0e), huge, op(0x0b))),
		"names":              cat(head, section(0, cat(str("name"), op(1), sized(huge)))),
		"names of locals":    cat(head, section(0, cat(str("name"), op(2), sized(cat(op(1, 0), huge))))),
		"parameters":         cat(head, section(1, cat(op(1, 0x60), huge))),
		"elements":           cat(head, section(9, cat(op(1, 1, 0), huge))),
		"data count":         cat(head, section(12, huge)),
		"data":               cat(head, section(11, cat(op(1, 1), huge))),
		"active data":        cat(head, section(5, op(1, 0, 1)), section(11, cat(op(1, 0), i32c(0), op(0x0b), huge))),
	}
	for id := byte(1); id < 12; id++ {
		if id != 8 {
			modules[fmt.Sprint("section ", id)] = cat(head, section(id, cat(huge, op(0, 0))))
		}
	}
	for name, wasm := range modules {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _, err := meter.Rewrite(wasm, meter.Limits{})
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%s: passed", name)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
			t.Errorf("%s: %d bytes were allocated", name, n)
		}
	}
}
