package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/retort-udp/retort/native/cmd/retort/internal/config"
)

// settings are what the command line, the variables and the configuration file of a server say together.
//
// The flags of "retort server" are the table of all settings: those of processFlags are keys in front of the first
// table of the file, those of listenerFlags are a listener's, under [defaults] or [[listener]]. A flag that is added
// to one of them has its key and its variable.
type settings struct {
	processFlags
	set       *pflag.FlagSet // processFlags'
	sources   map[string]config.Source
	listeners []*listenerFlags // those of the file; without any in it, the one that the command line means

	flags, variables config.Table // the strongest
	defaults         config.Table // the weakest, but for the flags' own defaults
}

// What is no setting: flags that say what to do, and which file to read.
var noSettings = []string{"config", "explain-guard", "help"}

// newProcessSet returns a set with the settings that listeners share.
func newProcessSet(f *processFlags) *pflag.FlagSet {
	set := pflag.NewFlagSet("server", pflag.ContinueOnError)
	set.SortFlags = false
	f.add(set)
	return set
}

// newListener returns a listener with its own flags, and what a file says of it beside them.
func newListener() *listenerFlags {
	f := new(listenerFlags)
	set := pflag.NewFlagSet("listener", pflag.ContinueOnError)
	set.SortFlags = false
	set.StringVar(&f.name, "name", "", "how logs and metrics call the listener; by its first address unless said otherwise")
	set.StringSliceVar(&f.hosts, "addresses", nil,
		"where it listens, each HOST, HOST:PORT or [IPv6]:PORT; on 127.0.0.1 if there is none")
	f.add(set)
	return f
}

// without returns a set with all flags of another but some.
func without(set *pflag.FlagSet, names ...string) *pflag.FlagSet {
	rest := pflag.NewFlagSet(set.Name(), pflag.ContinueOnError)
	rest.SortFlags = false
	set.VisitAll(func(f *pflag.Flag) {
		if !slices.Contains(names, f.Name) {
			rest.AddFlag(f)
		}
	})
	return rest
}

// fileSchema says which keys a configuration file has.
func fileSchema() config.Schema {
	listener := without(newListener().set, noSettings...)
	return config.Schema{
		Top:      without(newProcessSet(new(processFlags)), noSettings...),
		Defaults: without(listener, "name", "addresses"),
		Listener: listener,
	}
}

// get finds the settings. Hosts are the addresses on the command line.
func (f *serverFlags) get(hosts []string) (*settings, error) {
	s := &settings{flags: config.Flags(f.listenerFlags.set)}
	s.set = newProcessSet(&s.processFlags)
	schema := fileSchema()
	s.variables = config.Environment(os.LookupEnv, newProcessSet(new(processFlags)), without(schema.Listener, "name"))
	if len(hosts) > 0 {
		s.flags["addresses"] = config.Value{Texts: hosts, Source: config.Source{Kind: config.FromFlag, Name: "addresses"}}
	}
	file := new(config.File)
	if name, ok := (config.Layers{s.flags, s.variables}).Find("config"); ok {
		var err error
		if file, err = readConfig(name.Texts[0], schema); err != nil {
			return nil, configError(err)
		}
	}
	s.defaults = file.Defaults
	layers := config.Layers{s.flags, s.variables, file.Top}
	if err := layers.Apply(s.set); err != nil {
		return nil, configError(err)
	}
	s.sources = layers.Sources(s.set)
	if err := s.findListeners(file); err != nil {
		return nil, err
	}
	if err := s.locate(s.check()); err != nil {
		if _, inFile := errors.AsType[*config.Error](err); inFile {
			err = configError(err)
		}
		return nil, err
	}
	return s, nil
}

// locate says of an error about a setting that listeners share where that was said, unless it was a flag.
func (s *settings) locate(err error) error {
	if e, ok := errors.AsType[*settingError](err); ok && isWritten(s.sources[e.key]) {
		return &config.Error{Source: s.sources[e.key], Err: err}
	}
	return err
}

// isWritten says whether a source can be told as a place: a line of a file, or a variable.
func isWritten(s config.Source) bool {
	return s.Kind == config.FromFile || s.Kind == config.FromEnvironment
}

// readConfig reads a configuration file. Names of files in it are relative to it.
func readConfig(name string, schema config.Schema) (*config.File, error) {
	data, err := readFile(name, config.MaxFile)
	if err != nil {
		return nil, fmt.Errorf("the configuration cannot be read: %w", err)
	}
	file, err := config.Parse(name, data, schema)
	if err != nil {
		return nil, err
	}
	return file, relocate(file)
}

// isPath says whether a setting names a file or a directory, by what its usage calls the value.
func isPath(f *pflag.Flag) bool {
	kind, _ := pflag.UnquoteUsage(f)
	return f.Value.Type() == "string" && slices.Contains([]string{"FILE", "DIR", "PATH"}, kind)
}

// relocate makes names of files in a configuration file relative to it.
func relocate(file *config.File) error {
	paths := make(map[string]bool)
	schema := fileSchema()
	for _, set := range []*pflag.FlagSet{schema.Top, schema.Listener} {
		set.VisitAll(func(f *pflag.Flag) { paths[f.Name] = isPath(f) })
	}
	tables := []config.Table{file.Top, file.Defaults}
	for _, l := range file.Listeners {
		tables = append(tables, l.Values)
	}
	dir := filepath.Dir(file.Name)
	beside := func(path string) string {
		if path == "" || filepath.IsAbs(path) {
			return path
		}
		return filepath.Join(dir, path)
	}
	for _, table := range tables {
		for key, v := range table {
			if len(v.Texts) != 1 {
				continue
			}
			text := v.Texts[0]
			from, isFile := strings.CutPrefix(text, "@")
			switch {
			case paths[key]:
				text = beside(text)
			case key == "handler" && isModule(text):
				if text = beside(text); !strings.ContainsRune(text, filepath.Separator) {
					text = "." + string(filepath.Separator) + text // a file, and no name
				}
			case key == "handler-config" && isFile && from == "-":
				return &config.Error{Source: v.Source, Err: errors.New(`"@-" is for the command line`)}
			case key == "handler-config" && isFile:
				text = "@" + beside(from)
			}
			v.Texts = []string{text}
			table[key] = v
		}
	}
	return nil
}

// findListeners makes the listeners of a file, or the one of the command line.
func (s *settings) findListeners(file *config.File) error {
	if len(file.Listeners) == 0 {
		if s.handlers != "" && !s.listensItself() {
			return nil // the directory's handlers have listeners of their own
		}
		l, err := s.listener(config.Source{}, s.flags, s.variables, s.defaults)
		s.listeners = []*listenerFlags{l}
		return err
	}
	if given, ok := (config.Layers{s.flags, s.variables}).Find("addresses"); ok && len(file.Listeners) > 1 {
		return configError(fmt.Errorf("%s has %d listeners, and the addresses %s are for one",
			file.Name, len(file.Listeners), strings.Join(given.Texts, " ")))
	}
	for _, l := range file.Listeners {
		made, err := s.listener(l.Source, s.flags, s.variables, l.Values, s.defaults)
		if err != nil {
			return err
		}
		s.listeners = append(s.listeners, made)
	}
	return errors.Join(s.checkNames(), s.checkModuleFlags())
}

// listensItself says whether a command line or a variable asks for a listener beside those that a directory of
// handlers brings.
func (s *settings) listensItself() bool {
	return slices.ContainsFunc([]string{"addresses", "port", "handler", "listen-only"}, func(key string) bool {
		_, ok := (config.Layers{s.flags, s.variables}).Find(key)
		return ok
	})
}

// alternatives are settings that exclude others: where they come from different layers, the stronger one counts.
var alternatives = map[string][]string{"listen-only": {"handler"}, "no-cache": {"cache-dir", "cache-size"}}

// listener makes one of layers, the strongest first. Source is its heading in a file.
func (s *settings) listener(source config.Source, layers ...config.Table) (*listenerFlags, error) {
	f := newListener()
	f.source, f.layers = source, chosen(layers)
	if err := f.layers.Apply(f.set); err != nil {
		return nil, configError(err)
	}
	// What is said to all listeners, and is of no use to this one, was not said to it.
	if (source.Kind == config.FromFile || s.handlers != "") && !isModule(f.handler) {
		for _, name := range append([]string{"seed"}, moduleFlags...) {
			if !s.own(f, name) {
				f.set.Lookup(name).Changed = false
			}
		}
	}
	if source.Kind == config.FromFile && f.name == "" {
		at, err := f.addresses()
		if err != nil {
			return nil, f.blame(err)
		}
		f.name = at[0]
	}
	return f, f.blame(f.check())
}

// own says whether a file says something of one listener, and not of all of them.
func (s *settings) own(f *listenerFlags, key string) bool {
	v, ok := f.layers.Find(key)
	return ok && v.Source.Kind == config.FromFile && s.defaults[key].Source != v.Source
}

// chosen drops the weaker of alternatives.
func chosen(tables []config.Table) config.Layers {
	depth := func(key string) int {
		return slices.IndexFunc(tables, func(t config.Table) bool { _, ok := t[key]; return ok })
	}
	drop := make(map[string]bool)
	for one, others := range alternatives {
		for _, other := range others {
			a, b := depth(one), depth(other)
			switch {
			case a < 0 || b < 0 || a == b:
			case a < b:
				drop[other] = true
			default:
				drop[one] = true
			}
		}
	}
	var layers config.Layers
	for _, t := range tables {
		rest := make(config.Table)
		for key, v := range t {
			if !drop[key] {
				rest[key] = v
			}
		}
		layers = append(layers, rest)
	}
	return layers
}

// checkNames refuses listeners that share a name or an address.
func (s *settings) checkNames() error {
	names, taken := make(map[string]*listenerFlags), make(map[string]*listenerFlags)
	for _, l := range s.listeners {
		if other := names[l.name]; other != nil {
			return l.blame(fmt.Errorf("the listener at %v is called %q, too", other.source, l.name))
		}
		names[l.name] = l
		at, err := l.addresses()
		if err != nil {
			return l.blame(err)
		}
		for _, a := range at {
			if other := taken[a]; other != nil && !strings.HasSuffix(a, ":0") {
				return l.blame(fmt.Errorf("the listener at %v has the address %s, too", other.source, a))
			}
			taken[a] = l
		}
	}
	return nil
}

// checkModuleFlags refuses flags for .wasm handlers where there is none.
func (s *settings) checkModuleFlags() error {
	if s.handlers != "" || slices.ContainsFunc(s.listeners, func(l *listenerFlags) bool { return isModule(l.handler) }) {
		return nil
	}
	for _, name := range moduleFlags {
		if v, ok := s.flags[name]; ok {
			return usagef("%v is for .wasm handlers, and there is none", v.Source)
		}
	}
	return nil
}

// blame says of an error of a listener where in the configuration the setting is that it is about, or the listener.
func (f *listenerFlags) blame(err error) error {
	source := f.source
	if e, ok := errors.AsType[*settingError](err); ok {
		if v, ok := f.layers.Find(e.key); ok {
			source = v.Source
		}
	} else if source.Kind == config.FromDefault {
		v, _ := f.layers.Find("handler")
		source = v.Source
	}
	if err == nil || !isWritten(source) {
		return err
	}
	return configError(&config.Error{Source: source, Err: err})
}
