package meter_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/retort-udp/retort/wasmhandler/meter"
)

// bulk has the bulk memory operations as functions of their operands, over 32 pages and a segment of 1 MiB.
func bulk() []byte {
	three := vals{i32, i32, i32}
	segment := make([]byte, 1<<20)
	for i := range segment {
		segment[i] = byte(i * i >> 7)
	}
	operands := cat(get(0), get(1), get(2))
	return mod{
		fns: []fn{
			{name: "fill", params: three, code: cat(operands, memoryFill)},
			{name: "copy", params: three, code: cat(operands, memoryCopy)},
			{name: "init", params: three, code: cat(operands, op(0xfc, 8, 0, 0))},
			{name: "drop", code: op(0xfc, 9, 0)},
		},
		memory: op(0, 32),
		datas:  [][]byte{cat(op(1), sized(segment))},
	}.bytes()
}

// Bulk operations that are done in pieces do what they do in one: overlapping ranges come out right, and out
// of bounds nothing changes.
func TestBulkInPieces(t *testing.T) {
	const size, segment = 32 << 16, 1 << 20
	engines(t, func(t *testing.T, config wazero.RuntimeConfig) {
		metered := instantiate(t, config, bulk(), meter.Limits{})
		r := wazero.NewRuntimeWithConfig(t.Context(), config)
		defer r.Close(t.Context())
		plain, err := r.Instantiate(t.Context(), bulk())
		if err != nil {
			t.Fatal(err)
		}
		random := rand.New(rand.NewPCG(1, 2))
		at := func(limit uint32) uint64 { // often near an edge
			switch random.IntN(8) {
			case 0:
				return 0
			case 1:
				return uint64(limit)
			case 2:
				return uint64(limit - random.Uint32N(1<<19))
			case 3:
				return uint64(random.Uint32())
			}
			return uint64(random.Uint32N(limit))
		}
		length := func() uint64 {
			switch random.IntN(8) {
			case 0:
				return uint64(random.Uint32N(64))
			case 1:
				return uint64(random.Uint32())
			case 2:
				return 256<<10 + uint64(random.Uint32N(3)) - 1
			}
			return uint64(random.Uint32N(size))
		}
		trapped, done := 0, 0
		for i := range 300 {
			name, args := "fill", []uint64{at(size), uint64(i), length()}
			switch random.IntN(5) {
			case 0, 1, 2:
				name, args = "copy", []uint64{at(size), at(size), length()}
				if random.IntN(2) == 0 { // near each other
					args[1] = args[0] + uint64(random.IntN(1<<19)) - 1<<18
					args[1] = uint64(uint32(args[1]))
				}
			case 3:
				name, args = "init", []uint64{at(size), at(segment), length()}
			}
			if i == 290 {
				name, args = "drop", nil
			}
			if i > 290 {
				name, args = "init", []uint64{uint64(i % 2), 0, uint64(random.IntN(2) << 19)}
			}
			_, want := plain.ExportedFunction(name).Call(t.Context(), args...)
			_, got := metered.call(100_000_000, name, args...)
			if reason(got) != reason(want) || metered.Cause() != meter.Own {
				t.Fatalf("%s%v: %v (%v), plain %v", name, args, got, metered.Cause(), want)
			}
			if want == nil {
				done++
			} else {
				trapped++
			}
			x, _ := plain.Memory().Read(0, size)
			y, _ := metered.Memory().Read(0, size)
			if !bytes.Equal(x, y) {
				t.Fatalf("%s%v: memories differ", name, args)
			}
		}
		if trapped < 50 || done < 50 {
			t.Errorf("%d operations trapped, %d did not", trapped, done)
		}
	})
}

// A storm of bulk operations is paid for by the byte: no budget fills more than it buys.
func TestBulkStorm(t *testing.T) {
	engines(t, func(t *testing.T, config wazero.RuntimeConfig) {
		for name, code := range map[string][]byte{
			"memory.fill": cat(i32c(0), i32c(1), i32c(2<<20), memoryFill),
			"memory.copy": cat(i32c(0), i32c(1<<20), i32c(1<<20), memoryCopy),
			"memory.init": cat(i32c(0), i32c(0), i32c(1<<18), op(0xfc, 8, 0, 0)),
			"table.fill":  cat(i32c(0), op(0xd0, fref), i32c(60_000), op(0xfc, 17, 0)),
			"table.copy":  cat(i32c(0), i32c(1), i32c(60_000), op(0xfc, 14, 0, 0)),
			"table.init":  cat(i32c(0), i32c(0), i32c(50), op(0xfc, 12, 0, 0)),
			"table.grow":  cat(op(0xd0, fref), i32c(2), op(0xfc, 15, 1), drop),
			"memory.grow": cat(i32c(1), memoryGrow, drop),
		} {
			var refs [][]byte
			for range 50 {
				refs = append(refs, uleb(0))
			}
			m := mod{
				fns:     []fn{{name: "f", code: loop(void, cat(count, code, br(0)))}},
				globals: [][]byte{mutable(i32, i32c(0)...)},
				memory:  op(1, 32, 0x80, 8), // 1024 pages at most
				tables:  [][]byte{cat(op(fref, 0), uleb(60_001)), {fref, 0, 0}},
				datas:   [][]byte{cat(op(1), sized(make([]byte, 1<<18)))},
				elems:   [][]byte{cat(op(1, 0), vec(refs...))},
			}
			g := instantiate(t, config, m.bytes(), meter.Limits{})
			const budget = 1_000_000
			if _, err := g.call(budget, "f"); err == nil || g.Cause() != meter.Fuel {
				t.Errorf("%s: %v, %v", name, err, g.Cause())
			}
			cost := map[string]uint64{
				"memory.fill": 2 << 20 / 16, "memory.copy": 1 << 20 / 16, "memory.init": 1 << 18 / 16,
				"table.fill": 60_000, "table.copy": 60_000, "table.init": 50,
			}[name]
			if name == "memory.grow" {
				// It is paid for when it is done, so that the last one is one too many.
				if pages := uint64(g.Memory().Size()>>16) - 32; pages > budget/meter.PageFuel+1 {
					t.Errorf("memory grew by %d pages", pages)
				}
			}
			done := g.ExportedGlobal(g.info.Globals[0].Export).Get()
			if cost > 0 && done > budget/cost+1 {
				t.Errorf("%s: %d times for %d units", name, done, budget)
			}
		}
	})
}

// Tables grow to so many elements together, and no further.
func TestTableGrow(t *testing.T) {
	grow := func(table int) []byte {
		return cat(op(0xd0, []byte{fref, fref, eref}[table]), get(0), op(0xfc, 15, byte(table)))
	}
	size := func(table int) []byte { return op(0xfc, 16, byte(table)) }
	m := mod{
		fns: []fn{
			{name: "grow0", params: vals{i32}, results: vals{i32}, code: grow(0)},
			{name: "grow1", params: vals{i32}, results: vals{i32}, code: grow(1)},
			{name: "grow2", params: vals{i32}, results: vals{i32}, code: grow(2)},
			{name: "sizes", results: vals{i32}, code: cat(size(0), size(1), size(2), size(3), add, add, add)},
		},
		memory: op(0, 1),
		tables: [][]byte{{fref, 0, 10}, {fref, 1, 20, 50}, {eref, 0, 0}, {fref, 0, 100}},
	}
	const no = 0xffffffff
	engines(t, func(t *testing.T, config wazero.RuntimeConfig) {
		g := instantiate(t, config, m.bytes(), meter.Limits{TableElements: 1_000})
		if g.info.Tables != 4 || g.info.TableElements != 130 || !g.info.TablesWritten || g.info.Restorable() {
			t.Errorf("%+v", g.info)
		}
		total := uint64(130)
		for _, step := range []struct {
			name      string
			n, answer uint64
		}{
			{"grow0", 871, no}, {"grow0", no, no}, {"grow2", 1 << 31, no},
			{"grow0", 0, 10}, {"grow0", 500, 10}, {"grow0", 371, no},
			{"grow1", 31, no}, // its own maximum
			{"grow1", 30, 20}, {"grow2", 341, no}, {"grow2", 340, 0}, {"grow2", 0, 340},
			{"grow0", 1, no}, {"grow1", 1, no}, {"grow2", 1, no}, {"grow0", 0, 510},
		} {
			got, err := g.call(100_000, step.name, step.n)
			if err != nil || got[0] != step.answer {
				t.Errorf("%s(%d): %v, %v, not %d", step.name, step.n, got, err, step.answer)
			}
			if step.answer != no {
				total += step.n
			}
			if sizes, err := g.call(1_000, "sizes"); err != nil || sizes[0] != total {
				t.Errorf("%v elements, %v, not %d", sizes, err, total)
			}
		}

		g = instantiate(t, config, m.bytes(), meter.Limits{})
		if got, err := g.call(100_000, "grow0", meter.DefaultTableElements-130); err != nil || got[0] != 10 {
			t.Errorf("to the default limit: %v, %v", got, err)
		}
		if got, err := g.call(100_000, "grow0", 1); err != nil || got[0] != no {
			t.Errorf("beyond the default limit: %v, %v", got, err)
		}
	})
}
