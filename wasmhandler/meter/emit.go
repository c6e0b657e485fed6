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
// A function that calls others gives its frame back on every way out but a trap. To that end its code becomes
// a block: a branch to the function's label is then one to the block's, without any change, and return
// becomes such a branch.
func (e *emitter) body(p *plan, t *funcType) []byte {
	c := code(append(make([]byte, 0, len(p.locals)+2*len(p.code)+64), p.locals...))
	e.enter(&c, p)
	if p.calls {
		c.number(opBlock, e.resultBlock(t))
	}
	r := reader{buf: p.code}
	charges, loops := p.charges, p.loops
	for depth := uint32(0); ; {
		if len(charges) > 0 && charges[0].at == r.pos {
			e.charge(&c, p, charges[0].weight)
			charges = charges[1:]
		}
		in := r.next()
		switch in.op {
		case opBlock, opIf, opLoop:
			depth++
			c = in.appendTo(c)
			if in.op == opLoop {
				if loops[0] > 0 {
					e.charge(&c, p, loops[0])
				}
				loops = loops[1:]
			}
		case opEnd:
			c = in.appendTo(c)
			if depth == 0 {
				if p.calls {
					e.give(&c, p.frame)
					c.do(opEnd)
				}
				return c
			}
			depth--
		case opReturn:
			if p.calls {
				c.at(opBr, depth)
			} else {
				c.do(opReturn)
			}
		case opMemoryGrow, opMemoryInit, opMemoryCopy, opMemoryFill,
			opTableInit, opTableCopy, opTableGrow, opTableFill:
			c.at(opCall, e.helperFor(use{in.op, in.a, in.b}))
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

// spend takes fuel from the slice.
func (e *emitter) spend(c *code, weight int64) {
	c.at(opGlobalGet, e.fuel)
	c.number(opI64Const, weight)
	c.do(opI64Sub)
	c.at(opGlobalSet, e.fuel)
}

// slice leaves what is left of the slice on the stack.
func (e *emitter) slice(c *code) {
	c.at(opGlobalGet, e.fuel)
	c.do(opI32Wrap)
}

// charge takes fuel from the slice and, when that is used up, gets the next one.
func (e *emitter) charge(c *code, p *plan, weight int64) {
	e.spend(c, weight)
	e.slice(c)
	e.unlessNegative(c, p, func() { c.at(opCall, e.refill) })
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
	e.spend(c, p.entry)
	due := p.frame
	if p.calls {
		c.at(opGlobalGet, e.stack)
		c.number(opI32Const, p.frame)
		c.do(opI32Sub)
		c.at(opGlobalSet, e.stack)
		due = 0
	}
	e.slice(c)
	c.at(opGlobalGet, e.stack)
	if due != 0 {
		c.number(opI32Const, due)
		c.do(opI32Sub)
	}
	c.do(opI32Or)
	e.unlessNegative(c, p, func() {
		c.number(opI32Const, due)
		c.at(opCall, e.entered)
	})
}

// give gives a frame back.
func (e *emitter) give(c *code, frame int64) {
	c.at(opGlobalGet, e.stack)
	c.number(opI32Const, frame)
	c.do(opI32Add)
	c.at(opGlobalSet, e.stack)
}
