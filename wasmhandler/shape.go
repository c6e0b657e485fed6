package wasmhandler

import (
	"bytes"
	"errors"
	"fmt"
)

// shape is what a module's first sections tell of it: enough to refuse, by name and at once, what no host of
// ours could run. It is read before the module is compiled, and it is no validation: that is the compiler's.
type shape struct {
	imports  []importEntry // at most maxImports
	memories []memoryEntry // imported ones first
	table    uint64        // elements that its tables have to begin with, in all
	exports  uint32
	start    bool // there is a start function
}

// maxImports is how many imports a module may have. A module that uses every function there is has 47.
const maxImports = 1000

// maxExports is how many exports a module may have: for each, every function's name is looked up.
const maxExports = 1000

type importEntry struct {
	module, name string
	kind         byte
}

type memoryEntry struct {
	pages    uint64 // to begin with
	shared   bool
	imported *importEntry // nil: it is the module's own
}

// The kinds of what is imported and exported (WebAssembly core specification, 5.5.5).
const (
	kindFunction = iota
	kindTable
	kindMemory
	kindGlobal
	kindTag
)

func kindName(kind byte) string {
	switch kind {
	case kindFunction:
		return "function"
	case kindTable:
		return "table"
	case kindMemory:
		return "memory"
	case kindGlobal:
		return "global"
	case kindTag:
		return "tag"
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
	sectionDataCount = 12
)

// isVector tells whether a section is a count and as many elements, each of a byte at least.
func isVector(section byte) bool {
	return section != sectionCustom && section != sectionStart && section != sectionDataCount
}

// readShape reads the shape of wasm. It returns an error when wasm is no module, or what is read makes no sense: the
// compiler would say so too, but it believes lengths before it finds that there is nothing behind them.
func readShape(wasm []byte) (s shape, err error) {
	const magic = "\x00asm"
	switch version, ok := bytes.CutPrefix(wasm, []byte(magic)); {
	case !ok:
		return s, errors.New(`no WebAssembly: it does not begin with "\0asm"`)
	case bytes.HasPrefix(version, []byte{0x0d, 0, 1, 0}):
		return s, errors.New("a WebAssembly component, not a module: build it for WASI preview 1 (wasip1), not 2")
	case !bytes.HasPrefix(version, []byte{1, 0, 0, 0}):
		return s, fmt.Errorf("WebAssembly of an unknown version: % x", version[:min(4, len(version))])
	}
	r := &reader{rest: wasm[8:]}
	for len(r.rest) > 0 {
		id, size := r.byte(), r.u32()
		section := &reader{rest: r.bytes(size)}
		if r.bad {
			return s, errors.New("it ends in the middle of a section")
		}
		if isVector(id) {
			// The decoder makes room for as many elements as a section says that it has.
			if n := (&reader{rest: section.rest}).u32(); n > uint32(len(section.rest)) {
				return s, fmt.Errorf("section %d has %d elements in %d bytes", id, n, len(section.rest))
			}
		}
		switch id {
		case sectionImport:
			s.readImports(section)
		case sectionTable:
			for n := section.u32(); n > 0 && !section.bad; n-- {
				s.readTable(section)
			}
		case sectionMemory:
			for n := section.u32(); n > 0 && !section.bad; n-- {
				s.readMemory(section, nil)
			}
		case sectionExport:
			s.exports = section.u32()
		case sectionStart:
			s.start = true
		}
		if section.bad {
			return s, fmt.Errorf("section %d is malformed", id)
		}
	}
	return s, nil
}

func (s *shape) readImports(r *reader) {
	for n := r.u32(); n > 0 && !r.bad && len(s.imports) <= maxImports; n-- {
		i := importEntry{module: r.name(), name: r.name(), kind: r.byte()}
		if r.bad {
			return
		}
		s.imports = append(s.imports, i)
		switch i.kind {
		case kindFunction:
			r.u32() // its type
		case kindTable:
			s.readTable(r)
		case kindMemory:
			s.readMemory(r, &i)
		case kindGlobal:
			r.bytes(2) // its type, and whether it can be set
		case kindTag:
			r.byte()
			r.u32() // its type
		default:
			r.bad = true
		}
	}
}

func (s *shape) readTable(r *reader) {
	const funcref, externref = 0x70, 0x6f
	if t := r.byte(); t != funcref && t != externref {
		r.bad = true
		return
	}
	elements, _ := r.limits()
	s.table += elements
}

func (s *shape) readMemory(r *reader, imported *importEntry) {
	pages, shared := r.limits()
	if !r.bad && len(s.memories) < 2 {
		s.memories = append(s.memories, memoryEntry{pages, shared, imported})
	}
}

// reader takes a module's bytes apart. After the first thing that makes no sense it is bad and yields zeros.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) bytes(n uint32) []byte {
	if r.bad || uint64(n) > uint64(len(r.rest)) {
		r.bad = true
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) byte() byte {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

// u32 reads a number in LEB128 (WebAssembly core specification, 5.2.2).
func (r *reader) u32() uint32 {
	var v uint64
	for shift := 0; shift < 35; shift += 7 {
		b := r.byte()
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			if v > 1<<32-1 {
				r.bad = true
				return 0
			}
			return uint32(v)
		}
	}
	r.bad = true
	return 0
}

func (r *reader) name() string { return string(r.bytes(r.u32())) }

// limits reads the least size of a table or memory and passes over the largest.
func (r *reader) limits() (least uint64, shared bool) {
	const hasMax, isShared = 1, 2
	flags := r.byte()
	if flags > hasMax|isShared {
		r.bad = true
		return 0, false
	}
	least = uint64(r.u32())
	if flags&hasMax != 0 {
		r.u32()
	}
	return least, flags&isShared != 0
}
