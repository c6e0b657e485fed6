package wasmgen

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// Code is instructions, one behind the other. Each method returns the code with one more:
//
//	wasmgen.Code{}.Get(0).I32(1).Op(wasmgen.Add)
//
// As with append, of two extensions of one Code only the last is sure to be whole: Then and Repeat copy what they add.
type Code []byte

// Instructions that have no immediate argument (WebAssembly core specification, 5.4).
const (
	Unreachable     byte = 0x00
	Return          byte = 0x0f
	Drop            byte = 0x1a
	Equal           byte = 0x46 // i32.eq
	GreaterUnsigned byte = 0x4b // i32.gt_u
	Add             byte = 0x6a // i32.add
	Sub             byte = 0x6b // i32.sub
	Mul             byte = 0x6c // i32.mul
	And             byte = 0x71 // i32.and
	Xor             byte = 0x73 // i32.xor
)

const (
	opBlock    = 0x02
	opLoop     = 0x03
	opIf       = 0x04
	opEnd      = 0x0b
	opBr       = 0x0c
	opBrIf     = 0x0d
	opBrTable  = 0x0e
	opCall     = 0x10
	opGet      = 0x20
	opSet      = 0x21
	opTee      = 0x22
	opI32Load  = 0x28
	opI32Load8 = 0x2d
	opI32Store = 0x36
	opI32Const = 0x41
	opI64Const = 0x42

	typeNone = 0x40 // a block without a result
)

// Op adds an instruction without an argument.
func (c Code) Op(op byte) Code { return append(c, op) }

// I32 pushes a constant.
func (c Code) I32(v int32) Code { return append(append(c, opI32Const), Int(int64(v))...) }

// I64 pushes a constant.
func (c Code) I64(v int64) Code { return append(append(c, opI64Const), Int(v)...) }

// Get pushes a local variable.
func (c Code) Get(local int) Code { return c.index(opGet, local) }

// Set pops into a local variable.
func (c Code) Set(local int) Code { return c.index(opSet, local) }

// Tee copies into a local variable.
func (c Code) Tee(local int) Code { return c.index(opTee, local) }

// Call calls a function.
func (c Code) Call(function int) Code { return c.index(opCall, function) }

// Br jumps out of that many blocks, or to the head of the loop that is reached.
func (c Code) Br(depth int) Code { return c.index(opBr, depth) }

// BrIf is Br if a number that it pops is not zero.
func (c Code) BrIf(depth int) Code { return c.index(opBrIf, depth) }

// BrTable is Br to the place that a number that it pops selects; the last one is the default.
func (c Code) BrTable(depths ...int) Code {
	c = c.index(opBrTable, len(depths)-1)
	for _, d := range depths {
		c = append(c, Uint(uint64(d))...)
	}
	return c
}

// Block opens a block without a result, which End closes.
func (c Code) Block() Code { return append(c, opBlock, typeNone) }

// Loop opens a block whose branches go back to its head.
func (c Code) Loop() Code { return append(c, opLoop, typeNone) }

// If opens a block that is run if a number that it pops is not zero.
func (c Code) If() Code { return append(c, opIf, typeNone) }

// End closes a block.
func (c Code) End() Code { return append(c, opEnd) }

// Load8 pushes the byte at an address that it pops.
func (c Code) Load8() Code { return append(c, opI32Load8, 0, 0) }

// Store pops a value and an address, and writes the i32 there.
func (c Code) Store() Code { return append(c, opI32Store, 0, 0) }

// Load pushes the i32 at an address that it pops.
func (c Code) Load() Code { return append(c, opI32Load, 0, 0) }

// MemoryFill is memory.fill: it pops address, value and length.
func (c Code) MemoryFill() Code { return append(c, 0xfc, 11, 0) }

// MemoryCopy is memory.copy: it pops destination, source and length.
func (c Code) MemoryCopy() Code { return append(c, 0xfc, 10, 0, 0) }

// Repeat adds some code that many times.
func (c Code) Repeat(times int, code Code) Code { return append(c, bytes.Repeat(code, times)...) }

// Then adds some code.
func (c Code) Then(code Code) Code { return slices.Concat(c, code) }

func (c Code) index(op byte, index int) Code {
	return binary.AppendUvarint(append(c, op), uint64(index))
}
