package hostile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/retort-udp/retort/wasmhandler/internal/wasmgen"
)

type (
	code   = wasmgen.Code
	locals = wasmgen.Locals
)

// most is the largest number that a module can say.
const most = 1<<32 - 1

// The parameters of retort_v1_reply, and how many there are.
const (
	request    = 0
	parameters = 5
)

// with is a handler with one more section, whatever is in it.
func with(section byte, content ...[]byte) func() []byte {
	return func() []byte {
		m := new(wasmgen.Module)
		m.Raw(section, slices.Concat(content...))
		return m.Handler(-1)
	}
}

// lies are modules that announce what does not follow. A decoder that believes them runs out of memory.
func lies() []Case {
	var cases []Case
	for _, s := range []struct {
		id   byte
		name string
	}{
		{wasmgen.SectionType, "types"},
		{wasmgen.SectionImport, "imports"},
		{wasmgen.SectionFunction, "functions"},
		{wasmgen.SectionTable, "tables"},
		{wasmgen.SectionMemory, "memories"},
		{wasmgen.SectionGlobal, "globals"},
		{wasmgen.SectionExport, "exports"},
		{wasmgen.SectionElement, "element segments"},
		{wasmgen.SectionCode, "function bodies"},
		{wasmgen.SectionData, "data segments"},
	} {
		cases = append(cases, Case{
			Name: "lie-" + strings.ReplaceAll(s.name, " ", "-"),
			Does: fmt.Sprintf("Announces 4,294,967,295 %s, and has none.", s.name),
			Want: fmt.Sprintf("refused: section %d has 4294967295 elements in 5 bytes", s.id),
			Wasm: with(s.id, wasmgen.Uint(most)),
		})
	}
	name := wasmgen.Name("name")
	return append(cases, []Case{
		{"lie-section", "Ends in a section that is longer than the module.",
			"refused: ", func() []byte {
				section := slices.Concat([]byte{wasmgen.SectionData}, wasmgen.Uint(most))
				return append(wasmgen.Replying(code{}.I32(0)), section...)
			}},
		{"lie-data-count", "Announces 4,294,967,295 data segments in the section that counts them, and has none.",
			"refused: ", with(wasmgen.SectionDataCount, wasmgen.Uint(most))},
		{"lie-parameters", "Announces a function type of 4,294,967,295 parameters.",
			"refused: ", with(wasmgen.SectionType, wasmgen.Uint(1), []byte{0x60}, wasmgen.Uint(most))},
		{"lie-import-name", "Announces an import whose name has 4,294,967,295 bytes.",
			"refused: ", with(wasmgen.SectionImport, wasmgen.Uint(1), wasmgen.Uint(most))},
		{"lie-export-name", "Announces an export whose name has 4,294,967,295 bytes.",
			"refused: ", with(wasmgen.SectionExport, wasmgen.Uint(1), wasmgen.Uint(most))},
		{"lie-custom-name", "Announces a custom section whose name has 4,294,967,295 bytes.",
			"refused: ", with(wasmgen.SectionCustom, wasmgen.Uint(most))},
		{"lie-elements", "Announces an element segment of 4,294,967,295 functions.",
			"refused: ", with(wasmgen.SectionElement, wasmgen.Uint(1), []byte{1, 0}, wasmgen.Uint(most))},
		{"lie-element-expressions", "Announces an element segment of 4,294,967,295 expressions.",
			"refused: ", with(wasmgen.SectionElement, wasmgen.Uint(1), []byte{5, 0x70}, wasmgen.Uint(most))},
		{"lie-data", "Announces a data segment of 4,294,967,295 bytes.",
			"refused: ", with(wasmgen.SectionData, wasmgen.Uint(1), []byte{1}, wasmgen.Uint(most))},
		{"lie-locals", "Declares 4,294,967,295 local variables in six bytes.",
			"refused: 4294967300 locals, of at most 1000", func() []byte {
				return wasmgen.Replying(code{}.I32(0), locals{Count: most, Type: 'i'})
			}},
		{"lie-locals-sum", "Declares local variables whose number is 1 in 32 bits.",
			"refused: ", func() []byte {
				return wasmgen.Replying(code{}.I32(0), locals{Count: most, Type: 'i'}, locals{Count: 2, Type: 'i'})
			}},
		{"lie-branches", "Announces a br_table of 4,294,967,295 branches.",
			"refused: ", func() []byte {
				return wasmgen.Replying(slices.Concat(code{}.Get(request), []byte{0x0e}, wasmgen.Uint(most)))
			}},
		{"lie-function-names", "Announces 4,294,967,295 names of functions in its name section, which is decoration.",
			"refused: a custom section", with(wasmgen.SectionCustom, name, []byte{1, 5}, wasmgen.Uint(most))},
		{"lie-local-names", "Announces 4,294,967,295 names of local variables in its name section.",
			"refused: a custom section", with(wasmgen.SectionCustom, name, []byte{2, 7, 1, 0}, wasmgen.Uint(most))},
		{"lie-module-name", "Announces a name of itself of 4,294,967,295 bytes.",
			"refused: a custom section", with(wasmgen.SectionCustom, name, []byte{0, 5}, wasmgen.Uint(most))},
	}...)
}

// sizes are modules with more of something than anybody needs, most of them close to 16 MiB.
func sizes() []Case {
	// filled is a module that is as long as a module may be, and as many bytes longer.
	filled := func(longer int) []byte {
		const sectionHeader = 1 + 4
		const limit = 16 << 20
		m := new(wasmgen.Module)
		size := limit - len(new(wasmgen.Module).Handler(-1)) - sectionHeader + longer
		m.Raw(wasmgen.SectionCustom, append(wasmgen.Name("filling"), make([]byte, size-8)...))
		return m.Handler(-1)
	}
	// times is a module to which something is added that many times before it is completed.
	times := func(n int, add func(m *wasmgen.Module)) func() []byte {
		return func() []byte {
			m := new(wasmgen.Module)
			for range n {
				add(m)
			}
			return m.Handler(-1)
		}
	}
	segments := func(section byte, n int, segment ...byte) func() []byte {
		return func() []byte { return with(section, wasmgen.Uint(uint64(n)), slices.Repeat(segment, n))() }
	}
	return []Case{
		{"size-most", "Has as many bytes as a module may have.",
			`8 replies of ""`, func() []byte { return filled(0) }},
		{"size-over", "Has one byte more than a module may have.",
			"refused: the module has 16777217 bytes, more than the limit of 16777216",
			func() []byte { return filled(1) }},
		{"size-data", "Has a data segment of 12 MiB.",
			`8 replies of ""`, func() []byte {
				m := new(wasmgen.Module)
				m.Memory(256)
				m.Data(1<<18, make([]byte, 12<<20))
				return m.Handler(-1)
			}},
		{"functions-65536", "Has 65,536 functions.",
			`8 replies of ""`, functions(1 << 16)},
		{"functions-million", "Has a million functions.",
			"refused: functions, of at most", functions(1_000_000)},
		{"types-million", "Has a million types of functions.",
			"refused: types, of at most", times(1_000_000, func(m *wasmgen.Module) { m.Type("", "") })},
		{"parameters-million", "Has a type of functions with a million parameters.",
			"refused: parameters of a type, of at most",
			times(1, func(m *wasmgen.Module) { m.Type(strings.Repeat("I", 1_000_000), "") })},
		{"results-million", "Has a type of functions with a million results.",
			"refused: results of a type, of at most",
			times(1, func(m *wasmgen.Module) { m.Type("", strings.Repeat("I", 1_000_000)) })},
		{"globals-million", "Has a million global variables.",
			"refused: globals, of at most", times(1_000_000, func(m *wasmgen.Module) { m.Global(1) })},
		{"tables-thousand", "Has a thousand tables of nothing.",
			"refused: tables, of at most", times(1000, func(m *wasmgen.Module) { m.Table(0) })},
		{"imports-thousand", "Imports a function 1,001 times.",
			"refused: it imports more than 1000 things", times(1001, func(m *wasmgen.Module) {
				m.Import("wasi_snapshot_preview1", "sched_yield", "", "i")
			})},
		{"exports-thousand", "Has 1,001 exports.",
			"refused: it exports 1001 things, more than the limit of 1000", func() []byte {
				m := new(wasmgen.Module)
				for i := range 1001 - 3 {
					m.Export(fmt.Sprint(i), wasmgen.KindMemory, 0)
				}
				return m.Handler(-1)
			}},
		{"elements-million", "Has an element segment of twelve million functions.",
			"refused: elements in segments, of at most",
			func() []byte {
				const n = 12_000_000
				return with(wasmgen.SectionElement, wasmgen.Uint(1), []byte{1, 0}, wasmgen.Uint(n), make([]byte, n))()
			}},
		{"segments-elements", "Has five million element segments of nothing.",
			"refused: element segments, of at most", segments(wasmgen.SectionElement, 5_000_000, 1, 0, 0)},
		{"segments-data", "Has eight million data segments of nothing.",
			"refused: data segments, of at most", segments(wasmgen.SectionData, 8_000_000, 1, 0)},
		{"names-million", "Has a million names of functions that there are not.",
			"refused: names, of at most", func() []byte {
				var names []byte
				for i := range 1_000_000 {
					names = append(append(names, wasmgen.Uint(uint64(i))...), wasmgen.Name("f")...)
				}
				return withFunctionNames(1_000_000, names).Handler(-1)
			}},
	}
}

// withFunctionNames begins a module with so many names of functions, each an index and a name.
func withFunctionNames(count int, names []byte) *wasmgen.Module {
	m := new(wasmgen.Module)
	m.NameFunctions(count, names)
	return m
}

// functions is a handler with n functions more.
func functions(n int) func() []byte {
	return func() []byte {
		m := new(wasmgen.Module)
		nothing := m.Type("", "")
		for range n {
			m.FunctionOf(nothing, nil)
		}
		return m.Handler(-1)
	}
}
