// Package config finds the settings of a server: in flags, in the environment, and in a file.
//
// The flags are the one table that there is. A setting is a flag of a pflag.FlagSet; its key in a file is the
// flag's name, its variable is RETORT_ and that name in capitals with underscores, and what a value may be is what
// the flag takes. So a flag that is added has its key and its variable, and nothing can drift.
//
// [Parse] reads a file, [Environment] the variables, [Flags] what a command line has set; each gives values with
// their [Source], and [Layers.Apply] sets the flags of another set from the first layer that has a value.
package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// Kind is where a value can come from.
type Kind int

// Where values come from, from the weakest to the strongest.
const (
	FromDefault Kind = iota
	FromFile
	FromEnvironment
	FromFlag
)

// Source is where a value came from.
type Source struct {
	Kind Kind
	Name string // of the file, the variable or the flag
	Line int    // in the file
}

// String returns "default", "FILE:LINE", "$VARIABLE" or "--flag".
func (s Source) String() string {
	switch s.Kind {
	case FromFile:
		return fmt.Sprintf("%s:%d", s.Name, s.Line)
	case FromEnvironment:
		return "$" + s.Name
	case FromFlag:
		return "--" + s.Name
	}
	return "default"
}

// Value is a value as it was written.
type Value struct {
	Texts  []string // what the flag takes: one text, or the elements of a list
	Source Source
}

// Table has values by their keys.
type Table map[string]Value

// Error is what is wrong with a file or a variable, and where.
type Error struct {
	Source Source
	Err    error
}

func (e *Error) Error() string { return fmt.Sprintf("%v: %v", e.Source, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

// Flags returns what was given on the command line of a set.
func Flags(set *pflag.FlagSet) Table {
	table := make(Table)
	set.Visit(func(f *pflag.Flag) {
		table[f.Name] = Value{texts(f), Source{Kind: FromFlag, Name: f.Name}}
	})
	return table
}

// Variable returns the name of a setting's variable.
func Variable(key string) string {
	return "RETORT_" + strings.ToUpper(strings.ReplaceAll(key, "-", "_"))
}

// Environment returns the values of those variables that are settings of one of the sets. Lookup is os.LookupEnv.
// A variable that is empty is none.
//
// RETORT_PORT is left out when it is the address of a service: Kubernetes gives that variable to every container
// that can see a Service by the name of retort.
func Environment(lookup func(string) (string, bool), sets ...*pflag.FlagSet) Table {
	table := make(Table)
	for _, set := range sets {
		set.VisitAll(func(f *pflag.Flag) {
			name := Variable(f.Name)
			text, ok := lookup(name)
			if !ok || text == "" || f.Name == "port" && strings.Contains(text, "://") {
				return
			}
			table[f.Name] = Value{[]string{text}, Source{Kind: FromEnvironment, Name: name}}
		})
	}
	return table
}

// Strangers returns, in order, those variables that begin as a setting's and are none, each with what was probably
// meant. Environ is os.Environ. What Kubernetes makes of a Service by the name of retort is left out.
func Strangers(environ []string, sets ...*pflag.FlagSet) (list []string) {
	known, all := make(map[string]bool), pflag.NewFlagSet("", pflag.ContinueOnError)
	for _, set := range sets {
		all.AddFlagSet(set)
	}
	all.VisitAll(func(f *pflag.Flag) { known[Variable(f.Name)] = true })
	for _, variable := range environ {
		name, _, _ := strings.Cut(variable, "=")
		key, ours := strings.CutPrefix(name, Variable(""))
		if !ours || known[name] || strings.HasPrefix(key, "SERVICE_") || strings.HasPrefix(key, "PORT_") {
			continue
		}
		if near := nearest(key, all); near != "" {
			name += " (did you mean " + Variable(near) + "?)"
		}
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// Layers are tables, the strongest first.
type Layers []Table

// Find returns the value that counts; false: there is none, and the default does.
func (l Layers) Find(key string) (Value, bool) {
	for _, table := range l {
		if v, ok := table[key]; ok {
			return v, true
		}
	}
	return Value{}, false
}

// Apply gives the flags of set the values that count. They are marked as changed then. Each value that a flag does
// not take is an error: an *Error, if it came from a file or a variable.
func (l Layers) Apply(set *pflag.FlagSet) error {
	var all []error
	set.VisitAll(func(f *pflag.Flag) {
		v, ok := l.Find(f.Name)
		if !ok {
			return
		}
		if err := assign(f, v); err != nil {
			all = append(all, err)
		}
	})
	return errors.Join(all...)
}

// Sources returns where the value of each flag of set came from.
func (l Layers) Sources(set *pflag.FlagSet) map[string]Source {
	sources := make(map[string]Source)
	set.VisitAll(func(f *pflag.Flag) {
		v, _ := l.Find(f.Name)
		sources[f.Name] = v.Source
	})
	return sources
}

// assign sets a flag.
func assign(f *pflag.Flag, v Value) error {
	f.Changed = true
	if list, ok := f.Value.(pflag.SliceValue); ok && v.Source.Kind != FromEnvironment {
		return v.wrap(f, list.Replace(v.Texts))
	}
	for _, text := range v.Texts {
		if err := v.wrap(f, f.Value.Set(text)); err != nil {
			return err
		}
	}
	return nil
}

// wrap says what a flag has against a value.
func (v Value) wrap(f *pflag.Flag, err error) error {
	if err == nil {
		return nil
	}
	if number, ok := errors.AsType[*strconv.NumError](err); ok {
		err = fmt.Errorf("%w: it is %s", number.Err, kindOf(f).wants())
	}
	text := strconv.Quote(strings.Join(v.Texts, ","))
	if v.Source.Kind == FromEnvironment {
		return &Error{v.Source, fmt.Errorf("%s: %w", text, err)}
	}
	return &Error{v.Source, fmt.Errorf("%s = %s: %w", f.Name, text, err)}
}

// texts returns the value of a flag as Set takes it.
func texts(f *pflag.Flag) []string {
	if list, ok := f.Value.(pflag.SliceValue); ok {
		return list.GetSlice()
	}
	text := f.Value.String()
	if kindOf(f) != list {
		return []string{text}
	}
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

// kind is what a flag takes, as far as a file's syntax tells it apart.
type kind int

const (
	text kind = iota
	boolean
	integer
	number
	list
)

// wants says what a value has to be.
func (k kind) wants() string {
	return [...]string{"a text in quotes", "true or false", "a whole number", "a number", "a list of texts"}[k]
}

// kindOf tells by pflag's own names of types, and for lists by what they are made of.
func kindOf(f *pflag.Flag) kind {
	switch f.Value.Type() {
	case "bool":
		return boolean
	case "int", "int8", "int16", "int32", "int64", "uint", "uint8", "uint16", "uint32", "uint64", "count":
		return integer
	case "float32", "float64":
		return number
	}
	if _, ok := f.Value.(pflag.SliceValue); ok {
		return list
	}
	if v := reflect.TypeOf(f.Value); v.Kind() == reflect.Pointer && v.Elem().Kind() == reflect.Slice {
		return list
	}
	return text
}
