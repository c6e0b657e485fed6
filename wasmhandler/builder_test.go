package wasmhandler_test

import "encoding/binary"

// builder puts modules together that are easier said in Go than in text.
type builder struct {
	types, imports, exports          []byte
	numTypes, numImports, numExports int
	bodies                           [][]byte // of its own functions
	bodyTypes                        []int
	pages                            uint32
}

func newBuilder() *builder { return &builder{pages: 4} }

func leb(v uint32) []byte { return binary.AppendUvarint(nil, uint64(v)) }

func name(s string) []byte { return append(leb(uint32(len(s))), s...) }

// types writes the letters i and I as i32 and i64.
func valueTypes(letters string) []byte {
	b := leb(uint32(len(letters)))
	for _, l := range letters {
		b = append(b, map[rune]byte{'i': 0x7f, 'I': 0x7e, 'f': 0x7d, 'F': 0x7c}[l])
	}
	return b
}

func (b *builder) addType(params, results string) int {
	b.types = append(b.types, 0x60)
	b.types = append(b.types, valueTypes(params)...)
	b.types = append(b.types, valueTypes(results)...)
	b.numTypes++
	return b.numTypes - 1
}

func (b *builder) importFunction(module, function, params, results string) {
	b.imports = append(b.imports, name(module)...)
	b.imports = append(b.imports, name(function)...)
	b.imports = append(b.imports, 0)
	b.imports = append(b.imports, leb(uint32(b.addType(params, results)))...)
	b.numImports++
}

// exportFunction adds a function that consists of code, and exports it. Imports come before.
func (b *builder) exportFunction(export, params, results string, code ...byte) {
	b.exports = append(b.exports, name(export)...)
	b.exports = append(b.exports, 0)
	b.exports = append(b.exports, leb(uint32(b.numImports+len(b.bodies)))...)
	b.numExports++
	b.bodyTypes = append(b.bodyTypes, b.addType(params, results))
	body := append([]byte{0}, code...) // no locals
	b.bodies = append(b.bodies, append(body, 0x0b))
}

func (b *builder) exportMemory(export string) {
	b.exports = append(b.exports, name(export)...)
	b.exports = append(b.exports, 2, 0)
	b.numExports++
}

// i32Const is the instruction that pushes v.
func i32Const(v int32) []byte {
	code := []byte{0x41}
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(code, c)
		}
		code = append(code, c|0x80)
	}
}

// handler adds what the ABI asks for, with a window at that address and empty replies, and returns the module.
func (b *builder) handler(window uint32) []byte {
	b.exportMemory("memory")
	b.exportFunction("retort_v1_window", "i", "i", i32Const(int32(window))...)
	b.exportFunction("retort_v1_reply", "iiiii", "i", i32Const(0)...)
	return b.module()
}

func (b *builder) module() []byte {
	m := []byte("\x00asm\x01\x00\x00\x00")
	section := func(id byte, count int, content []byte) {
		content = append(leb(uint32(count)), content...)
		m = append(m, id)
		m = append(m, leb(uint32(len(content)))...)
		m = append(m, content...)
	}
	var functions, code []byte
	for i, body := range b.bodies {
		functions = append(functions, leb(uint32(b.bodyTypes[i]))...)
		code = append(code, leb(uint32(len(body)))...)
		code = append(code, body...)
	}
	section(1, b.numTypes, b.types)
	section(2, b.numImports, b.imports)
	section(3, len(b.bodies), functions)
	section(5, 1, append([]byte{0}, leb(b.pages)...))
	section(7, b.numExports, b.exports)
	section(10, len(b.bodies), code)
	return m
}
