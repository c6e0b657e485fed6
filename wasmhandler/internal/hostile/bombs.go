package hostile

import (
	"slices"
	"strings"

	"github.com/retort-udp/retort/wasmhandler/internal/wasmgen"
)

// bombs are small modules that take a compiler long, or much memory, when nobody stops it; and beside each, one
// that stays just within what is allowed, which is how bad it can get.
func bombs() []Case {
	return []Case{
		{"bomb-phi", "1,000 local variables that 2,500 blocks may change: at the end of each block a compiler " +
			"has to say which value each variable has. 38 kB took wazero 7 s.",
			"refused: locals times blocks, of at most 100000", func() []byte { return phi(990, 2500) }},
		{"edge-phi", "990 local variables that 100 blocks may change.",
			`8 replies of ""`, func() []byte { return phi(990, 100) }},
		{"bomb-loops", "500 loops inside each other, and as many local variables. 8 kB took wazero 16 s.",
			"refused: nested loops, of at most", func() []byte { return nested(500, 500) }},
		{"edge-loops", "120 loops inside each other, and 800 local variables.",
			`8 replies of ""`, func() []byte { return nested(120, 800) }},
		{"bomb-locals", "50,000 local variables, some of which are changed in 3,000 blocks. 34 kB took wazero 12 s.",
			"refused: 50005 locals, of at most 1000", func() []byte { return phi(50_000, 3000) }},
		{"bomb-branches", "100 br_table instructions with 1,000 branches each. " +
			"200 of them took wazero 4.5 s and 460 MiB.",
			"refused: branch targets, of at most", func() []byte { return branches(100, 1000) }},
		{"edge-branches", "99 br_table instructions with 100 branches each.",
			`8 replies of ""`, func() []byte { return branches(99, 100) }},
		{"bomb-fill", "14,000 memory.fill in a row. 90 kB of 10,000 took wazero 6 s and 324 MiB.",
			"refused: bulk operations, of at most 1000", func() []byte { return fills(14_000) }},
		{"edge-fill", "999 memory.fill in a row.",
			`8 replies of ""`, func() []byte { return fills(999) }},
		{"bomb-nesting", "3,500 blocks inside each other.",
			"refused: nested blocks, of at most", func() []byte {
				return wasmgen.Replying(code{}.Repeat(3500, code{}.Block()).Repeat(3500, code{}.End()).I32(0))
			}},
		{"bomb-blocks", "4,500 blocks in a row, with a branch out of each.",
			"refused: blocks, of at most", func() []byte {
				return wasmgen.Replying(code{}.Repeat(4500, code{}.Block().Get(request).BrIf(0).End()).I32(0))
			}},
		{"bomb-block-values", "1,000 loops in a row, each of which takes and gives 1,000 values. " +
			"12 kB took wazero 2.6 s.",
			"refused: operands passed on by calls, blocks and branches, of at most",
			func() []byte { return blockValues(1000, 1000) }},
		{"bomb-calls", "A function that takes and gives 1,000 values, called 300 times in a row.",
			"refused: operands passed on by calls, blocks and branches, of at most", func() []byte {
				const values = 1000
				all := strings.Repeat("i", values)
				var same code
				for i := range values {
					same = same.Get(i)
				}
				m := new(wasmgen.Module)
				f := m.Function(all, all, same)
				calls := code{}.Repeat(values, code{}.Get(request)).Repeat(300, code{}.Call(f))
				return m.Handler(m.Function(wasmgen.ReplyParams, "i", calls.Repeat(values, code{}.Op(wasmgen.Drop)).I32(0)))
			}},
		{"bomb-globals", "10,000 global variables, which a function reads anew after each of 1,000 calls.",
			"refused: mutable globals times calls, of at most", func() []byte {
				m := new(wasmgen.Module)
				for range 9_990 {
					m.Global(1)
				}
				f := m.Function("", "", nil)
				return m.Handler(m.Function(wasmgen.ReplyParams, "i", code{}.Repeat(1000, code{}.Call(f)).I32(0)))
			}},
		{"bomb-length", "A function of 300 kB without a single branch.",
			"refused: bytes of code, of at most 131072", func() []byte { return straight(100_000) }},
		{"edge-length", "A function of 120 kB without a single branch.",
			`8 replies of ""`, func() []byte { return straight(40_000) }},
		{"edge-many", "Ten functions, each just within the limits of one. " +
			"No rule bounds their number but that of a module's bytes.",
			`8 replies of ""`, func() []byte {
				m := new(wasmgen.Module)
				t := m.Type(wasmgen.ReplyParams, "i")
				c, l := phiCode(990, 100)
				for range 10 {
					m.FunctionOf(t, c, l)
				}
				return m.Handler(-1)
			}},
	}
}

// phiCode is a function whose local variables are changed in as many blocks, each of which may be passed over.
func phiCode(variables, blocks int) (code, locals) {
	var c code
	for i := range blocks {
		from, to := parameters+i%variables, parameters+(i+1)%variables
		c = c.Get(request).If().Get(from).I32(1).Op(wasmgen.Add).Set(to).End()
	}
	for i := range min(variables, 1000) { // so that their values matter to the end
		c = c.Get(parameters + i).Op(wasmgen.Drop)
	}
	return c.I32(0), locals{Count: uint32(variables), Type: 'i'}
}

func phi(variables, blocks int) []byte { return wasmgen.Replying(phiCode(variables, blocks)) }

// nested is a function with loops inside each other, each of which changes a variable.
func nested(loops, variables int) []byte {
	var c code
	for i := range loops {
		from, to := parameters+i%variables, parameters+(i+1)%variables
		c = c.Loop().Get(from).I32(1).Op(wasmgen.Add).Set(to)
	}
	for range loops {
		c = c.I32(0).BrIf(0).End()
	}
	return wasmgen.Replying(c.I32(0), locals{Count: uint32(variables), Type: 'i'})
}

// branches is a function with that many br_table, each of which may branch to a hundred places.
func branches(tables, targets int) []byte {
	const places = 100
	depths := make([]int, targets)
	for i := range depths {
		depths[i] = i % places
	}
	one := code{}.Block().Get(request).BrTable(depths...).End()
	c := code{}.Repeat(places, code{}.Block()).Repeat(tables, one).Repeat(places, code{}.End())
	return wasmgen.Replying(c.I32(0))
}

// fills is a function with n memory.fill of no byte.
func fills(n int) []byte {
	return wasmgen.Replying(code{}.Repeat(n, code{}.I32(0).I32(0).I32(0).MemoryFill()).I32(0))
}

// straight is a function with n additions in a row. Its result depends on them and is a length that it may have.
func straight(n int) []byte {
	return wasmgen.Replying(code{}.Get(request).Repeat(n, code{}.Get(request).Op(wasmgen.Add)).I32(0).Op(wasmgen.Mul))
}

// blockValues is a function with that many loops, through which so many values are passed.
func blockValues(loops, values int) []byte {
	m := new(wasmgen.Module)
	t := m.Type(strings.Repeat("i", values), strings.Repeat("i", values))
	loop := slices.Concat([]byte{0x03}, wasmgen.Int(int64(t)))
	c := code{}.Repeat(values, code{}.Get(request))
	for range loops {
		c = append(c, loop...).I32(0).BrIf(0).End()
	}
	return m.Handler(m.Function(wasmgen.ReplyParams, "i", c.Repeat(values, code{}.Op(wasmgen.Drop)).I32(0)))
}
