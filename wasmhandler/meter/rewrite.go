package meter

import (
	"cmp"
	"fmt"
	"strconv"
)

// Rewrite returns the module with the meter in it, and what it is like. The bytes may be anything: what is no
// module of WebAssembly 2.0, or exceeds a limit (a *LimitError), is an error, found in time and memory in
// proportion to the bytes.
//
// Rewrite checks what its own soundness rests on, not every rule of validation: whoever runs the result has
// to validate both the original and the result, in this order after Rewrite, for an engine may allocate
// whatever an unchecked module announces.
func Rewrite(wasm []byte, limits Limits) (out []byte, info *Info, err error) {
	limits, err = limits.withDefaults()
	if err != nil {
		return nil, nil, err
	}
	m, err := parse(wasm, &limits)
	if err != nil {
		return nil, nil, fmt.Errorf("meter: %w", err)
	}
	e := newEmitter(m, &limits)
	info = m.info(&limits)
	bodies, err := e.bodies(info)
	if err != nil {
		return nil, nil, fmt.Errorf("meter: %w", err)
	}
	return e.assemble(bodies, info), info, nil
}

// info says what is known of a module before its code is read.
func (m *module) info(limits *Limits) *Info {
	info := &Info{
		Slice: limits.Slice, Stack: limits.stack(),
		Functions: len(m.bodies),
		HasMemory: m.memory, MemoryImported: m.memory && !m.memoryHere,
		MemoryPages: m.memoryMin, MemoryMaxPages: m.memoryMax,
		Tables: len(m.tables), TableElements: m.tableElements(),
	}
	for i, g := range m.globals {
		if !g.mutable {
			continue
		}
		export := ""
		if g.typ.numeric() {
			export = globalName + strconv.Itoa(i)
		}
		info.Globals = append(info.Globals, MutableGlobal{uint32(i), g.typ, export})
	}
	return info
}

// bodies writes all functions' bodies, helpers' included, as they stand in the code section.
func (e *emitter) bodies(info *Info) ([]byte, error) {
	a := analyser{m: e.m, limits: e.limits}
	out := make([]byte, 0, 2*len(e.m.content[secCode]))
	for i, body := range e.m.bodies {
		function := uint32(e.m.imported + i)
		p, err := a.analyse(function, body)
		if err != nil {
			return nil, err
		}
		info.MaxFrame = max(info.MaxFrame, p.frame)
		info.MemoryGrows = info.MemoryGrows || p.mutation.grows
		info.TablesWritten = info.TablesWritten || p.mutation.tables
		info.DataDropped = info.DataDropped || p.mutation.data
		info.ElementsDropped = info.ElementsDropped || p.mutation.elements
		metered := e.body(p, e.m.function(function))
		out = appendU32(out, uint32(len(metered)))
		out = append(out, metered...)
		if err := cmp.Or(
			within("bytes when metered", int64(len(out)), MaxMeteredBytes),
			within("kinds of bulk operations", int64(len(e.byUse)), MaxBulkKinds),
		); err != nil {
			return nil, err
		}
	}
	for _, n := range e.m.entries {
		e.entries = append(e.entries, e.addHelper(e.entryHelper(n)))
	}
	for _, h := range e.helpers {
		out = h.append(out)
	}
	return out, nil
}

// assemble puts the sections together.
func (e *emitter) assemble(bodies []byte, info *Info) []byte {
	m := e.m
	var types, functions, globals, exports []byte
	var names []string
	for _, h := range e.helpers {
		functions = appendU32(functions, e.typeOf(h.typ))
		names = append(names, Prefix+h.name)
	}
	for _, t := range e.added {
		types = appendName(appendName(append(types, 0x60), t.params), t.results)
	}
	slice := min(e.limits.StartFuel, e.limits.Slice)
	globals = append(globals, i64, 1, byte(opI64Const))
	globals = appendSigned(globals, int64(pack(e.limits.StartFuel-slice, slice)))
	globals = append(globals, byte(opEnd), i32, 1, byte(opI32Const))
	globals = appendSigned(globals, e.limits.stack())
	globals = append(globals, byte(opEnd))
	exported := 0
	export := func(name string, kind byte, index uint32) {
		exports = appendU32(append(appendName(exports, name), kind), index)
		exported++
	}
	export(fuelName, 3, e.fuel)
	export(stackName, 3, e.stack)
	for _, g := range info.Globals {
		if g.Export != "" {
			export(g.Export, 3, g.Index)
		}
	}
	for i, function := range e.entries {
		export(Entry(m.entries[i].name), 0, function)
	}

	out := make([]byte, 0, len(bodies)+len(types)+len(exports)+1<<10)
	out = append(out, "\x00asm\x01\x00\x00\x00"...)
	extend := func(id byte, n int, more []byte) {
		if !m.present[id] && n == 0 {
			return
		}
		content := appendU32(nil, m.counts[id]+uint32(n))
		content = append(append(content, m.vectors[id]...), more...)
		out = appendSection(out, id, content)
	}
	for _, id := range sectionOrder {
		switch id {
		case secType:
			extend(id, len(e.added), types)
		case secFunction:
			extend(id, len(e.helpers), functions)
		case secTable:
			extend(id, 1, []byte{byte(FuncRef), 1, 0, 0})
		case secGlobal:
			extend(id, 2, globals)
		case secExport:
			extend(id, exported, exports)
		case secCode:
			content := appendU32(nil, uint32(len(m.bodies)+len(e.helpers)))
			out = appendSection(out, id, append(content, bodies...))
		default:
			if m.present[id] {
				out = appendSection(out, id, m.content[id])
			}
		}
	}
	return m.names.appendTo(out, uint32(len(m.functions)), names)
}
