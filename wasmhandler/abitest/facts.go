package abitest

// Facts are what a module's bytes say of it. Where they make no sense, facts are missing: whether a module is valid
// is for the host to say.
type Facts struct {
	Size            int      `json:"size"` // bytes
	SHA256          string   `json:"sha256"`
	Imports         []string `json:"imports,omitempty"` // MODULE.NAME
	Exports         []string `json:"exports,omitempty"`
	Functions       int      `json:"functions"`                  // of its own
	LargestFunction int      `json:"largest_function"`           // bytes of code
	MemoryPages     uint64   `json:"memory_pages"`               // of 64 KiB, to begin with
	MemoryMaxPages  uint64   `json:"memory_max_pages,omitempty"` // that it declares not to exceed; 0: none
	TableElements   uint64   `json:"table_elements,omitempty"`   // of all tables, to begin with
}

// The sections that are read (WebAssembly core specification, 5.5.2).
const (
	sectionImport = 2
	sectionTable  = 4
	sectionMemory = 5
	sectionExport = 7
	sectionCode   = 10
)

// The kinds of what is imported (WebAssembly core specification, 5.5.5).
const (
	kindFunction = iota
	kindTable
	kindMemory
	kindGlobal
)

// readFacts takes a module apart as far as it can be.
func readFacts(wasm []byte) (f Facts) {
	const magicAndVersion = 8
	r := reader{rest: wasm}
	r.bytes(magicAndVersion)
	for len(r.rest) > 0 {
		id := r.byte()
		section := reader{rest: r.bytes(r.u32())}
		switch id {
		case sectionImport:
			f.readImports(&section)
		case sectionTable:
			section.each(func() { f.readTable(&section) })
		case sectionMemory:
			section.each(func() { f.MemoryPages, f.MemoryMaxPages = section.limits() })
		case sectionExport:
			section.each(func() {
				if name := section.name(); section.more() {
					f.Exports = append(f.Exports, name)
				}
				section.byte() // its kind
				section.u32()  // and index
			})
		case sectionCode:
			section.each(func() {
				f.Functions++
				f.LargestFunction = max(f.LargestFunction, len(section.bytes(section.u32())))
			})
		}
	}
	return f
}

func (f *Facts) readImports(r *reader) {
	r.each(func() {
		module, name := r.name(), r.name()
		if !r.more() {
			return
		}
		f.Imports = append(f.Imports, module+"."+name)
		switch r.byte() {
		case kindFunction:
			r.u32() // its type
		case kindTable:
			f.readTable(r)
		case kindMemory:
			f.MemoryPages, f.MemoryMaxPages = r.limits()
		case kindGlobal:
			r.bytes(2) // its type, and whether it can be set
		default:
			r.rest = nil
		}
	})
}

func (f *Facts) readTable(r *reader) {
	r.byte() // what it holds
	elements, _ := r.limits()
	f.TableElements += elements
}

// reader takes bytes apart. Beyond their end it yields zeros, and nothing is left.
type reader struct{ rest []byte }

func (r *reader) more() bool { return len(r.rest) > 0 }

func (r *reader) bytes(n uint64) []byte {
	if n > uint64(len(r.rest)) {
		r.rest = nil
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
func (r *reader) u32() (v uint64) {
	for shift := 0; shift < 35; shift += 7 {
		b := r.byte()
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return v
		}
	}
	r.rest = nil
	return 0
}

func (r *reader) name() string { return string(r.bytes(r.u32())) }

// each reads a vector: how many elements there are, and then each, which takes a byte at least.
func (r *reader) each(read func()) {
	for n := r.u32(); n > 0 && r.more(); n-- {
		read()
	}
}

// limits reads how large a table or memory is to begin with, and at most; 0: it does not say.
func (r *reader) limits() (least, most uint64) {
	const hasMax = 1
	flags := r.byte()
	least = r.u32()
	if flags&hasMax != 0 {
		most = r.u32()
	}
	return least, most
}
