package meter

import (
	"fmt"
	"math/bits"
	"slices"
)

// Helpers are functions that the meter adds behind the original's own. They do what depends on operands or is
// seldom needed, so that the original's code grows little. Only rewritten code calls them.

// bulkChunk is how many bytes a bulk memory operation handles at once. A longer one is done in pieces, so
// that it is paid for as it proceeds and lets go between them.
const bulkChunk = 256 << 10

// A helper is a function that the meter adds.
type helper struct {
	name   string // behind Prefix
	typ    funcType
	locals []byte // value types, one local each
	code   func(c *code)
}

// A use is what an instruction of the original that becomes a call of a helper does, and to what.
type use struct {
	op   opcode
	a, b uint32
}

// addHelper adds a helper and returns its function index.
func (e *emitter) addHelper(h *helper) uint32 {
	e.helpers = append(e.helpers, h)
	return uint32(len(e.m.functions) + len(e.helpers) - 1)
}

// helperFor returns the function index of the helper that stands in for an instruction.
func (e *emitter) helperFor(u use) uint32 {
	i, ok := e.byUse[u]
	if !ok {
		i = e.addHelper(e.newHelper(u))
		e.byUse[u] = i
	}
	return i
}

// append writes a helper's body.
func (h *helper) append(b []byte) []byte {
	c := code(appendU32(nil, uint32(len(h.locals))))
	for _, t := range h.locals {
		c = append(c, 1, t)
	}
	h.code(&c)
	c.do(opEnd)
	return append(appendU32(b, uint32(len(c))), c...)
}

// The names of helpers that trap, behind Prefix.
const (
	refillName = "refill"
	enterName  = "enter"
)

// Value types as parameter lists are made of them.
const (
	i32 = byte(I32)
	i64 = byte(I64)
)

// refillHelper makes the helper that is called when the slice is used up. It pays what the slice is short of
// out of the fuel beyond it, traps if that is not enough, and otherwise begins the next slice and lets go. It
// returns the slice. See fuelName for how one number holds both.
func (e *emitter) refillHelper() *helper {
	const total, slice = 0, 1
	return &helper{refillName, funcType{results: []byte{i32}}, []byte{i64, i64}, func(c *code) {
		c.at(opGlobalGet, e.fuel)
		c.at(opGlobalGet, e.fuel)
		c.do(opI64Extend32)
		c.at(opLocalTee, slice)
		c.do(opI64Sub)
		c.number(opI64Const, 32)
		c.do(opI64ShrS)
		c.get(slice)
		c.do(opI64Add)
		c.at(opLocalTee, total)
		c.number(opI64Const, 0)
		c.do(opI64LtS)
		c.number(opIf, emptyBlock)
		c.number(opI64Const, int64(pack(-1, 0)))
		c.at(opGlobalSet, e.fuel) // where the host finds it
		c.do(opUnreachable, opEnd)

		c.get(total)
		c.number(opI64Const, e.limits.Slice)
		c.get(total)
		c.number(opI64Const, e.limits.Slice)
		c.do(opI64LtS, opSelect)
		c.at(opLocalSet, slice)
		c.get(total, slice)
		c.do(opI64Sub)
		c.number(opI64Const, 32)
		c.do(opI64Shl)
		c.get(slice)
		c.do(opI64Or)
		c.at(opGlobalSet, e.fuel)

		c.at(opRefNull)
		*c = append(*c, byte(FuncRef))
		c.number(opI32Const, 0)
		c.at(opTableGrow, e.table)
		c.do(opDrop)
		c.get(slice)
		c.do(opI32Wrap)
	}}
}

// enterHelper makes the helper that is called when a function cannot just be entered: its frame does not fit,
// or the slice is used up. It takes what the frame still needs and returns the slice.
func (e *emitter) enterHelper() *helper {
	const due = 0
	return &helper{enterName, funcType{[]byte{i32}, []byte{i32}}, nil, func(c *code) {
		c.at(opGlobalGet, e.stack)
		c.get(due)
		c.do(opI32Sub)
		c.number(opI32Const, 0)
		c.do(opI32LtS)
		c.number(opIf, emptyBlock)
		c.number(opI32Const, -1)
		c.at(opGlobalSet, e.stack) // where the host finds it
		c.do(opUnreachable, opEnd)
		c.at(opCall, e.refill)
	}}
}

// entryHelper makes the helper that takes a budget, calls an exported function, and returns what is left.
func (e *emitter) entryHelper(n entry) *helper {
	of := e.m.function(n.function)
	params := uint32(len(of.params))
	t := funcType{append(slices.Clone(of.params), i64), append(slices.Clone(of.results), i64)}
	return &helper{"call." + n.name, t, nil, func(c *code) {
		c.get(params)
		c.at(opGlobalSet, e.fuel)
		for i := range params {
			c.get(i)
		}
		c.at(opCall, n.function)
		c.at(opGlobalGet, e.fuel)
	}}
}

// newHelper makes the helper that stands in for an instruction.
func (e *emitter) newHelper(u use) *helper {
	three := funcType{params: []byte{i32, i32, i32}}
	const d, s, n = 0, 1, 2 // the parameters of most
	switch u.op {
	case opMemoryFill:
		return &helper{"memory.fill", three, []byte{i32}, func(c *code) {
			e.bulk(c, false, func() { c.do(u.op); *c = append(*c, 0) })
		}}
	case opMemoryCopy:
		return &helper{"memory.copy", three, []byte{i32}, func(c *code) {
			e.bulk(c, true, func() { c.do(u.op); *c = append(*c, 0, 0) })
		}}
	case opMemoryInit:
		return &helper{fmt.Sprintf("memory.init.%d", u.a), three, []byte{i32}, func(c *code) {
			e.bulk(c, true, func() { c.at(u.op, u.a, 0) })
		}}
	case opTableInit, opTableCopy:
		name := "table.init"
		if u.op == opTableCopy {
			name = "table.copy"
		}
		return &helper{fmt.Sprintf("%s.%d.%d", name, u.a, u.b), three, nil, func(c *code) {
			c.get(d, s, n)
			c.at(u.op, u.a, u.b)
			e.pay(c, n, ElementsPerFuel)
		}}
	case opTableFill:
		params := []byte{i32, byte(e.m.tables[u.a].typ), i32}
		return &helper{fmt.Sprintf("table.fill.%d", u.a), funcType{params: params}, nil, func(c *code) {
			c.get(d, s, n)
			c.at(u.op, u.a)
			e.pay(c, n, ElementsPerFuel)
		}}
	case opTableGrow:
		e.growing[u.a] = true
		t := funcType{[]byte{byte(e.m.tables[u.a].typ), i32}, []byte{i32}}
		return &helper{fmt.Sprintf("table.grow.%d", u.a), t, []byte{i32}, func(c *code) { e.growTable(c, u.a) }}
	default: // memory.grow
		return &helper{"memory.grow", funcType{[]byte{i32}, []byte{i32}}, []byte{i32}, e.growMemory}
	}
}

// short writes the end of a payment: the slice has become smaller by an operand, and may be used up.
func (e *emitter) short(c *code) {
	c.do(opI64Sub)
	c.at(opGlobalSet, e.fuel)
	e.slice(c)
	c.number(opI32Const, 0)
	c.do(opI32LtS)
	c.number(opIf, emptyBlock)
	c.at(opCall, e.refill)
	c.do(opDrop, opEnd)
}

// pay takes a local's value, over so many (a power of two) to a unit, from the slice.
func (e *emitter) pay(c *code, local uint32, perFuel uint64) {
	c.at(opGlobalGet, e.fuel)
	c.get(local)
	c.do(opI64ExtendU)
	if shift := bits.TrailingZeros64(perFuel); shift > 0 {
		c.number(opI64Const, int64(shift))
		c.do(opI64ShrU)
	}
	e.short(c)
}

// bulk writes a bulk memory operation of destination, source (or value) and length. It is done in pieces,
// each paid for in advance; but when a range is out of bounds nothing may change, so that first of all the
// operation is tried with length 0 where it will end.
func (e *emitter) bulk(c *code, source bool, do func()) {
	const d, s, n, piece = 0, 1, 2, 3
	end := func(local uint32) {
		c.get(local, n)
		c.do(opI32Add)
	}

	c.get(n)
	c.number(opI32Const, bulkChunk)
	c.do(opI32LeU)
	c.number(opIf, emptyBlock)
	e.pay(c, n, BytesPerFuel)
	c.get(d, s, n)
	do()
	c.do(opReturn, opEnd)

	// A range whose end is beyond 32 bits is out of bounds, save in a memory of 4 GiB: the operation itself
	// knows.
	end(d)
	c.get(d)
	c.do(opI32LtU)
	if source {
		end(s)
		c.get(s)
		c.do(opI32LtU, opI32Or)
	}
	c.number(opIf, emptyBlock)
	c.get(d, s, n)
	do()
	e.pay(c, n, BytesPerFuel)
	c.do(opReturn, opEnd)

	end(d)
	if source {
		end(s)
	} else {
		c.get(s)
	}
	c.number(opI32Const, 0)
	do()

	if source { // ranges may overlap: to higher addresses, the last piece goes first
		c.get(d, s)
		c.do(opI32GtU)
		c.number(opIf, emptyBlock)
		c.number(opLoop, emptyBlock)
		e.piece(c)
		c.get(n, piece)
		c.do(opI32Sub)
		c.at(opLocalSet, n)
		end(d)
		end(s)
		c.get(piece)
		do()
		c.get(n)
		c.at(opBrIf, 0)
		c.do(opEnd, opReturn, opEnd)
	}

	c.number(opLoop, emptyBlock)
	e.piece(c)
	c.get(d, s, piece)
	do()
	c.get(d, piece)
	c.do(opI32Add)
	c.at(opLocalSet, d)
	if source {
		c.get(s, piece)
		c.do(opI32Add)
		c.at(opLocalSet, s)
	}
	c.get(n, piece)
	c.do(opI32Sub)
	c.at(opLocalTee, n)
	c.at(opBrIf, 0)
	c.do(opEnd)
}

// piece sets the length of the next piece of a bulk operation and pays for it.
func (e *emitter) piece(c *code) {
	const n, piece = 2, 3
	c.get(n)
	c.number(opI32Const, bulkChunk)
	c.get(n)
	c.number(opI32Const, bulkChunk)
	c.do(opI32LtU, opSelect)
	c.at(opLocalSet, piece)
	e.pay(c, piece, BytesPerFuel)
}

// growMemory writes memory.grow: what it adds is paid for once it is there, so that a guest that asks for
// more than there is gets its -1 for nothing.
func (e *emitter) growMemory(c *code) {
	const n, old = 0, 1
	c.get(n)
	c.do(opMemoryGrow)
	*c = append(*c, 0)
	c.at(opLocalTee, old)
	c.number(opI32Const, -1)
	c.do(opI32Ne)
	c.number(opIf, emptyBlock)
	c.at(opGlobalGet, e.fuel)
	c.get(n)
	c.do(opI64ExtendU)
	c.number(opI64Const, PageFuel)
	c.do(opI64Mul)
	e.short(c)
	c.do(opEnd)
	c.get(old)
}

// growTable writes table.grow: it answers -1 when the tables would become too large together.
func (e *emitter) growTable(c *code, table uint32) {
	const n, old = 1, 2
	fixed := int64(0) // elements of tables that cannot grow
	var growing []uint32
	for i, t := range e.m.tables {
		if t.imported || e.growing[uint32(i)] {
			growing = append(growing, uint32(i))
		} else {
			fixed += int64(t.min)
		}
	}
	slices.Sort(growing)
	c.number(opI64Const, fixed)
	for _, t := range growing {
		c.at(opTableSize, t)
		c.do(opI64ExtendU, opI64Add)
	}
	c.get(n)
	c.do(opI64ExtendU, opI64Add)
	c.number(opI64Const, e.limits.TableElements)
	c.do(opI64GtS)
	c.number(opIf, emptyBlock)
	c.number(opI32Const, -1)
	c.do(opReturn, opEnd)

	c.get(0, n)
	c.at(opTableGrow, table)
	c.at(opLocalTee, old)
	c.number(opI32Const, -1)
	c.do(opI32Ne)
	c.number(opIf, emptyBlock)
	e.pay(c, n, ElementsPerFuel)
	c.do(opEnd)
	c.get(old)
}
