package meter

import (
	"cmp"
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"github.com/retort-udp/retort/wasmhandler/internal/wasmbin"
)

// A plan is what the first pass over a function finds and the second pass, which writes it anew, needs.
type plan struct {
	locals   []byte   // the declarations of locals, as they are
	types    []byte   // of all locals, parameters first
	code     []byte   // the instructions
	entry    int64    // weight that is charged when the function is entered
	loops    []loop   // in order
	charges  []charge // what else is charged, in order
	frame    int64    // estimated size of the function's frame in bytes
	calls    bool     // the function calls others
	fast     bool     // charges may take the compiler long: see emitter.unlessNegative and head
	keeps    bool     // the function keeps the fuel in a local of its own while it runs
	kept     uint32   // which local
	mutation facts
}

// leaves reports whether something has to be done on every way out of the function.
func (p *plan) leaves() bool { return p.calls || p.keeps }

// A loop is what is to be done at a loop's head.
type loop struct {
	weight  int64    // that is charged; 0 where no control ever gets
	params  bool     // it takes operands
	changed []uint32 // the locals that the code in it changes, unless they are many
}

// A charge is fuel that is due before the instruction at a place in the code.
type charge struct {
	at     int
	weight int64
}

// facts are what the code of a module does that matters to a host; see Info.
type facts struct {
	grows, tables, data, elements bool
}

// A frame is a block, loop, if or function whose end has not been reached.
type frame struct {
	op       opcode // opBlock for the function
	params   int    // operands that it takes, and that a branch to a loop passes on
	results  int    // operands that it leaves, and that any other branch passes on
	base     int    // height of the operand stack below it
	entered  bool   // control gets to its start
	depth    int    // loops around its end
	arrivals int32  // pieces of code from which control gets to its end; see graph
	before   int32  // the piece of code before it
	loop     int    // index in plan.loops
	calls    int64  // before it; see analyser.outside
}

// An analyser makes a function's plan. It is reused from function to function.
type analyser struct {
	m      *module
	limits *Limits

	typ    *funcType
	locals int
	types  []byte // of the locals, parameters first
	wide   bool   // vectors are about

	frames  []frame
	changed []uint64 // per frame, a set of the locals that the code in it changes
	words   int      // length of one such set

	graph   graph
	piece   int32   // the piece of code that is being read; none if control never gets to the present place
	befores []int32 // for each loop around the present place, the piece of code before it

	height, peak int // of the operand stack

	blocks, bulk, targets, calls, moves, grows int64
	values                                     int64 // that calls and blocks leave, changed locals included
	plan                                       *plan
}

// analyse makes the plan of one of the module's own functions.
func (a *analyser) analyse(function uint32, body []byte) (*plan, error) {
	r := newReader(body)
	err := a.function(function, &r)
	if err == nil {
		err = r.Err
	}
	if err == nil {
		return a.plan, nil
	}
	where := a.m.where(function)
	if limit := (*LimitError)(nil); errors.As(err, &limit) {
		limit.Where = where
		return nil, limit
	}
	return nil, fmt.Errorf("%s, byte %d of its code: %w", where, r.Pos, err)
}

// function reads a whole function.
func (a *analyser) function(function uint32, r *reader) error {
	*a = analyser{
		m: a.m, limits: a.limits, typ: a.m.function(function), plan: &plan{},
		types: a.types[:0], frames: a.frames[:0], changed: a.changed[:0], befores: a.befores[:0], graph: a.graph.reset(),
	}
	if err := a.readLocals(r); err != nil {
		return err
	}
	a.plan.locals, a.plan.code = r.Buf[:r.Pos], r.Buf[r.Pos:]
	*r = newReader(a.plan.code)
	a.words = (a.locals + 63) / 64
	a.piece = a.graph.start(0, entryPiece)
	a.push(frame{op: opBlock, results: len(a.typ.results), entered: true, arrivals: none})
	for len(a.frames) > 0 && r.Err == nil {
		if r.Left() == 0 {
			return wasmbin.ErrEnd
		}
		at := r.Pos
		in := r.next()
		if r.Err != nil {
			r.Pos = at
			return r.Err
		}
		if err := a.instruction(&in, r.Pos); err != nil {
			r.Pos = at
			return err
		}
	}
	if r.Err == nil && r.Left() > 0 {
		return fmt.Errorf("%d bytes follow its end", r.Left())
	}
	a.graph.charge(a.plan)
	a.plan.calls = a.calls > 0
	a.plan.kept = uint32(a.locals)
	checks := 1 + len(a.plan.loops) + len(a.plan.charges)
	a.plan.fast = checks <= fastChecks && checks*a.locals <= fastLocals
	a.plan.keeps = a.plan.keeps && a.plan.fast
	a.plan.frame = a.frameSize()
	return nil
}

// readLocals reads the declarations of locals.
func (a *analyser) readLocals(r *reader) error {
	for _, t := range a.typ.params {
		a.wide = a.wide || ValueType(t) == V128
	}
	a.types = append(a.types, a.typ.params...)
	total := uint64(len(a.types))
	for range r.Count() {
		n, t := r.U32(), ValueType(r.Byte())
		r.valueType(t)
		if r.Err != nil {
			return r.Err
		}
		total += uint64(n)
		a.wide = a.wide || t == V128 && n > 0
		if total <= uint64(a.limits.Locals) {
			a.types = append(a.types, slices.Repeat([]byte{byte(t)}, int(n))...)
		}
	}
	if err := within("locals", int64(total), a.limits.Locals); err != nil {
		return err
	}
	a.locals, a.plan.types = int(total), a.types
	return nil
}

// frameSize estimates the size of the function's frame.
func (a *analyser) frameSize() int64 {
	slot, code := int64(frameSlot), int64(len(a.plan.code))/framePerCode
	if a.wide {
		slot, code = frameSlotWide, 2*code
	}
	size := frameHeader + slot*int64(a.locals+a.peak+len(a.typ.results)) + slot*a.values/frameValues + code
	size = max(size, a.limits.smallestFrame())
	return min(size, a.limits.FrameBytes+1) // a larger one does not fit either
}

// instruction accounts for one instruction; next is where the following one is.
func (a *analyser) instruction(in *instruction, next int) error {
	if a.live() {
		a.graph.pieces[a.piece].weight += int64(in.shape.weight)
	}
	switch in.op {
	case opBlock, opLoop, opIf:
		return a.enter(in, next)
	case opElse:
		return a.otherwise(next)
	case opEnd:
		return a.leave(next)
	case opBr, opBrIf:
		return a.branch(in, next)
	case opBrTable:
		return a.branchTable(in)
	case opReturn:
		return a.stop(len(a.typ.results))
	case opUnreachable:
		return a.stop(0)
	case opCall:
		if beyond(in.a, len(a.m.functions)) {
			return fmt.Errorf("function %d of %d", in.a, len(a.m.functions))
		}
		return a.call(a.m.function(in.a), 0)
	case opCallIndirect:
		if beyond(in.a, len(a.m.types)) || beyond(in.b, len(a.m.tables)) {
			return fmt.Errorf("type %d of %d, table %d of %d", in.a, len(a.m.types), in.b, len(a.m.tables))
		}
		return a.call(&a.m.types[in.a], 1)
	}
	if err := a.indices(in); err != nil {
		return err
	}
	if in.op>>8 == 0xfd {
		a.wide = true
	}
	return a.operands(int(in.shape.pop), int(in.shape.push))
}

// indices checks what an instruction names, and notes what it does.
func (a *analyser) indices(in *instruction) error {
	check := func(what string, i uint32, have int) error {
		if beyond(i, have) {
			return fmt.Errorf("%s %d of %d", what, i, have)
		}
		return nil
	}
	did := &a.plan.mutation
	switch in.op {
	case opTableSet, opTableGrow, opTableFill, opTableCopy, opTableInit:
		did.tables = true
	case opMemoryGrow:
		did.grows = true
		a.grows++
	case opDataDrop:
		did.data = true
	case opElemDrop:
		did.elements = true
	}
	switch in.op {
	case opTableGrow, opTableFill, opTableCopy, opTableInit, opMemoryInit, opMemoryCopy, opMemoryFill:
		if a.bulk++; a.bulk > a.limits.Bulk {
			return within("bulk operations", a.bulk, a.limits.Bulk)
		}
	}
	switch in.shape.imm {
	case immLocal:
		if in.op != opLocalGet && !beyond(in.a, a.locals) {
			a.changed[len(a.changed)-a.words+int(in.a>>6)] |= 1 << (in.a & 63)
		}
		return check("local", in.a, a.locals)
	case immGlobal:
		if err := check("global", in.a, len(a.m.globals)); err != nil {
			return err
		}
		a.wide = a.wide || a.m.globals[in.a].typ == V128
		if in.op == opGlobalSet && !a.m.globals[in.a].mutable {
			return fmt.Errorf("global %d is constant", in.a)
		}
	case immFunc:
		return check("function", in.a, len(a.m.functions))
	case immTable:
		return check("table", in.a, len(a.m.tables))
	case immTables:
		return cmp.Or(check("table", in.a, len(a.m.tables)), check("table", in.b, len(a.m.tables)))
	case immElems:
		return cmp.Or(check("element segment", in.a, int(a.m.elements)), check("table", in.b, len(a.m.tables)))
	case immElem:
		return check("element segment", in.a, int(a.m.elements))
	case immInit, immData:
		if !a.m.present[secDataCount] {
			return errors.New("a data segment is named without a data count section")
		}
		err := check("data segment", in.a, int(a.m.counts[secDataCount]))
		if err != nil || in.shape.imm == immData {
			return err
		}
		return a.needMemory()
	case immAccess, immAccessAt, immMemory, immMemories:
		return a.needMemory()
	case immRef, immTypes:
		if t := ValueType(in.bytes[0]); t.String() == "" {
			return fmt.Errorf("value type %#x is not part of WebAssembly 2.0", byte(t))
		}
	}
	return nil
}

func (a *analyser) needMemory() error {
	if !a.m.memory {
		return errors.New("there is no memory")
	}
	return nil
}

// call accounts for a call of a function of type t that takes so many more operands.
func (a *analyser) call(t *funcType, more int) error {
	a.calls++
	if err := within("mutable globals times calls", a.calls*a.m.mutable, MaxGlobalsByCalls); err != nil {
		return err
	}
	a.noteTypes(t.params)
	a.noteTypes(t.results)
	a.values += int64(len(t.results))
	if err := a.move(len(t.params) + len(t.results)); err != nil {
		return err
	}
	return a.operands(len(t.params)+more, len(t.results))
}

// outside is how many instructions there were that need the fuel where others find it: calls, and what the meter
// makes calls of. A loop without one is where it pays to keep the fuel in a local: a charge is a subtraction in a
// register then, and need not wait until the one before has been to memory and back.
func (a *analyser) outside() int64 { return a.calls + a.bulk + a.grows }

// noteTypes notes whether there are vectors among values.
func (a *analyser) noteTypes(types []byte) {
	for _, t := range types {
		a.wide = a.wide || ValueType(t) == V128
	}
}

// move counts operands that are passed on.
func (a *analyser) move(n int) error {
	a.moves += int64(n)
	return within("operands passed on by calls, blocks and branches", a.moves, MaxMoves)
}

// operands takes operands from the stack and leaves others.
func (a *analyser) operands(pop, push int) error {
	base := a.frames[len(a.frames)-1].base
	if a.height-base < pop {
		if a.live() {
			return fmt.Errorf("%d operands are needed, %d are there", pop, a.height-base)
		}
		a.height = base + pop // code that no control gets to takes what it needs from nothing
	}
	a.height += push - pop
	a.peak = max(a.peak, a.height)
	return nil
}

// blockType returns how many operands a block takes and leaves.
func (a *analyser) blockType(value int64) (params, results int, err error) {
	if value >= 0 {
		if value >= int64(len(a.m.types)) {
			return 0, 0, fmt.Errorf("type %d of %d", value, len(a.m.types))
		}
		t := &a.m.types[value]
		a.noteTypes(t.params)
		a.noteTypes(t.results)
		return len(t.params), len(t.results), nil
	}
	if value == emptyBlock {
		return 0, 0, nil
	}
	t := ValueType(value & 0x7f)
	if value < -64 || t.String() == "" {
		return 0, 0, fmt.Errorf("block type %d is not part of WebAssembly 2.0", value)
	}
	a.wide = a.wide || t == V128
	return 0, 1, nil
}

// emptyBlock is the type of a block that takes and leaves nothing.
const emptyBlock = -64

// push opens a frame.
func (a *analyser) push(f frame) {
	a.frames = append(a.frames, f)
	for range a.words {
		a.changed = append(a.changed, 0)
	}
}

// enter begins a block, loop or if.
func (a *analyser) enter(in *instruction, next int) error {
	params, results, err := a.blockType(in.value)
	if err != nil {
		return err
	}
	a.blocks++
	a.values += int64(params + results)
	if err := cmp.Or(
		within("blocks", a.blocks, MaxBlocks),
		within("locals times blocks", a.blocks*int64(a.locals), a.limits.LocalBlocks),
		within("nested blocks", int64(len(a.frames)), a.limits.Nesting),
		a.move(params+results),
	); err != nil {
		return err
	}
	if in.op == opIf {
		if err := a.operands(1, 0); err != nil {
			return err
		}
	}
	if err := a.operands(params, params); err != nil {
		return err
	}
	f := frame{
		op: in.op, params: params, results: results, base: a.height - params, entered: a.live(),
		depth: len(a.befores), arrivals: none, before: a.piece, calls: a.outside(),
	}
	switch in.op {
	case opIf:
		a.piece = a.graph.follow(a.piece, next, plainPiece)
	case opLoop:
		if err := within("nested loops", int64(len(a.befores))+1, a.limits.LoopNesting); err != nil {
			return err
		}
		f.loop = len(a.plan.loops)
		if err := within("loops", int64(f.loop)+1, MaxLoops); err != nil {
			return err
		}
		a.plan.loops = append(a.plan.loops, loop{params: params > 0})
		a.befores = append(a.befores, a.piece)
		if a.live() {
			a.piece = a.graph.start(next, int32(f.loop))
		}
	}
	a.push(f)
	return nil
}

// otherwise begins the second arm of an if.
func (a *analyser) otherwise(next int) error {
	f := &a.frames[len(a.frames)-1]
	if f.op != opIf {
		return errors.New("else without if")
	}
	if err := a.endArm(f); err != nil {
		return err
	}
	f.op = opElse
	a.height = f.base + f.params
	a.piece = a.graph.follow(f.before, next, plainPiece)
	return nil
}

// endArm ends an arm of an if, a block, a loop or the function.
func (a *analyser) endArm(f *frame) error {
	if err := a.operands(f.results, f.results); err != nil {
		return err
	}
	if a.height != f.base+f.results {
		return fmt.Errorf("%d operands are left, not %d", a.height-f.base, f.results)
	}
	if f.op != opLoop {
		f.arrivals = a.graph.arrive(f.arrivals, a.piece)
	}
	return nil
}

// leave ends a block, loop, if or the function.
func (a *analyser) leave(next int) error {
	f := &a.frames[len(a.frames)-1]
	if err := a.endArm(f); err != nil {
		return err
	}
	if f.op == opIf {
		if f.params != f.results {
			return errors.New("if without else does not leave what it takes")
		}
		f.arrivals = a.graph.arrive(f.arrivals, f.before)
	}
	if f.op == opLoop {
		a.plan.keeps = a.plan.keeps || f.entered && f.calls == a.outside()
		a.plan.loops[f.loop].changed = a.changedLocals()
		// Only falling out of a loop leads here. What follows is paid for with what comes before the loop,
		// once.
		a.befores = a.befores[:f.depth]
		if a.live() {
			a.piece = a.graph.follow(f.before, next, plainPiece)
		}
	} else {
		a.piece = a.graph.join(f.arrivals, next)
	}
	a.mergeChanges()
	a.frames = a.frames[:len(a.frames)-1]
	return nil
}

// live reports whether control gets to the present place.
func (a *analyser) live() bool { return a.piece != none }

// changedLocals returns the locals that the code in the innermost frame changes, none if they are many.
func (a *analyser) changedLocals() (locals []uint32) {
	for i, set := range a.changed[len(a.changed)-a.words:] {
		for ; set != 0; set &= set - 1 {
			if len(locals) == moreCopies {
				return nil
			}
			locals = append(locals, uint32(64*i+bits.TrailingZeros64(set)))
		}
	}
	return locals
}

// mergeChanges adds what the code in the innermost frame changes to what the one around it changes.
func (a *analyser) mergeChanges() {
	inner := a.changed[len(a.changed)-a.words:]
	if outer := len(a.changed) - 2*a.words; outer >= 0 {
		for i, set := range inner {
			a.values += int64(bits.OnesCount64(set))
			a.changed[outer+i] |= set
		}
	}
	a.changed = a.changed[:len(a.changed)-a.words]
}

// target accounts for a branch to a label.
func (a *analyser) target(label uint32) (arity int, err error) {
	if beyond(label, len(a.frames)) {
		return 0, fmt.Errorf("label %d of %d", label, len(a.frames))
	}
	f := &a.frames[len(a.frames)-1-int(label)]
	arity = f.results
	if f.op == opLoop {
		arity = f.params // and the loop's head is charged
	} else if a.live() {
		from := a.piece
		if f.depth < len(a.befores) {
			from = a.befores[f.depth] // out of a loop: see leave
		}
		f.arrivals = a.graph.arrive(f.arrivals, from)
	}
	return arity, a.move(arity)
}

// branch accounts for br and br_if.
func (a *analyser) branch(in *instruction, next int) error {
	if in.op == opBrIf {
		if err := a.operands(1, 0); err != nil {
			return err
		}
	}
	arity, err := a.target(in.a)
	if err != nil {
		return err
	}
	if in.op == opBr {
		return a.stop(arity)
	}
	a.piece = a.graph.follow(a.piece, next, plainPiece)
	return a.operands(arity, arity)
}

// branchTable accounts for br_table.
func (a *analyser) branchTable(in *instruction) error {
	a.targets += int64(in.b) + 1
	if err := within("branch targets", a.targets, MaxBranchTargets); err != nil {
		return err
	}
	if err := a.operands(1, 0); err != nil {
		return err
	}
	if a.live() {
		a.graph.pieces[a.piece].fork = in.b+1 >= manyLabels
	}
	arity, err := a.target(uint32(in.value))
	if err != nil {
		return err
	}
	labels := in.labels
	for range in.b {
		n, err := a.target(labels.U32())
		if err != nil {
			return err
		}
		if n != arity {
			return fmt.Errorf("branches pass on %d operands or %d", n, arity)
		}
	}
	return a.stop(arity)
}

// stop ends the code that control gets to, after an instruction that takes so many operands.
func (a *analyser) stop(operands int) error {
	if err := a.operands(operands, 0); err != nil {
		return err
	}
	a.piece = none
	a.height = a.frames[len(a.frames)-1].base
	return nil
}
