package meter

import "fmt"

// An opcode is an instruction's code in the binary format. Those behind a prefix byte have it in the high
// byte.
type opcode uint16

// The instructions that the meter treats by name. The rest are only their shape.
const (
	opUnreachable  opcode = 0x00
	opBlock        opcode = 0x02
	opLoop         opcode = 0x03
	opIf           opcode = 0x04
	opElse         opcode = 0x05
	opEnd          opcode = 0x0b
	opBr           opcode = 0x0c
	opBrIf         opcode = 0x0d
	opBrTable      opcode = 0x0e
	opReturn       opcode = 0x0f
	opCall         opcode = 0x10
	opCallIndirect opcode = 0x11
	opDrop         opcode = 0x1a
	opSelect       opcode = 0x1b
	opSelectTyped  opcode = 0x1c
	opLocalGet     opcode = 0x20
	opLocalSet     opcode = 0x21
	opLocalTee     opcode = 0x22
	opGlobalGet    opcode = 0x23
	opGlobalSet    opcode = 0x24
	opTableSet     opcode = 0x26
	opMemoryGrow   opcode = 0x40
	opI32Const     opcode = 0x41
	opI64Const     opcode = 0x42
	opI32Ne        opcode = 0x47
	opI32LtS       opcode = 0x48
	opI32LtU       opcode = 0x49
	opI32GtU       opcode = 0x4b
	opI32LeU       opcode = 0x4d
	opI64LtS       opcode = 0x53
	opI64GtS       opcode = 0x55
	opI32Add       opcode = 0x6a
	opI32Sub       opcode = 0x6b
	opI32Or        opcode = 0x72
	opI64Add       opcode = 0x7c
	opI64Sub       opcode = 0x7d
	opI64Mul       opcode = 0x7e
	opI64Or        opcode = 0x84
	opI64Shl       opcode = 0x86
	opI64ShrS      opcode = 0x87
	opI64ShrU      opcode = 0x88
	opI32Wrap      opcode = 0xa7
	opI64ExtendU   opcode = 0xad
	opI64Extend32  opcode = 0xc4
	opRefNull      opcode = 0xd0
	opMemoryInit   opcode = 0xfc08
	opDataDrop     opcode = 0xfc09
	opMemoryCopy   opcode = 0xfc0a
	opMemoryFill   opcode = 0xfc0b
	opTableInit    opcode = 0xfc0c
	opElemDrop     opcode = 0xfc0d
	opTableCopy    opcode = 0xfc0e
	opTableGrow    opcode = 0xfc0f
	opTableSize    opcode = 0xfc10
	opTableFill    opcode = 0xfc11
)

// immediates says what follows an opcode.
type immediates uint8

const (
	unknown     immediates = iota // no instruction of WebAssembly 2.0
	immNone                       // nothing
	immBlock                      // a block type
	immLabel                      // a label
	immLabels                     // a vector of labels, and one more
	immFunc                       // a function
	immIndirect                   // a type, then a table
	immTypes                      // a vector of one value type
	immLocal                      // a local
	immGlobal                     // a global
	immTable                      // a table
	immMemory                     // a memory, which is 0
	immMemories                   // two of them
	immAccess                     // alignment and offset
	immAccessAt                   // alignment, offset, lane
	immI32                        // a signed number of 32 bits
	immI64                        // a signed number of 64 bits
	imm4                          // 4 bytes
	imm8                          // 8 bytes
	imm16                         // 16 bytes
	immLane                       // a lane
	immRef                        // a reference type
	immInit                       // a data segment, then a memory, which is 0
	immData                       // a data segment
	immElems                      // an element segment, then a table
	immElem                       // an element segment
	immTables                     // two tables
)

// A shape is what every instance of an instruction has in common.
type shape struct {
	imm       immediates
	pop, push uint8 // operands taken and left, where they do not depend on types
	weight    uint8
}

// shapes lists the instructions of WebAssembly 2.0 by prefix: none, 0xfc, 0xfd.
// See https://www.w3.org/TR/2022/WD-wasm-core-2-20220419/appendix/index-instructions.html
var shapes = makeShapes()

func makeShapes() (s struct{ plain, misc, vector [256]shape }) {
	set := func(t *[256]shape, imm immediates, pop, push, weight uint8, first, last int) {
		for i := first; i <= last; i++ {
			t[i] = shape{imm, pop, push, weight}
		}
	}

	p := &s.plain
	set(p, immNone, 0, 0, WeightOther, 0x00, 0x01)    // unreachable, nop
	set(p, immBlock, 0, 0, WeightOther, 0x02, 0x04)   // block, loop, if
	set(p, immNone, 0, 0, WeightOther, 0x05, 0x05)    // else
	set(p, immNone, 0, 0, WeightOther, 0x0b, 0x0b)    // end
	set(p, immLabel, 0, 0, WeightOther, 0x0c, 0x0d)   // br, br_if
	set(p, immLabels, 0, 0, WeightOther, 0x0e, 0x0e)  // br_table
	set(p, immNone, 0, 0, WeightOther, 0x0f, 0x0f)    // return
	set(p, immFunc, 0, 0, WeightCall, 0x10, 0x10)     // call
	set(p, immIndirect, 0, 0, WeightCall, 0x11, 0x11) // call_indirect
	set(p, immNone, 1, 0, WeightOther, 0x1a, 0x1a)    // drop
	set(p, immNone, 3, 1, WeightOther, 0x1b, 0x1b)    // select
	set(p, immTypes, 3, 1, WeightOther, 0x1c, 0x1c)   // select t
	set(p, immLocal, 0, 1, WeightOther, 0x20, 0x20)   // local.get
	set(p, immLocal, 1, 0, WeightOther, 0x21, 0x21)   // local.set
	set(p, immLocal, 1, 1, WeightOther, 0x22, 0x22)   // local.tee
	set(p, immGlobal, 0, 1, WeightOther, 0x23, 0x23)  // global.get
	set(p, immGlobal, 1, 0, WeightOther, 0x24, 0x24)  // global.set
	set(p, immTable, 1, 1, WeightAccess, 0x25, 0x25)  // table.get
	set(p, immTable, 2, 0, WeightAccess, 0x26, 0x26)  // table.set
	set(p, immAccess, 1, 1, WeightAccess, 0x28, 0x35) // loads
	set(p, immAccess, 2, 0, WeightAccess, 0x36, 0x3e) // stores
	set(p, immMemory, 0, 1, WeightOther, 0x3f, 0x3f)  // memory.size
	set(p, immMemory, 1, 1, WeightCall, 0x40, 0x40)   // memory.grow
	set(p, immI32, 0, 1, WeightOther, 0x41, 0x41)     // i32.const
	set(p, immI64, 0, 1, WeightOther, 0x42, 0x42)     // i64.const
	set(p, imm4, 0, 1, WeightOther, 0x43, 0x43)       // f32.const
	set(p, imm8, 0, 1, WeightOther, 0x44, 0x44)       // f64.const
	set(p, immNone, 1, 1, WeightOther, 0x45, 0x45)    // i32.eqz
	set(p, immNone, 2, 1, WeightOther, 0x46, 0x4f)    // i32 comparisons
	set(p, immNone, 1, 1, WeightOther, 0x50, 0x50)    // i64.eqz
	set(p, immNone, 2, 1, WeightOther, 0x51, 0x66)    // i64, f32, f64 comparisons
	set(p, immNone, 1, 1, WeightOther, 0x67, 0x69)    // i32.clz, ctz, popcnt
	set(p, immNone, 2, 1, WeightOther, 0x6a, 0x78)    // i32 arithmetic
	set(p, immNone, 2, 1, WeightDivide, 0x6d, 0x70)   // i32.div, i32.rem
	set(p, immNone, 1, 1, WeightOther, 0x79, 0x7b)    // i64.clz, ctz, popcnt
	set(p, immNone, 2, 1, WeightOther, 0x7c, 0x8a)    // i64 arithmetic
	set(p, immNone, 2, 1, WeightDivide, 0x7f, 0x82)   // i64.div, i64.rem
	set(p, immNone, 1, 1, WeightOther, 0x8b, 0x90)    // f32.abs to nearest
	set(p, immNone, 1, 1, WeightDivide, 0x91, 0x91)   // f32.sqrt
	set(p, immNone, 2, 1, WeightOther, 0x92, 0x98)    // f32 arithmetic
	set(p, immNone, 2, 1, WeightDivide, 0x95, 0x95)   // f32.div
	set(p, immNone, 1, 1, WeightOther, 0x99, 0x9e)    // f64.abs to nearest
	set(p, immNone, 1, 1, WeightDivide, 0x9f, 0x9f)   // f64.sqrt
	set(p, immNone, 2, 1, WeightOther, 0xa0, 0xa6)    // f64 arithmetic
	set(p, immNone, 2, 1, WeightDivide, 0xa3, 0xa3)   // f64.div
	set(p, immNone, 1, 1, WeightOther, 0xa7, 0xc4)    // conversions, sign extensions
	set(p, immRef, 0, 1, WeightOther, 0xd0, 0xd0)     // ref.null
	set(p, immNone, 1, 1, WeightOther, 0xd1, 0xd1)    // ref.is_null
	set(p, immFunc, 0, 1, WeightCall, 0xd2, 0xd2)     // ref.func

	m := &s.misc
	set(m, immNone, 1, 1, WeightOther, 0, 7)      // saturating conversions
	set(m, immInit, 3, 0, WeightCall, 8, 8)       // memory.init
	set(m, immData, 0, 0, WeightOther, 9, 9)      // data.drop
	set(m, immMemories, 3, 0, WeightCall, 10, 10) // memory.copy
	set(m, immMemory, 3, 0, WeightCall, 11, 11)   // memory.fill
	set(m, immElems, 3, 0, WeightCall, 12, 12)    // table.init
	set(m, immElem, 0, 0, WeightOther, 13, 13)    // elem.drop
	set(m, immTables, 3, 0, WeightCall, 14, 14)   // table.copy
	set(m, immTable, 2, 1, WeightCall, 15, 15)    // table.grow
	set(m, immTable, 0, 1, WeightOther, 16, 16)   // table.size
	set(m, immTable, 3, 0, WeightCall, 17, 17)    // table.fill

	// Most vector instructions take two operands; the others are set apart below.
	v := &s.vector
	set(v, immNone, 2, 1, WeightOther, 0x0e, 0xff)
	set(v, immAccess, 1, 1, WeightAccess, 0x00, 0x0a)   // v128.load and its kin
	set(v, immAccess, 2, 0, WeightAccess, 0x0b, 0x0b)   // v128.store
	set(v, imm16, 0, 1, WeightOther, 0x0c, 0x0c)        // v128.const
	set(v, imm16, 2, 1, WeightOther, 0x0d, 0x0d)        // i8x16.shuffle
	set(v, immNone, 1, 1, WeightOther, 0x0f, 0x14)      // splats
	set(v, immLane, 1, 1, WeightOther, 0x15, 0x22)      // extract_lane, replace_lane
	set(v, immNone, 1, 1, WeightOther, 0x4d, 0x4d)      // v128.not
	set(v, immNone, 3, 1, WeightOther, 0x52, 0x52)      // v128.bitselect
	set(v, immNone, 1, 1, WeightOther, 0x53, 0x53)      // v128.any_true
	set(v, immAccessAt, 2, 1, WeightAccess, 0x54, 0x57) // v128.load_lane
	set(v, immAccessAt, 2, 0, WeightAccess, 0x58, 0x5b) // v128.store_lane
	set(v, immAccess, 1, 1, WeightAccess, 0x5c, 0x5d)   // v128.load_zero
	set(v, immNone, 1, 1, WeightOther, 0x5e, 0x64)      // demote, promote, i8x16.abs to bitmask
	set(v, immNone, 1, 1, WeightOther, 0x67, 0x6a)      // f32x4.ceil to nearest
	set(v, immNone, 1, 1, WeightOther, 0x74, 0x75)      // f64x2.ceil, floor
	set(v, immNone, 1, 1, WeightOther, 0x7a, 0x7a)      // f64x2.trunc
	set(v, immNone, 1, 1, WeightOther, 0x7c, 0x81)      // extadd_pairwise, i16x8.abs, neg
	set(v, immNone, 1, 1, WeightOther, 0x83, 0x84)      // i16x8.all_true, bitmask
	set(v, immNone, 1, 1, WeightOther, 0x87, 0x8a)      // i16x8.extend
	set(v, immNone, 1, 1, WeightOther, 0x94, 0x94)      // f64x2.nearest
	set(v, immNone, 1, 1, WeightOther, 0xe0, 0xe1)      // f32x4.abs, neg
	set(v, immNone, 1, 1, WeightDivide, 0xe3, 0xe3)     // f32x4.sqrt
	set(v, immNone, 2, 1, WeightDivide, 0xe7, 0xe7)     // f32x4.div
	set(v, immNone, 1, 1, WeightOther, 0xec, 0xed)      // f64x2.abs, neg
	set(v, immNone, 1, 1, WeightDivide, 0xef, 0xef)     // f64x2.sqrt
	set(v, immNone, 2, 1, WeightDivide, 0xf3, 0xf3)     // f64x2.div
	set(v, immNone, 1, 1, WeightOther, 0xf8, 0xff)      // conversions
	for _, replace := range []int{0x17, 0x1a, 0x1c, 0x1e, 0x20, 0x22} {
		v[replace].pop = 2
	}
	for _, base := range []int{0xa0, 0xc0} { // i32x4, i64x2
		set(v, immNone, 1, 1, WeightOther, base, base+1)    // abs, neg
		set(v, immNone, 1, 1, WeightOther, base+3, base+4)  // all_true, bitmask
		set(v, immNone, 1, 1, WeightOther, base+7, base+10) // extend
	}
	for _, hole := range []int{0x9a, 0xa2, 0xa5, 0xa6, 0xaf, 0xb0, 0xb2, 0xb3, 0xb4, 0xbb,
		0xc2, 0xc5, 0xc6, 0xcf, 0xd0, 0xd2, 0xd3, 0xd4, 0xe2, 0xee} {
		v[hole] = shape{}
	}
	return s
}

// An instruction is one instruction taken apart.
type instruction struct {
	op     opcode
	shape  shape
	a, b   uint32 // indices in the order of the binary format; alignment and offset
	value  int64  // a constant, or a block type: an index, or a negative number as in the binary format
	bytes  []byte // what is not a number: constants of other types, lanes, a value type
	labels reader // br_table's labels, b of them; value is the default
}

// next reads one instruction. What is read is put together again by appendTo, in the shortest encoding, so
// that nothing depends on how another reader takes a long-winded one.
func (r *reader) next() (in instruction) {
	c := r.Byte()
	in.op = opcode(c)
	in.shape = shapes.plain[c]
	if c == 0xfc || c == 0xfd {
		start := r.Pos
		sub := r.U32()
		if long := r.Pos - start; c == 0xfd && (long > 2 || long == 2 && sub < 0x80) {
			r.Failf("a vector opcode is longer than it needs to be, which engines take for other instructions")
		}
		table := &shapes.misc
		if c == 0xfd {
			table = &shapes.vector
		}
		if sub <= 0xff {
			in.op = opcode(c)<<8 | opcode(sub)
			in.shape = table[sub]
		}
	}
	switch in.shape.imm {
	case unknown:
		if r.Err == nil {
			r.Fail(unknownInstruction(in.op))
		}
	case immNone:
	case immBlock:
		in.value = r.Signed(33)
	case immLabel, immFunc, immLocal, immGlobal, immTable, immData, immElem:
		in.a = r.U32()
	case immLabels:
		in.b = r.Count()
		in.labels = *r
		for range in.b {
			r.U32()
		}
		in.labels.Buf = in.labels.Buf[:r.Pos]
		in.value = int64(r.U32())
	case immIndirect, immElems, immTables:
		in.a, in.b = r.U32(), r.U32()
	case immTypes:
		if n := r.U32(); n != 1 {
			r.Failf("select has %d types, not 1", n)
		}
		in.bytes = r.Take(1)
	case immMemory:
		r.Zero()
	case immMemories:
		r.Zero()
		r.Zero()
	case immAccess, immAccessAt:
		in.a, in.b = r.U32(), r.U32()
		if in.a > 4 {
			r.Failf("alignment is 2 to the %d", in.a)
		}
		if in.shape.imm == immAccessAt {
			in.bytes = r.Take(1)
		}
	case immI32:
		in.value = r.Signed(32)
	case immI64:
		in.value = r.Signed(64)
	case imm4:
		in.bytes = r.Take(4)
	case imm8:
		in.bytes = r.Take(8)
	case imm16:
		in.bytes = r.Take(16)
	case immLane, immRef:
		in.bytes = r.Take(1)
	case immInit:
		in.a = r.U32()
		r.Zero()
	}
	return in
}

// unknownInstruction says why an instruction is refused.
func unknownInstruction(op opcode) error {
	what := "no instruction"
	switch op {
	case 0x06, 0x07, 0x08, 0x09, 0x0a, 0x18, 0x19, 0x1f:
		what = "an instruction for exceptions, which is not part"
	case 0x12, 0x13:
		what = "a tail call, which is not part"
	case 0x14, 0x15, 0xd3, 0xd4, 0xd5, 0xd6:
		what = "an instruction for typed references, which is not part"
	case 0xfb:
		what = "an instruction for garbage collection, which is not part"
	case 0xfe:
		what = "an instruction for threads, which is not part"
	}
	return fmt.Errorf("%#02x is %s of WebAssembly 2.0", uint16(op), what)
}

// appendOp appends an opcode.
func appendOp(b []byte, op opcode) []byte {
	if op > 0xff {
		return appendU32(append(b, byte(op>>8)), uint32(op&0xff))
	}
	return append(b, byte(op))
}

// appendTo appends the instruction.
func (in *instruction) appendTo(b []byte) []byte {
	b = appendOp(b, in.op)
	switch in.shape.imm {
	case immBlock, immI32, immI64:
		return appendSigned(b, in.value)
	case immLabel, immFunc, immLocal, immGlobal, immTable, immData, immElem:
		return appendU32(b, in.a)
	case immLabels:
		b = appendU32(b, in.b)
		labels := in.labels
		for range in.b {
			b = appendU32(b, labels.U32())
		}
		return appendU32(b, uint32(in.value))
	case immIndirect, immElems, immTables:
		return appendU32(appendU32(b, in.a), in.b)
	case immTypes:
		return append(append(b, 1), in.bytes...)
	case immMemory:
		return append(b, 0)
	case immMemories:
		return append(b, 0, 0)
	case immAccess, immAccessAt:
		return append(appendU32(appendU32(b, in.a), in.b), in.bytes...)
	case imm4, imm8, imm16, immLane, immRef:
		return append(b, in.bytes...)
	case immInit:
		return append(appendU32(b, in.a), 0)
	}
	return b
}
