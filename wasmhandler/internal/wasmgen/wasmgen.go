// Package wasmgen puts WebAssembly modules together for tests: those with ten thousand functions, with a
// section that lies about its length, or with a body that nobody would write by hand. What a person can
// read is better written as text and translated by wat2wasm.
//
// Nothing is checked, for most of these modules are wrong on purpose.
package wasmgen

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// Module is a module in the making. The zero Module is an empty one.
//
// Value types are letters: i is an i32, I an i64, f an f32, F an f64, v a v128, r a funcref, e an externref.
// So "iiI" are two i32 and an i64.
type Module struct {
	types, imports, tables, memories, globals, exports, elements, data vector

	functions, bodies vector // an entry each for every function that is not imported
	imported          int    // functions
	start             []byte
	raw               []rawSection
}

// vector is the content of a section: entries, and how many there are.
type vector struct {
	count   int
	content []byte
}

func (v *vector) add(entry ...byte) (index int) {
	v.content = append(v.content, entry...)
	v.count++
	return v.count - 1
}

func (v *vector) bytes() []byte {
	if v.count == 0 {
		return nil
	}
	return append(Uint(uint64(v.count)), v.content...)
}

type rawSection struct {
	id      byte
	content []byte
}

// The kinds of what is imported and exported (WebAssembly core specification, 5.5.5).
const (
	KindFunction byte = iota
	KindTable
	KindMemory
	KindGlobal
)

// The sections (WebAssembly core specification, 5.5.2).
const (
	SectionCustom byte = iota
	SectionType
	SectionImport
	SectionFunction
	SectionTable
	SectionMemory
	SectionGlobal
	SectionExport
	SectionStart
	SectionElement
	SectionCode
	SectionData
	SectionDataCount
)

// Uint is v in unsigned LEB128, as counts, lengths and indices are written.
func Uint(v uint64) []byte { return binary.AppendUvarint(nil, v) }

// Int is v in signed LEB128, as constants are written.
func Int(v int64) (b []byte) {
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

// Name is a name: its length and its bytes.
func Name(s string) []byte { return append(Uint(uint64(len(s))), s...) }

// ValueTypes are the types that the letters stand for, with their number in front.
func ValueTypes(letters string) []byte {
	b := Uint(uint64(len(letters)))
	for _, l := range []byte(letters) {
		b = append(b, valueType(l))
	}
	return b
}

func valueType(letter byte) byte {
	switch letter {
	case 'i':
		return 0x7f
	case 'I':
		return 0x7e
	case 'f':
		return 0x7d
	case 'F':
		return 0x7c
	case 'v':
		return 0x7b
	case 'r':
		return 0x70
	case 'e':
		return 0x6f
	}
	return letter // no type: whoever wrote it meant to
}

// Type adds a function type and returns its index.
func (m *Module) Type(params, results string) int {
	return m.types.add(slices.Concat([]byte{0x60}, ValueTypes(params), ValueTypes(results))...)
}

// Import adds an imported function and returns its index. All of them come before the first Function.
func (m *Module) Import(module, name, params, results string) int {
	of := Uint(uint64(m.Type(params, results)))
	m.imports.add(slices.Concat(Name(module), Name(name), []byte{KindFunction}, of)...)
	m.imported++
	return m.imported - 1
}

// Locals are that many local variables of one type.
type Locals struct {
	Count uint32
	Type  byte // a letter
}

// Function adds a function and returns its index. Its code lacks the end, which is put behind it.
func (m *Module) Function(params, results string, code Code, locals ...Locals) int {
	return m.FunctionOf(m.Type(params, results), code, locals...)
}

// FunctionOf is Function with a type that is there already.
func (m *Module) FunctionOf(typ int, code Code, locals ...Locals) int {
	body := Uint(uint64(len(locals)))
	for _, l := range locals {
		body = append(append(body, Uint(uint64(l.Count))...), valueType(l.Type))
	}
	body = append(append(body, code...), opEnd)
	m.functions.add(Uint(uint64(typ))...)
	return m.imported + m.bodies.add(append(Uint(uint64(len(body))), body...)...)
}

// Memory adds a memory of that many pages to begin with.
func (m *Module) Memory(pages uint32) int {
	return m.memories.add(append([]byte{0}, Uint(uint64(pages))...)...)
}

// Table adds a table of functions with that many elements to begin with.
func (m *Module) Table(elements uint32) int {
	return m.tables.add(append([]byte{valueType('r'), 0}, Uint(uint64(elements))...)...)
}

// Global adds a global variable that can be set, an i32.
func (m *Module) Global(value int32) int {
	return m.globals.add(slices.Concat([]byte{valueType('i'), 1}, Code{}.I32(value), []byte{opEnd})...)
}

// Elements puts functions into table 0 from that place on.
func (m *Module) Elements(at int32, functions ...int) {
	segment := slices.Concat([]byte{0}, Code{}.I32(at), []byte{opEnd}, Uint(uint64(len(functions))))
	for _, f := range functions {
		segment = append(segment, Uint(uint64(f))...)
	}
	m.elements.add(segment...)
}

// Data puts bytes into the memory from that address on.
func (m *Module) Data(at int32, bytes []byte) {
	m.data.add(slices.Concat([]byte{0}, Code{}.I32(at), []byte{opEnd}, Uint(uint64(len(bytes))), bytes)...)
}

// Entry adds an entry to a section, whatever is in it, and returns its index there.
func (m *Module) Entry(section byte, entry []byte) int {
	of := map[byte]*vector{
		SectionType: &m.types, SectionImport: &m.imports, SectionFunction: &m.functions, SectionTable: &m.tables,
		SectionMemory: &m.memories, SectionGlobal: &m.globals, SectionExport: &m.exports, SectionElement: &m.elements,
		SectionCode: &m.bodies, SectionData: &m.data,
	}
	return of[section].add(entry...)
}

// Export gives something a name outside.
func (m *Module) Export(name string, kind byte, index int) {
	m.exports.add(slices.Concat(Name(name), []byte{kind}, Uint(uint64(index)))...)
}

// Start makes a function the one that runs when the module is instantiated.
func (m *Module) Start(function int) { m.start = Uint(uint64(function)) }

// Raw adds a section with any content. It stands in its place by its id, and takes the place of what the other
// methods say of that section; a custom section stands at the end.
func (m *Module) Raw(id byte, content []byte) { m.raw = append(m.raw, rawSection{id, content}) }

// Bytes returns the module.
func (m *Module) Bytes() []byte {
	sections := []rawSection{
		{SectionType, m.types.bytes()},
		{SectionImport, m.imports.bytes()},
		{SectionFunction, m.functions.bytes()},
		{SectionTable, m.tables.bytes()},
		{SectionMemory, m.memories.bytes()},
		{SectionGlobal, m.globals.bytes()},
		{SectionExport, m.exports.bytes()},
		{SectionStart, m.start},
		{SectionElement, m.elements.bytes()},
		{SectionCode, m.bodies.bytes()},
		{SectionData, m.data.bytes()},
	}
	sections = slices.DeleteFunc(sections, func(s rawSection) bool {
		return s.content == nil || slices.ContainsFunc(m.raw, func(r rawSection) bool { return r.id == s.id })
	})
	sections = append(sections, m.raw...)
	slices.SortStableFunc(sections, func(a, b rawSection) int { return cmp.Compare(place(a.id), place(b.id)) })

	wasm := []byte("\x00asm\x01\x00\x00\x00")
	for _, s := range sections {
		wasm = append(wasm, Section(s.id, s.content)...)
	}
	return wasm
}

// Section is a section: its id, its length and its content.
func Section(id byte, content []byte) []byte {
	return slices.Concat([]byte{id}, Uint(uint64(len(content))), content)
}

// place is where a section stands: by its id, but for the count of data segments, which stands before the code,
// and custom sections, which may stand anywhere.
func place(id byte) float64 {
	switch id {
	case SectionDataCount:
		return float64(SectionCode) - 0.5
	case SectionCustom:
		return float64(SectionDataCount)
	}
	return float64(id)
}
