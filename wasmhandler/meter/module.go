package meter

import (
	"errors"
	"fmt"
	"slices"
)

// The sections of a module, in the order of their numbers. The order in the file is sectionOrder.
const (
	secCustom byte = iota
	secType
	secImport
	secFunction
	secTable
	secMemory
	secGlobal
	secExport
	secStart
	secElement
	secCode
	secData
	secDataCount
	sections // how many there are
)

var sectionNames = [sections]string{"custom", "type", "import", "function", "table", "memory", "global", "export",
	"start", "element", "code", "data", "data count"}

// sectionOrder is the order in which sections follow each other, once each; a data count comes before the
// code.
var sectionOrder = [...]byte{secType, secImport, secFunction, secTable, secMemory, secGlobal, secExport, secStart,
	secElement, secDataCount, secCode, secData}

// A funcType is a function's type: value types as in the binary format.
type funcType struct {
	params, results []byte
}

// A global is a global's type.
type global struct {
	typ      ValueType
	mutable  bool
	imported bool
}

// A table is a table's type.
type table struct {
	typ      ValueType
	min      uint32
	imported bool
}

// A module is a module taken apart as far as the meter has to know it. The vectors of most sections stay as
// they are, and new elements go behind them, so that no index ever moves.
type module struct {
	present [sections]bool
	content [sections][]byte // of each section
	counts  [sections]uint32 // the length of the vector that a section is
	vectors [sections][]byte // its elements

	types      []funcType
	functions  []uint32 // types, of imported functions and then of the module's own
	imported   int      // how many functions are imported
	tables     []table
	globals    []global
	mutable    int64    // how many globals are mutable, imported ones included
	bodies     [][]byte // of the module's own functions
	elements   uint32   // element segments
	memory     bool
	memoryHere bool // the memory is not imported
	memoryMin  uint32
	memoryMax  uint32
	memoryCap  bool // memoryMax was given
	entries    []entry
	names      nameSection
}

// An entry is an exported function that the host calls with a budget.
type entry struct {
	name     string
	function uint32
}

// parse takes a module apart. What it reads it checks as far as indices go: the meter adds functions,
// globals, types and a table, and nothing that was out of range may come to name them.
func parse(wasm []byte, limits *Limits) (*module, error) {
	if err := within("bytes", int64(len(wasm)), limits.ModuleBytes); err != nil {
		return nil, err
	}
	m := &module{}
	if err := m.split(wasm); err != nil {
		return nil, err
	}
	for _, id := range sectionOrder {
		if !m.present[id] {
			continue
		}
		r := newReader(m.content[id])
		err := m.section(id, &r, limits)
		if err == nil {
			err = r.Err
		}
		if err == nil && r.Left() != 0 {
			err = fmt.Errorf("%d bytes follow its end", r.Left())
		}
		if limit := (*LimitError)(nil); errors.As(err, &limit) {
			return nil, err
		}
		if err != nil {
			return nil, fmt.Errorf("%s section, byte %d: %w", sectionNames[id], r.Pos, err)
		}
	}
	if own := len(m.functions) - m.imported; own != len(m.bodies) {
		return nil, fmt.Errorf("%d functions have %d bodies", own, len(m.bodies))
	}
	if m.present[secDataCount] && m.counts[secDataCount] != m.counts[secData] {
		return nil, fmt.Errorf("%d data segments are announced as %d", m.counts[secData], m.counts[secDataCount])
	}
	return m, nil
}

// split finds the sections.
func (m *module) split(wasm []byte) error {
	if len(wasm) < 8 || string(wasm[:4]) != "\x00asm" {
		return errors.New("not a WebAssembly module")
	}
	if string(wasm[4:8]) != "\x01\x00\x00\x00" {
		return fmt.Errorf("WebAssembly of version % x, not 1", wasm[4:8])
	}
	r := newReader(wasm)
	r.Pos = 8
	place := 0 // in sectionOrder
	for r.Left() > 0 {
		id := r.Byte()
		content := r.Take(r.U32())
		if r.Err != nil {
			return fmt.Errorf("section %d: %w", id, r.Err)
		}
		if id == secCustom {
			if err := m.custom(content); err != nil {
				return fmt.Errorf("a custom section: %w", err)
			}
			continue
		}
		for place < len(sectionOrder) && sectionOrder[place] != id {
			place++
		}
		if place == len(sectionOrder) {
			return fmt.Errorf("section %d is unknown, comes twice or too late", id)
		}
		place++
		m.present[id], m.content[id] = true, content
	}
	return nil
}

// custom looks at a custom section. Only names are of use: others are for tools, and what they say of the
// code is wrong once it is rewritten.
func (m *module) custom(content []byte) error {
	r := newReader(content)
	if name := r.utf8(); r.Err == nil && string(name) == "name" {
		return m.names.parse(&r)
	}
	return r.Err
}

// vector reads the length of the vector that a section is, and keeps its elements.
func (m *module) vector(id byte, r *reader, what string, limit int64) (uint32, error) {
	n := r.Count()
	m.counts[id], m.vectors[id] = n, r.Buf[r.Pos:]
	return n, within(what, int64(n), limit)
}

// section reads one section.
func (m *module) section(id byte, r *reader, limits *Limits) error {
	switch id {
	case secType:
		return m.typeSection(r)
	case secImport:
		return m.importSection(r)
	case secFunction:
		return m.functionSection(r)
	case secTable:
		return m.tableSection(r, limits)
	case secMemory:
		return m.memorySection(r)
	case secGlobal:
		return m.globalSection(r)
	case secExport:
		return m.exportSection(r, limits)
	case secStart:
		if f := r.U32(); beyond(f, len(m.functions)) {
			r.Failf("function %d of %d", f, len(m.functions))
		}
	case secElement:
		return m.elementSection(r)
	case secDataCount:
		m.counts[secDataCount] = r.U32()
	case secCode:
		return m.codeSection(r, limits)
	case secData:
		return m.dataSection(r)
	}
	return nil
}

func (m *module) typeSection(r *reader) error {
	n, err := m.vector(secType, r, "types", MaxTypes)
	if err != nil {
		return err
	}
	for range n {
		if form := r.Byte(); form != 0x60 && r.Err == nil {
			r.Failf("type %#x is no function type of WebAssembly 2.0", form)
		}
		t := funcType{params: r.valueTypes()}
		t.results = r.valueTypes()
		if r.Err != nil {
			return nil
		}
		if err := within("parameters of a type", int64(len(t.params)), MaxParams); err != nil {
			return err
		}
		if err := within("results of a type", int64(len(t.results)), MaxParams); err != nil {
			return err
		}
		m.types = append(m.types, t)
	}
	return nil
}

func (m *module) importSection(r *reader) error {
	n, err := m.vector(secImport, r, "imports", MaxImports)
	if err != nil {
		return err
	}
	for range n {
		r.Name()
		r.Name()
		switch kind := r.Byte(); kind {
		case 0:
			m.functions = append(m.functions, m.typeIndex(r))
			m.imported++
		case 1:
			t := r.table()
			t.imported = true
			m.tables = append(m.tables, t)
		case 2:
			m.readMemory(r)
		case 3:
			g := r.globalType()
			g.imported = true
			m.addGlobal(g)
		default:
			r.Failf("import of kind %#x is not part of WebAssembly 2.0", kind)
		}
	}
	return nil
}

// typeIndex reads the index of a type.
func (m *module) typeIndex(r *reader) uint32 {
	i := r.U32()
	if beyond(i, len(m.types)) {
		r.Failf("type %d of %d", i, len(m.types))
	}
	return i
}

// function returns the type of a function.
func (m *module) function(i uint32) *funcType { return &m.types[m.functions[i]] }

func (m *module) functionSection(r *reader) error {
	n, err := m.vector(secFunction, r, "functions", MaxFunctions)
	if err != nil {
		return err
	}
	for range n {
		i := m.typeIndex(r)
		if r.Err != nil {
			return nil
		}
		m.functions = append(m.functions, i)
	}
	return nil
}

func (m *module) tableSection(r *reader, limits *Limits) error {
	n, err := m.vector(secTable, r, "tables", MaxTables)
	if err != nil {
		return err
	}
	for range n {
		m.tables = append(m.tables, r.table())
	}
	if r.Err != nil {
		return nil
	}
	return within("table elements", int64(m.tableElements()), limits.TableElements)
}

// tableElements is how many elements the tables have before any grows.
func (m *module) tableElements() (n uint64) {
	for _, t := range m.tables {
		n += uint64(t.min)
	}
	return n
}

func (m *module) memorySection(r *reader) error {
	n, err := m.vector(secMemory, r, "memories", 1)
	if err != nil {
		return err
	}
	for range n {
		m.readMemory(r)
		m.memoryHere = true
	}
	return nil
}

// readMemory reads the type of a memory, of which there may be one.
func (m *module) readMemory(r *reader) {
	if m.memory {
		r.Failf("a second memory is not part of WebAssembly 2.0")
	}
	m.memory = true
	m.memoryMin, m.memoryMax, m.memoryCap = r.limits()
}

func (m *module) globalSection(r *reader) error {
	n, err := m.vector(secGlobal, r, "globals", MaxGlobals)
	if err != nil {
		return err
	}
	for range n {
		g := r.globalType()
		m.constant(r)
		if r.Err != nil {
			return nil
		}
		m.addGlobal(g)
	}
	return nil
}

// constant reads a constant expression. See
// https://www.w3.org/TR/2022/WD-wasm-core-2-20220419/valid/instructions.html#constant-expressions
func (m *module) constant(r *reader) {
	for r.Err == nil {
		in := r.next()
		switch {
		case in.op == opEnd || r.Err != nil:
			return
		case in.op == opGlobalGet:
			if beyond(in.a, len(m.globals)) {
				r.Failf("global %d of %d", in.a, len(m.globals))
			}
		case in.op == 0xd2: // ref.func
			m.checkFunction(r, in.a)
		case in.op == opRefNull:
			r.valueType(ValueType(in.bytes[0]))
		case in.op >= opI32Const && in.op <= 0x44 || in.op == 0xfd0c: // numbers and vectors
		default:
			r.Failf("instruction %#02x in a constant expression is not part of WebAssembly 2.0", uint16(in.op))
		}
	}
}

// addGlobal appends a global to the index space.
func (m *module) addGlobal(g global) {
	m.globals = append(m.globals, g)
	if g.mutable {
		m.mutable++
	}
}

// checkFunction checks the index of a function.
func (m *module) checkFunction(r *reader, i uint32) {
	if beyond(i, len(m.functions)) {
		r.Failf("function %d of %d", i, len(m.functions))
	}
}

func (m *module) exportSection(r *reader, limits *Limits) error {
	n, err := m.vector(secExport, r, "exports", MaxExports)
	if err != nil {
		return err
	}
	for range n {
		name := r.Name()
		if reserved(name) {
			return fmt.Errorf("the export name %q is reserved for the host's counters", clip(name))
		}
		kind, i := r.Byte(), r.U32()
		var have int
		switch kind {
		case 0:
			have = len(m.functions)
		case 1:
			have = len(m.tables)
		case 2:
			if m.memory {
				have = 1
			}
		case 3:
			have = len(m.globals)
		default:
			r.Failf("export of kind %#x is not part of WebAssembly 2.0", kind)
		}
		if beyond(i, have) {
			r.Failf("export %q names item %d of %d", clip(name), i, have)
		}
		if kind == 0 && slices.Contains(limits.Entries, string(name)) {
			m.entries = append(m.entries, entry{string(name), i})
		}
	}
	return nil
}

func (m *module) elementSection(r *reader) error {
	n, err := m.vector(secElement, r, "element segments", MaxSegments)
	if err != nil {
		return err
	}
	m.elements = n
	var total int64
	for range n {
		items := m.elementSegment(r)
		if r.Err != nil {
			return nil
		}
		total += int64(items)
		if err := within("elements in segments", total, MaxElements); err != nil {
			return err
		}
	}
	return nil
}

// elementSegment reads one element segment and returns how many elements it has. Of its first number, bit 0
// says passive or declarative, bit 1 that a table (or, with bit 0, declarative) is meant, bit 2 that the
// elements are expressions. See
// https://www.w3.org/TR/2022/WD-wasm-core-2-20220419/binary/modules.html#element-section
func (m *module) elementSegment(r *reader) uint32 {
	flags := r.U32()
	if flags > 7 {
		r.Failf("element segment of kind %d is not part of WebAssembly 2.0", flags)
	}
	if flags&1 == 0 { // active
		t := uint32(0)
		if flags&2 != 0 {
			t = r.U32()
		}
		if beyond(t, len(m.tables)) {
			r.Failf("table %d of %d", t, len(m.tables))
		}
		m.constant(r)
	}
	if flags&3 != 0 {
		if kind := r.Byte(); flags&4 != 0 {
			r.valueType(ValueType(kind))
		} else if kind != 0 {
			r.Failf("elements of kind %#x are not part of WebAssembly 2.0", kind)
		}
	}
	n := r.Count()
	for range n {
		if flags&4 != 0 {
			m.constant(r)
		} else {
			m.checkFunction(r, r.U32())
		}
		if r.Err != nil {
			break
		}
	}
	return n
}

func (m *module) codeSection(r *reader, limits *Limits) error {
	n, err := m.vector(secCode, r, "functions", MaxFunctions)
	if err != nil {
		return err
	}
	for i := range n {
		size := r.U32()
		body := r.Take(size)
		if r.Err != nil {
			return nil
		}
		if int64(size) > limits.FunctionBytes {
			return &LimitError{"bytes of code", m.where(uint32(m.imported) + i), int64(size), limits.FunctionBytes}
		}
		m.bodies = append(m.bodies, body)
	}
	return nil
}

// dataSection reads the data segments. Of one's first number, bit 0 says passive, and 2 that a memory is named. See
// https://www.w3.org/TR/2022/WD-wasm-core-2-20220419/binary/modules.html#data-section
func (m *module) dataSection(r *reader) error {
	n, err := m.vector(secData, r, "data segments", MaxSegments)
	if err != nil {
		return err
	}
	for range n {
		flags := r.U32()
		if flags > 2 {
			r.Failf("data segment of kind %d is not part of WebAssembly 2.0", flags)
		}
		if flags == 2 && r.U32() != 0 {
			r.Failf("data for another memory than the first")
		}
		if flags != 1 {
			m.constant(r)
		}
		r.Take(r.U32()) // its bytes, which are not copied
		if r.Err != nil {
			return nil
		}
	}
	return nil
}

// where names a function for an error.
func (m *module) where(function uint32) string {
	if name := m.names.of(function); name != nil {
		return fmt.Sprintf("function %d (%q)", function, clip(name))
	}
	return fmt.Sprintf("function %d", function)
}

// clip shortens a name for an error.
func clip(name []byte) []byte { return name[:min(len(name), 80)] }

// valueTypes reads a vector of value types.
func (r *reader) valueTypes() []byte {
	types := r.Take(r.Count())
	for _, t := range types {
		r.valueType(ValueType(t))
	}
	return types
}

// valueType checks a value type.
func (r *reader) valueType(t ValueType) {
	if t.String() == "" && r.Err == nil {
		r.Failf("value type %#x is not part of WebAssembly 2.0", byte(t))
	}
}

// limits reads a minimum and a maximum, if there is one.
func (r *reader) limits() (low, high uint32, bounded bool) {
	flags := r.Byte()
	if flags > 1 {
		r.Failf("limits of kind %#x are not part of WebAssembly 2.0 (shared or 64-bit memory)", flags)
	}
	low = r.U32()
	if flags == 1 {
		high = r.U32()
	}
	return low, high, flags == 1
}

// table reads the type of a table.
func (r *reader) table() (t table) {
	t.typ = ValueType(r.Byte())
	if t.typ != FuncRef && t.typ != ExternRef {
		r.Failf("a table of %#x is not part of WebAssembly 2.0", byte(t.typ))
	}
	t.min, _, _ = r.limits()
	return t
}

// globalType reads the type of a global.
func (r *reader) globalType() (g global) {
	g.typ = ValueType(r.Byte())
	r.valueType(g.typ)
	mutable := r.Byte()
	if mutable > 1 {
		r.Failf("mutability %#x is neither 0 nor 1", mutable)
	}
	g.mutable = mutable == 1
	return g
}
