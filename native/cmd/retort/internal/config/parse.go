package config

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/pflag"
)

// MaxFile is how many bytes a configuration file may have.
const MaxFile = 4 << 20

// Schema says which keys a file may have, by flags.
type Schema struct {
	Top      *pflag.FlagSet // in front of the first table
	Defaults *pflag.FlagSet // under [defaults]; nil: there is no such table
	Listener *pflag.FlagSet // under [[listener]]
}

// File is what a configuration file says.
type File struct {
	Name      string
	Top       Table
	Defaults  Table
	Listeners []Listener
}

// Listener is one [[listener]].
type Listener struct {
	Source Source // of its heading
	Values Table
}

// The names of the tables.
const (
	defaultsTable = "defaults"
	listenerTable = "listener"
)

// Parse reads a file. What is not as the Schema says is an error with its line: a key that is not known, a value of
// another kind than its flag's, or one that the flag does not take. All such errors are returned, joined, in their
// order in the file; each is an *Error.
func Parse(name string, data []byte, schema Schema) (*File, error) {
	p := &parser{name: name, schema: schema}
	if len(data) > MaxFile {
		return nil, p.errorf(1, "the file has more than %d bytes", MaxFile)
	}
	var tree map[string]any
	if err := toml.Unmarshal(data, &tree); err != nil {
		return nil, p.syntax(err)
	}
	var err error
	if p.lines, err = linesOf(data); err != nil {
		return nil, p.errorf(1, "%w", err) // Unmarshal was content, so this cannot be
	}
	file := p.file(tree)
	return file, errors.Join(p.sorted()...)
}

// parser makes a File of a tree.
type parser struct {
	name   string
	schema Schema
	lines  lines
	errs   []*Error
}

func (p *parser) source(line int) Source { return Source{FromFile, p.name, line} }

func (p *parser) errorf(line int, format string, args ...any) *Error {
	return &Error{p.source(line), fmt.Errorf(format, args...)}
}

func (p *parser) wrong(line int, format string, args ...any) {
	p.errs = append(p.errs, p.errorf(line, format, args...))
}

// sorted returns the errors in their order in the file.
func (p *parser) sorted() (all []error) {
	slices.SortStableFunc(p.errs, func(a, b *Error) int { return a.Source.Line - b.Source.Line })
	for _, e := range p.errs {
		all = append(all, e)
	}
	return all
}

// syntax returns what is wrong with a file that is no TOML.
func (p *parser) syntax(err error) error {
	if e, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, _ := e.Position()
		return p.errorf(line, "%w", err)
	}
	return p.errorf(1, "%w", err)
}

func (p *parser) file(tree map[string]any) *File {
	f := &File{Name: p.name, Top: make(Table), Defaults: make(Table)}
	top := make(map[string]any)
	for key, value := range tree {
		switch {
		case key == defaultsTable && p.schema.Defaults != nil:
			f.Defaults = p.inner(value, path(key), p.schema.Defaults)
		case key == listenerTable:
			f.Listeners = p.listeners(value)
		default:
			top[key] = value
		}
	}
	f.Top = p.table(top, "", p.schema.Top)
	return f
}

func (p *parser) listeners(value any) (all []Listener) {
	tables, ok := value.([]any)
	if !ok {
		p.wrong(p.lines[path(listenerTable)], "there may be several listeners: write [[%s]]", listenerTable)
		return nil
	}
	for i, one := range tables {
		at := path(listenerTable, strconv.Itoa(i))
		all = append(all, Listener{p.source(p.lines[at]), p.inner(one, at, p.schema.Listener)})
	}
	return all
}

// inner reads what should be a table.
func (p *parser) inner(value any, at string, set *pflag.FlagSet) Table {
	tree, ok := value.(map[string]any)
	if !ok {
		p.wrong(p.lines[at], "this is no table")
		return nil
	}
	return p.table(tree, at, set)
}

// table reads the keys of a table.
func (p *parser) table(tree map[string]any, at string, set *pflag.FlagSet) Table {
	table := make(Table)
	for key, value := range tree {
		line := p.lines[join(at, key)]
		f := set.Lookup(key)
		if f == nil {
			p.unknown(line, key, set)
			continue
		}
		texts, ok := convert(f, value)
		if !ok {
			p.wrong(line, "%s is %s", key, kindOf(f).wants())
			continue
		}
		table[key] = Value{texts, p.source(line)}
	}
	return table
}

// unknown says that there is no such key, and what there is.
func (p *parser) unknown(line int, key string, set *pflag.FlagSet) {
	has := func(set *pflag.FlagSet) bool { return set != nil && set.Lookup(key) != nil }
	switch {
	case has(p.schema.Listener) && set == p.schema.Top && p.schema.Defaults != nil:
		p.wrong(line, "%q is a listener's: it stands under [%s] or [[%s]]", key, defaultsTable, listenerTable)
	case has(p.schema.Top):
		p.wrong(line, "%q is not a single listener's: it stands in front of the first table", key)
	default:
		hint := ""
		if near := nearest(key, set); near != "" {
			hint = fmt.Sprintf("; did you mean %q?", near)
		}
		p.wrong(line, "there is no key %q here%s", key, hint)
	}
}

// convert returns a value as a flag takes it; false: it is of another kind.
func convert(f *pflag.Flag, value any) (texts []string, ok bool) {
	want := kindOf(f)
	switch v := value.(type) {
	case bool:
		return []string{strconv.FormatBool(v)}, want == boolean
	case int64:
		return []string{strconv.FormatInt(v, 10)}, want != boolean
	case float64:
		if v == math.Trunc(v) && want == integer {
			return nil, false // 1.0 is no whole number to TOML, and 1e3 none to people
		}
		return []string{strconv.FormatFloat(v, 'g', -1, 64)}, want == number || want == text
	case string:
		return []string{v}, want == text || want == list
	case []any:
		for _, one := range v {
			switch one := one.(type) {
			case string:
				texts = append(texts, one)
			case int64:
				texts = append(texts, strconv.FormatInt(one, 10))
			default:
				return nil, false
			}
		}
		return texts, want == list
	}
	return nil, false
}
