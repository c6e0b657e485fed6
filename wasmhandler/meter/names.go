package meter

import (
	"bytes"
	"maps"
	"slices"
	"unicode/utf8"
)

// A nameSection is what the custom section "name" says: how the module and its functions are called. It makes
// traps readable, and because no function moves it stays true. The names of locals and labels are dropped,
// and so are names that only the meter's own functions may have. See
// https://www.w3.org/TR/2022/WD-wasm-core-2-20220419/appendix/custom.html#name-section
type nameSection struct {
	seen      bool
	module    []byte
	functions map[uint32][]byte
}

// The parts of the section that matter.
const (
	namesModule    = 0
	namesFunctions = 1
	namesLocals    = 2
)

// parse reads the section. The specification has a broken one ignored, but engines do not: they refuse it, or
// believe what it announces.
func (n *nameSection) parse(r *reader) error {
	if n.seen {
		r.Failf("a second one has names")
	}
	n.seen = true
	for r.Left() > 0 {
		kind := r.Byte()
		part := newReader(r.Take(r.U32()))
		if r.Err != nil {
			return r.Err
		}
		var err error
		switch kind {
		case namesModule:
			if name := part.utf8(); !claims(name) {
				n.module = name
			}
		case namesFunctions:
			n.functions, err = readNames(&part, 0)
		case namesLocals:
			err = readLocalNames(&part)
		default:
			part.Pos = len(part.Buf)
		}
		if err == nil && part.Err == nil && part.Left() > 0 {
			part.Failf("%d bytes follow part %d of the names", part.Left(), kind)
		}
		if err == nil {
			err = part.Err
		}
		if err != nil {
			return err
		}
	}
	return r.Err
}

// readNames reads names by index, of which there have been some before.
func readNames(r *reader, before int64) (map[uint32][]byte, error) {
	count := r.Count()
	if err := within("names", before+int64(count), MaxNames); err != nil {
		return nil, err
	}
	names := make(map[uint32][]byte)
	for range count {
		i, name := r.U32(), r.utf8()
		if r.Err != nil {
			return nil, nil
		}
		if !claims(name) {
			names[i] = name
		}
	}
	return names, nil
}

// readLocalNames reads names of locals by function, to see that they are as many as they are said to be.
func readLocalNames(r *reader) error {
	total := int64(0)
	for range r.Count() {
		r.U32()
		n := r.Count()
		total += int64(n) + 1
		if err := within("names", total, MaxNames); err != nil {
			return err
		}
		for range n {
			r.U32()
			r.utf8()
		}
		if r.Err != nil {
			break
		}
	}
	return nil
}

// utf8 reads a name that is text.
func (r *reader) utf8() []byte {
	name := r.Name()
	if !utf8.Valid(name) {
		r.Failf("a name is not UTF-8")
	}
	return name
}

// claims reports whether a name pretends to be the meter's.
func claims(name []byte) bool { return bytes.Contains(name, []byte(Prefix)) }

// of returns the name of a function, or nil.
func (n *nameSection) of(function uint32) []byte { return n.functions[function] }

// appendTo appends the section, with the names of the functions that the meter adds behind the first ones.
func (n *nameSection) appendTo(b []byte, first uint32, added []string) []byte {
	content := appendName(nil, "name")
	if len(n.module) > 0 {
		content = appendSection(content, namesModule, appendName(nil, n.module))
	}
	var names []byte
	count := uint32(0)
	for _, i := range slices.Sorted(maps.Keys(n.functions)) {
		if i < first {
			names = appendName(appendU32(names, i), n.functions[i])
			count++
		}
	}
	for i, name := range added {
		names = appendName(appendU32(names, first+uint32(i)), name)
		count++
	}
	content = appendSection(content, namesFunctions, append(appendU32(nil, count), names...))
	return appendSection(b, secCustom, content)
}
