package meter

import (
	"bytes"
)

// Prefix begins the names of the exports that a metered module has for its host. A module that exports such a
// name by itself is refused.
const Prefix = "retort.meter."

// The exported globals that hold a guest's counters, all of them mutable. A host reads and writes them
// through Counters. The guest cannot: no instruction of the original names them.
const (
	// fuelName is an i64 that holds two numbers, so that a host writes one global before each call: the lower
	// 32 bits, signed, are the fuel until the guest next lets go, the slice; what the number exceeds those
	// by, over 2 to the 32, is the fuel beyond them.
	fuelName   = Prefix + "fuel"
	stackName  = Prefix + "stack"   // an i32: the bytes left for frames
	globalName = Prefix + "global." // and the index of a mutable global of the original
)

// Entry is the name of the export that takes a budget, calls the export of the given name, and returns what is left of
// the budget: see Limits.Entries.
func Entry(name string) string { return Prefix + "call." + name }

// pack puts fuel and its slice together as fuelName says.
func pack(beyond, slice int64) uint64 { return uint64(beyond<<32 + slice) }

// unpack takes them apart.
func unpack(fuel uint64) (beyond, slice int64) {
	slice = int64(int32(fuel))
	return (int64(fuel) - slice) >> 32, slice
}

// reserved reports whether an export of the original has a name that the host's exports need.
func reserved(name []byte) bool { return bytes.HasPrefix(name, []byte(Prefix)) }

// A ValueType is the type of a value, as in the binary format.
type ValueType byte

// The value types of WebAssembly 2.0.
const (
	I32       ValueType = 0x7f
	I64       ValueType = 0x7e
	F32       ValueType = 0x7d
	F64       ValueType = 0x7c
	V128      ValueType = 0x7b
	FuncRef   ValueType = 0x70
	ExternRef ValueType = 0x6f
)

// String returns the type's name in the text format, "" if it is none.
func (t ValueType) String() string {
	switch t {
	case I32:
		return "i32"
	case I64:
		return "i64"
	case F32:
		return "f32"
	case F64:
		return "f64"
	case V128:
		return "v128"
	case FuncRef:
		return "funcref"
	case ExternRef:
		return "externref"
	}
	return ""
}

// numeric reports whether a host can read and write a global of the type in one 64-bit number.
func (t ValueType) numeric() bool { return t >= F64 && t <= I32 }

// A MutableGlobal is a global that the guest may change.
type MutableGlobal struct {
	Index  uint32    // in the module, which metering does not change
	Type   ValueType // of its value
	Export string    // the name under which the host can read and write it; "" if its type is no number
}

// Info is what a metered module is like: what its host needs to run it, and to put an instance back to its
// first state. It is plain data and may be kept beside the module.
type Info struct {
	Slice int64 // fuel between two moments at which the guest lets go, from Limits
	Stack int64 // bytes for frames, from Limits

	Functions int   // functions of the original's own
	MaxFrame  int64 // the largest frame of one of them, in bytes, as estimated

	HasMemory      bool   // there is a memory
	MemoryImported bool   // and it is not the module's own
	MemoryPages    uint32 // its size at first, in pages of 64 KiB
	MemoryMaxPages uint32 // the size that it declares not to exceed; 0 if it declares none
	MemoryGrows    bool   // the code has memory.grow

	Tables        int    // tables of the original
	TableElements uint64 // their elements at first
	TablesWritten bool   // the code has table.set, table.grow, table.fill, table.copy or table.init

	DataDropped     bool // the code has data.drop
	ElementsDropped bool // the code has elem.drop

	Globals []MutableGlobal // every mutable global of the original, imported ones included
}

// Restorable reports whether an instance is back in its first state once its memory has its first size and
// content and the exported Globals have their first values. Otherwise it has to be instantiated anew.
func (i *Info) Restorable() bool {
	for _, g := range i.Globals {
		if g.Export == "" {
			return false
		}
	}
	return !i.TablesWritten && !i.DataDropped && !i.ElementsDropped
}
