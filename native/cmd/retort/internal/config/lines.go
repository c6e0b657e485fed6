package config

import (
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// lines says on which line each key of a file stands, and each heading of a table, by its path.
type lines map[string]int

// path joins keys. A key may have dots in it, if it is in quotes, but hardly a zero byte.
func path(keys ...string) string { return strings.Join(keys, "\x00") }

func join(at, key string) string {
	if at == "" {
		return key
	}
	return path(at, key)
}

// linesOf walks through a document that is known to be valid.
func linesOf(data []byte) (lines, error) {
	w := &walk{found: make(lines), tables: make(map[string]int)}
	for i, c := range data {
		if c == '\n' {
			w.newlines = append(w.newlines, i)
		}
	}
	w.parser.Reset(data)
	for w.parser.NextExpression() {
		w.expression(w.parser.Expression())
	}
	return w.found, w.parser.Error()
}

type walk struct {
	parser   unstable.Parser
	newlines []int // their offsets
	found    lines
	table    string         // the path of the table that keys belong to
	tables   map[string]int // how many of each array of tables there were
}

func (w *walk) expression(e *unstable.Node) {
	switch e.Kind {
	case unstable.Table:
		w.table = w.headings(e, false)
	case unstable.ArrayTable:
		w.table = w.headings(e, true)
	case unstable.KeyValue:
		w.keyValue(w.table, e)
	}
}

// headings finds the path of a table by its heading. A heading below an array of tables means its last one.
func (w *walk) headings(e *unstable.Node, isArray bool) (at string) {
	keys := slices.Collect(func(yield func(*unstable.Node) bool) {
		for it := e.Key(); it.Next(); {
			if n := it.Node(); !yield(&unstable.Node{Raw: n.Raw, Data: slices.Clone(n.Data)}) {
				return
			}
		}
	})
	for i, key := range keys {
		at = join(at, string(key.Data))
		w.note(at, key)
		if isArray && i == len(keys)-1 {
			w.tables[at]++
		}
		if n := w.tables[at]; n > 0 {
			at = path(at, strconv.Itoa(n-1))
			w.note(at, key)
		}
	}
	return at
}

// keyValue notes a key, and what keys there are in its value.
func (w *walk) keyValue(at string, e *unstable.Node) {
	for it := e.Key(); it.Next(); {
		at = join(at, string(it.Node().Data))
		w.note(at, it.Node())
	}
	w.value(at, e.Value())
}

func (w *walk) value(at string, v *unstable.Node) {
	switch v.Kind {
	case unstable.InlineTable:
		for it := v.Children(); it.Next(); {
			if it.Node().Kind == unstable.KeyValue {
				w.keyValue(at, it.Node())
			}
		}
	case unstable.Array:
		i := 0
		for it := v.Children(); it.Next(); {
			if it.Node().Kind == unstable.Comment {
				continue
			}
			inner := path(at, strconv.Itoa(i))
			w.found[inner] = w.found[at] // the line of the list, unless the parser knows better
			if it.Node().Raw.Length > 0 {
				w.found[inner] = w.line(it.Node())
			}
			w.value(inner, it.Node())
			i++
		}
	}
}

// note keeps the first line that a path has.
func (w *walk) note(at string, key *unstable.Node) {
	if _, ok := w.found[at]; !ok {
		w.found[at] = w.line(key)
	}
}

func (w *walk) line(n *unstable.Node) int { return sort.SearchInts(w.newlines, int(n.Raw.Offset)) + 1 }
