package wasmbin

import (
	"bytes"
	"errors"
	"fmt"
)

// A Shape is what a module's sections tell of it: enough to refuse by name, and at once, what no host could run. To
// read it is no validation.
type Shape struct {
	Imports  []Import // the first MaxNames and one more, if there are as many
	Memories []Memory // the first two, imported ones first
	Elements uint64   // that its tables have to begin with, in all

	Exports     []string // names: the first MaxNames
	ExportCount uint32   // how many there are

	Start           bool // there is a start function
	Functions       int  // of its own
	LargestFunction int  // bytes of code
}

// MaxNames is how many imports, and how many exports, a Shape names.
const MaxNames = 1000

// Import is something that a module imports. The names are the guest's, which may hold anything.
type Import struct {
	Module, Name string
	Kind         Kind
}

// Memory is the type of a linear memory.
type Memory struct {
	Pages    uint64  // of 64 KiB, to begin with
	MaxPages uint64  // that it declares not to exceed; 0: it declares none
	Shared   bool    // between threads
	Imported *Import // nil: it is the module's own
}

// Kind is what is imported or exported (WebAssembly core specification, 5.5.5).
type Kind byte

// The kinds.
const (
	Function Kind = iota
	Table
	LinearMemory
	Global
	Tag
)

// String is the kind's name.
func (k Kind) String() string {
	if names := [...]string{"function", "table", "memory", "global", "tag"}; int(k) < len(names) {
		return names[k]
	}
	return "thing"
}

// The sections that are read, and those that are no vectors (WebAssembly core specification, 5.5.2).
const (
	sectionCustom    = 0
	sectionImport    = 2
	sectionTable     = 4
	sectionMemory    = 5
	sectionExport    = 7
	sectionStart     = 8
	sectionCode      = 10
	sectionDataCount = 12
)

// isVector tells whether a section is a count and as many elements, each of a byte at least.
func isVector(section byte) bool {
	return section != sectionCustom && section != sectionStart && section != sectionDataCount
}

// ReadShape reads the shape of wasm. It returns an error, and what it has read so far, when wasm is no module, or what
// is read makes no sense: an engine would say so too, but may believe lengths before it finds that there is nothing
// behind them.
func ReadShape(wasm []byte) (s Shape, err error) {
	const magic = "\x00asm"
	version, ok := bytes.CutPrefix(wasm, []byte(magic))
	switch {
	case !ok:
		return s, errors.New(`no WebAssembly: it does not begin with "\0asm"`)
	case bytes.HasPrefix(version, []byte{0x0d, 0, 1, 0}):
		return s, errors.New("a WebAssembly component, not a module: build it for WASI preview 1 (wasip1), not 2")
	case !bytes.HasPrefix(version, []byte{1, 0, 0, 0}):
		return s, fmt.Errorf("WebAssembly of an unknown version: % x", version[:min(4, len(version))])
	}
	r := Reader{Buf: version[4:]}
	for r.Left() > 0 {
		id := r.Byte()
		section := Reader{Buf: r.Take(r.U32())}
		if r.Err != nil {
			return s, errors.New("it ends in the middle of a section")
		}
		if isVector(id) {
			// A decoder may make room for as many elements as a section says that it has.
			if n := (&Reader{Buf: section.Buf}).U32(); uint64(n) > uint64(len(section.Buf)) {
				return s, fmt.Errorf("section %d has %d elements in %d bytes", id, n, len(section.Buf))
			}
		}
		s.section(id, &section)
		if section.Err != nil {
			return s, fmt.Errorf("section %d is malformed", id)
		}
	}
	return s, nil
}

func (s *Shape) section(id byte, r *Reader) {
	switch id {
	case sectionImport:
		r.each(func() bool { s.readImport(r); return len(s.Imports) <= MaxNames })
	case sectionTable:
		r.each(func() bool { s.readTable(r); return true })
	case sectionMemory:
		r.each(func() bool { s.readMemory(r, nil); return true })
	case sectionExport:
		s.ExportCount = (&Reader{Buf: r.Buf}).U32()
		r.each(func() bool { s.readExport(r); return len(s.Exports) < MaxNames })
	case sectionStart:
		s.Start = true
	case sectionCode:
		r.each(func() bool {
			s.Functions++
			s.LargestFunction = max(s.LargestFunction, len(r.Take(r.U32())))
			return true
		})
	}
}

// each reads a vector: how many elements there are, and then each, until read returns false or there is an error.
func (r *Reader) each(read func() bool) {
	for n := r.U32(); n > 0 && r.Err == nil; n-- {
		if !read() {
			return
		}
	}
}

func (s *Shape) readImport(r *Reader) {
	i := Import{string(r.Name()), string(r.Name()), Kind(r.Byte())}
	if r.Err != nil {
		return
	}
	s.Imports = append(s.Imports, i)
	switch i.Kind {
	case Function:
		r.U32() // its type
	case Table:
		s.readTable(r)
	case LinearMemory:
		s.readMemory(r, &i)
	case Global:
		r.Take(2) // its type, and whether it can be set
	case Tag:
		r.Byte()
		r.U32() // its type
	default:
		r.Failf("import of kind %#x", byte(i.Kind))
	}
}

func (s *Shape) readExport(r *Reader) {
	name := r.Name()
	r.Byte() // its kind
	r.U32()  // and index
	if r.Err == nil {
		s.Exports = append(s.Exports, string(name))
	}
}

func (s *Shape) readTable(r *Reader) {
	const funcref, externref = 0x70, 0x6f
	if t := r.Byte(); t != funcref && t != externref {
		r.Failf("a table of %#x", t)
	}
	m := r.limits()
	s.Elements += m.Pages
}

func (s *Shape) readMemory(r *Reader, imported *Import) {
	m := r.limits()
	m.Imported = imported
	if r.Err == nil && len(s.Memories) < 2 {
		s.Memories = append(s.Memories, m)
	}
}

// limits reads the least and the largest size of a memory or table.
func (r *Reader) limits() (m Memory) {
	const hasMax, isShared = 1, 2
	flags := r.Byte()
	if flags > hasMax|isShared {
		r.Failf("limits of kind %#x", flags)
	}
	m.Pages, m.Shared = uint64(r.U32()), flags&isShared != 0
	if flags&hasMax != 0 {
		m.MaxPages = uint64(r.U32())
	}
	return m
}
