package wasmhandler

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/retort-udp/retort/wasmhandler/abi"
	"github.com/retort-udp/retort/wasmhandler/internal/wasmbin"
	"github.com/retort-udp/retort/wasmhandler/meter"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// checkShape says what a host of the handler ABI cannot give, or refuses to: before anything is compiled.
func checkShape(s *wasmbin.Shape, c *Config) error {
	if err := checkImports(s.Imports); err != nil {
		return err
	}
	if len(s.Memories) > 1 {
		return errors.New("it has a second memory: a handler has one")
	}
	for _, m := range s.Memories {
		switch least := m.Pages * pageSize; {
		case m.Imported != nil:
			name := clean(m.Imported.Module + "." + m.Imported.Name)
			return fmt.Errorf("it imports its memory, %s: it must have its own, and export it", name)
		case m.Shared:
			return errors.New("its memory is shared between threads: a handler has no threads")
		case least > uint64(c.Memory):
			return fmt.Errorf("it needs %d bytes of memory to begin with, more than the limit of %d (Config.Memory)",
				least, c.Memory)
		}
	}
	if s.Elements > uint64(c.TableElements) {
		return fmt.Errorf("its tables have %d elements to begin with, more than the limit of %d (Config.TableElements)",
			s.Elements, c.TableElements)
	}
	if s.ExportCount > meter.MaxExports {
		return fmt.Errorf("it exports %d things, more than the limit of %d", s.ExportCount, meter.MaxExports)
	}
	return nil
}

// importName is how errors name an import. The names are the guest's, which may hold anything.
func importName(i wasmbin.Import) string {
	name := clean(i.Module + "." + i.Name)
	switch {
	case i.Module == abi.Module && i.Name == "send":
		name += " (reserved for a later version of the ABI)"
	case i.Kind != wasmbin.Function:
		name += " (a " + i.Kind.String() + ")"
	}
	return name
}

// checkImports names imports that no handler is given; of many, the first few.
func checkImports(imports []wasmbin.Import) error {
	if len(imports) > meter.MaxImports {
		return fmt.Errorf("it imports more than %d things", meter.MaxImports)
	}
	known := hostFunctions()
	var unknown []string
	for _, i := range imports {
		if _, ok := known[i.Module][i.Name]; ok && i.Kind == wasmbin.Function {
			continue
		}
		if i.Kind != wasmbin.LinearMemory { // that has an error of its own
			unknown = append(unknown, importName(i))
		}
	}
	const few = 4
	switch n := len(unknown); {
	case n == 0:
		return nil
	case n > few:
		return fmt.Errorf("it imports what no handler is given: %s and %d more", strings.Join(unknown[:few], ", "), n-few)
	}
	return fmt.Errorf("it imports what no handler is given: %s", strings.Join(unknown, ", "))
}

// abiTypes are the signatures of what a guest may export, as text.
func abiTypes() map[string]string {
	return map[string]string{
		abi.Window:     "(i32) -> (i32)",
		abi.Reply:      "(i32, i32, i32, i32, i32) -> (i32)",
		abi.Configure:  "(i32, i32) -> (i32)",
		abi.Idle:       "() -> ()",
		abi.IsResponse: "(i32, i32, i32) -> (i32)",
		abi.Initialize: "() -> ()",
		abi.Start:      "() -> ()",
	}
}

// otherVersion matches the names of the ABI's functions in any version.
var otherVersion = regexp.MustCompile(`^retort_v[0-9]+_`)

// checkExports says what a module lacks to be a handler, and whether it is a command.
func checkExports(code wazero.CompiledModule, exports map[string]api.FunctionDefinition) (command bool, err error) {
	_, replies := exports[abi.Reply]
	_, starts := exports[abi.Start]
	command = starts && !replies

	var missing []string
	if !command {
		for _, name := range []string{abi.Window, abi.Reply} {
			if _, ok := exports[name]; !ok {
				missing = append(missing, name)
			}
		}
	}
	if _, ok := code.ExportedMemories()[abi.Memory]; !ok {
		missing = append(missing, abi.Memory)
	}
	if len(missing) > 0 {
		return false, fmt.Errorf("it does not export %s%s", strings.Join(missing, ", "), whatInstead(exports))
	}

	types := abiTypes()
	for _, name := range slices.Sorted(maps.Keys(types)) {
		f, ok := exports[name]
		if !ok || command != (name == abi.Start) {
			continue
		}
		if got := signature(f); got != types[name] {
			return false, fmt.Errorf("its %s is %s and must be %s", name, got, types[name])
		}
		if _, _, imported := f.Import(); imported {
			return false, fmt.Errorf("its %s is a function that it imports: it must have its own", name)
		}
	}
	return command, nil
}

// whatInstead says what else a module exports that explains what it does not.
func whatInstead(exports map[string]api.FunctionDefinition) string {
	for _, name := range slices.Sorted(maps.Keys(exports)) {
		if otherVersion.MatchString(name) && !strings.HasPrefix(name, "retort_v1_") {
			return fmt.Sprintf("; it exports %s, and this host speaks version 1", clean(name))
		}
	}
	return ""
}

// signature is a function's type as text.
func signature(f api.FunctionDefinition) string {
	return "(" + typeNames(f.ParamTypes()) + ") -> (" + typeNames(f.ResultTypes()) + ")"
}

func typeNames(types []api.ValueType) string {
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = api.ValueTypeName(t)
	}
	return strings.Join(names, ", ")
}
