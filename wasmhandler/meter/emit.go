package meter

// An emitter writes functions anew with the meter in them.
type emitter struct {
	m      *module
	limits *Limits

	fuel, stack uint32 // the counters' globals
	table       uint32 // a table of the meter's own, which is and stays empty

	types   map[string]uint32 // index of each type, by typeKey
	added   []funcType        // types behind the original's
	checked int64             // the type of a block that takes an i32
	refill  uint32            // helpers: see helpers.go
	entered uint32
	helpers []*helper
	entries []uint32 // functions, in the order of module.entries
	byUse   map[use]uint32
	growing map[uint32]bool // tables that some table.grow is for
}

func newEmitter(m *module, limits *Limits) *emitter {
	globals := uint32(len(m.globals))
	e := &emitter{
		m: m, limits: limits,
		fuel: globals, stack: globals + 1,
		table:   uint32(len(m.tables)),
		types:   make(map[string]uint32),
		byUse:   make(map[use]uint32),
		growing: make(map[uint32]bool),
	}
	for i := range m.types {
		if key := typeKey(&m.types[i]); e.types[key] == 0 {
			e.types[key] = uint32(i)
		}
	}
	e.checked = int64(e.typeOf(funcType{params: []byte{i32}}))
	e.refill = e.addHelper(e.refillHelper())
	e.entered = e.addHelper(e.enterHelper())
	return e
}

// typeKey is a string that two types share if and only if they are equal.
func typeKey(t *funcType) string { return string(t.params) + ">" + string(t.results) }

// typeOf returns the index of a type, behind the original's if they have none such.
func (e *emitter) typeOf(t funcType) uint32 {
	key := typeKey(&t)
	i, ok := e.types[key]
	if !ok {
		i = uint32(len(e.m.types) + len(e.added))
		e.types[key] = i
		e.added = append(e.added, t)
	}
	return i
}

// body writes a function's body.
//
// A function that calls others gives its frame back on every way out but a trap, and one that keeps the fuel in a
// local puts it back. To that end its code becomes a block: a branch to the function's label is then one to the
// block's, without any change, and return becomes such a branch.
func (e *emitter) body(p *plan, t *funcType) []byte {
	c := code(make([]byte, 0, len(p.locals)+2*len(p.code)+64))
	c.locals(p)
	e.enter(&c, p)
	if p.leaves() {
		c.number(opBlock, e.resultBlock(t))
	}
	r := newReader(p.code)
	charges, loops := p.charges, p.loops
	for depth := uint32(0); ; {
		if len(charges) > 0 && charges[0].at == r.Pos {
			e.charge(&c, p, charges[0].weight)
			charges = charges[1:]
		}
		in := r.next()
		switch in.op {
		case opBlock, opIf, opLoop:
			depth++
			c = in.appendTo(c)
			if in.op == opLoop {
				e.head(&c, p, &loops[0])
				loops = loops[1:]
			}
		case opEnd:
			c = in.appendTo(c)
			if depth == 0 {
				e.leave(&c, p)
				return c
			}
			depth--
		case opReturn:
			if p.leaves() {
				c.at(opBr, depth)
			} else {
				c.do(opReturn)
			}
		case opMemoryGrow, opMemoryInit, opMemoryCopy, opMemoryFill,
			opTableInit, opTableCopy, opTableGrow, opTableFill:
			e.put(&c, p)
			c.at(opCall, e.helperFor(use{in.op, in.a, in.b}))
			e.take(&c, p)
		case opCall, opCallIndirect:
			e.put(&c, p)
			c = in.appendTo(c)
			e.take(&c, p)
		case opUnreachable:
			e.put(&c, p)
			c = in.appendTo(c)
		default:
			c = in.appendTo(c)
		}
	}
}

// resultBlock is the type of a block that leaves what a function of type t returns.
func (e *emitter) resultBlock(t *funcType) int64 {
	switch len(t.results) {
	case 0:
		return emptyBlock
	case 1:
		return int64(t.results[0]) - 0x80
	}
	return int64(e.typeOf(funcType{results: t.results}))
}

// locals writes the declarations of locals, and one more for the fuel if the function keeps it.
func (c *code) locals(p *plan) {
	if !p.keeps {
		*c = append(*c, p.locals...)
		return
	}
	r := newReader(p.locals)
	*c = appendU32(*c, r.U32()+1)
	*c = append(append(*c, p.locals[r.Pos:]...), 1, i64)
}

// put puts the fuel where others find it, before they are called.
func (e *emitter) put(c *code, p *plan) {
	if p.keeps {
		c.get(p.kept)
		c.at(opGlobalSet, e.fuel)
	}
}

// take takes the fuel back from there.
func (e *emitter) take(c *code, p *plan) {
	if p.keeps {
		c.at(opGlobalGet, e.fuel)
		c.at(opLocalSet, p.kept)
	}
}

// spend takes fuel from the slice and leaves what is left of that on the stack.
func (e *emitter) spend(c *code, p *plan, weight int64) {
	if p.keeps {
		c.get(p.kept)
		c.number(opI64Const, weight)
		c.do(opI64Sub)
		c.at(opLocalTee, p.kept)
		c.do(opI32Wrap)
		return
	}
	c.at(opGlobalGet, e.fuel)
	c.number(opI64Const, weight)
	c.do(opI64Sub)
	c.at(opGlobalSet, e.fuel)
	e.slice(c)
}

// slice leaves what is left of the slice on the stack.
func (e *emitter) slice(c *code) {
	c.at(opGlobalGet, e.fuel)
	c.do(opI32Wrap)
}

// charge takes fuel from the slice and, when that is used up, gets the next one.
func (e *emitter) charge(c *code, p *plan, weight int64) {
	e.spend(c, p, weight)
	e.unlessNegative(c, p, func() {
		e.put(c, p)
		c.at(opCall, e.refill)
		e.take(c, p)
	})
}

// head writes the charge at a loop's head. When the slice is used up, what was just charged is given back and
// the loop is begun again: so nothing is in the way of the loop as it is mostly run.
//
// That is meant for wazero's compiler, which writes the values that are needed behind a call to the stack. It does
// so next to the call, but for values that come from several ways, such as a variable of a loop: these it writes
// wherever they are set, in each round of the loop. Copies of them, made next to the call, are no such values. In a
// function that is not fast, the compiler takes too long over so many ways.
func (e *emitter) head(c *code, p *plan, l *loop) {
	switch {
	case l.weight == 0:
		return
	case l.params || !p.fast:
		e.charge(c, p, l.weight)
		return
	}
	e.spend(c, p, l.weight)
	c.number(opI32Const, 0)
	c.do(opI32LtS)
	c.number(opIf, emptyBlock)
	for _, local := range l.changed {
		e.copy(c, p, local)
	}
	e.put(c, p)
	c.at(opCall, e.refill)
	c.do(opDrop)
	e.take(c, p)
	e.spend(c, p, -l.weight)
	c.do(opDrop)
	c.at(opBr, 1)
	c.do(opEnd)
}

// copy writes what sets a local to its own value, in a way that the compiler takes for another.
func (e *emitter) copy(c *code, p *plan, local uint32) {
	c.get(local, local)
	c.number(opI32Const, 0)
	c.at(opSelectTyped, 1)
	*c = append(*c, byte(p.types[local]))
	c.at(opLocalSet, local)
}

// unlessNegative takes an i32 from the stack and, if it is negative, makes it otherwise: replace leaves
// another.
//
// After a plain if, what the call in it destroys has to be brought back on the other way too: wazero's
// compiler has each value that is in a register read from memory behind every charge. A loop around the call,
// left at once as a rule, costs no more than the test. But the compiler takes much longer over loops, so that
// only functions with few charges and locals get them.
func (e *emitter) unlessNegative(c *code, p *plan, replace func()) {
	if p.fast {
		c.number(opLoop, e.checked)
	}
	c.number(opI32Const, 0)
	c.do(opI32LtS)
	c.number(opIf, emptyBlock)
	replace()
	if p.fast {
		c.at(opBr, 1)
		c.do(opEnd, opEnd)
	} else {
		c.do(opDrop, opEnd)
	}
}

// enter writes what happens when a function is entered: its first charge, and its frame, which is taken from
// the stack if the function calls others and only compared with it if not. One comparison tells whether both
// are well.
func (e *emitter) enter(c *code, p *plan) {
	if p.keeps {
		c.at(opGlobalGet, e.fuel)
		c.at(opLocalSet, p.kept)
	}
	due := p.frame
	if p.calls {
		c.at(opGlobalGet, e.stack)
		c.number(opI32Const, p.frame)
		c.do(opI32Sub)
		c.at(opGlobalSet, e.stack)
		due = 0
	}
	e.spend(c, p, p.entry)
	c.at(opGlobalGet, e.stack)
	if due != 0 {
		c.number(opI32Const, due)
		c.do(opI32Sub)
	}
	c.do(opI32Or)
	e.unlessNegative(c, p, func() {
		e.put(c, p)
		c.number(opI32Const, due)
		c.at(opCall, e.entered)
		e.take(c, p)
	})
}

// leave writes what happens when a function is left, and the end of the block that it became.
func (e *emitter) leave(c *code, p *plan) {
	e.put(c, p)
	if p.calls {
		c.at(opGlobalGet, e.stack)
		c.number(opI32Const, p.frame)
		c.do(opI32Add)
		c.at(opGlobalSet, e.stack)
	}
	if p.leaves() {
		c.do(opEnd)
	}
}
