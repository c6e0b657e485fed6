package abitest

import "github.com/retort-udp/retort/wasmhandler/internal/wasmbin"

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

// readFacts takes a module apart as far as it can be.
func readFacts(wasm []byte) Facts {
	s, _ := wasmbin.ReadShape(wasm) // as far as it came
	f := Facts{
		Exports: s.Exports, Functions: s.Functions, LargestFunction: s.LargestFunction, TableElements: s.Elements,
	}
	for _, i := range s.Imports {
		f.Imports = append(f.Imports, i.Module+"."+i.Name)
	}
	if len(s.Memories) > 0 {
		f.MemoryPages, f.MemoryMaxPages = s.Memories[0].Pages, s.Memories[0].MaxPages
	}
	return f
}
