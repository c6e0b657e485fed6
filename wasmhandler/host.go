package wasmhandler

import (
	"context"
	"fmt"

	"github.com/retort-udp/retort/wasmhandler/abi"

	"github.com/tetratelabs/wazero/api"
)

// hostFunction is a function that guests may import.
type hostFunction struct {
	params string // a letter each: i is an i32, I an i64
	result bool   // an i32: WASI's error number

	// call does it. Its arguments are in args, one a parameter; memory is the caller's. nil: ENOSYS.
	call func(in *instance, memory api.Memory, args []uint64) errno
}

// hostFunctions are all of them, by the name of their module and their own.
func hostFunctions() map[string]map[string]hostFunction {
	return map[string]map[string]hostFunction{
		abi.Module: {abi.Log: {params: "iii", call: guestLog}},
		abi.WASI:   wasiFunctions(),
	}
}

// types are f's parameters and results as wazero wants them.
func (f hostFunction) types() (params, results []api.ValueType) {
	for _, p := range f.params {
		t := api.ValueTypeI32
		if p == 'I' {
			t = api.ValueTypeI64
		}
		params = append(params, t)
	}
	if f.result {
		results = []api.ValueType{api.ValueTypeI32}
	}
	return params, results
}

// provide instantiates the host functions that the module imports, and no others.
func (m *Module) provide() error {
	known := hostFunctions()
	imported := map[string]map[string]bool{}
	for _, definition := range m.code.ImportedFunctions() {
		module, name, _ := definition.Import()
		f, ok := known[module][name]
		if !ok {
			return fmt.Errorf("it imports what no handler is given: %s", clean(module+"."+name))
		}
		params, results := f.types()
		want := "(" + typeNames(params) + ") -> (" + typeNames(results) + ")"
		if got := signature(definition); got != want {
			return fmt.Errorf("its import %s.%s is %s and must be %s", module, name, got, want)
		}
		if imported[module] == nil {
			imported[module] = map[string]bool{}
		}
		imported[module][name] = true
	}
	for module, names := range imported {
		builder := m.runtime.NewHostModuleBuilder(module)
		for name := range names {
			f := known[module][name]
			params, results := f.types()
			builder.NewFunctionBuilder().WithGoModuleFunction(f.bind(), params, results).Export(name)
		}
		if _, err := builder.Instantiate(context.Background()); err != nil {
			return err
		}
	}
	return nil
}

// callContext is how a host function finds the instance that called it. wazero hands the context of a call
// through as it is, so that a type assertion is enough. A host call takes 34 ns that way, and 33 with a runtime
// of its own for each instance, 39 with context.WithValue, 53 with a map.
type callContext struct {
	context.Context // the background's
	instance        *instance
	values          context.Context // while the instance is made: what wazero is to know; nil: nothing
}

// Value implements context.Context. wazero asks for one before each call.
func (c *callContext) Value(key any) any {
	if c.values == nil {
		return nil
	}
	return c.values.Value(key)
}

// What a host call costs, in fuel. A call takes some tens of nanoseconds by itself; the bytes are those that it
// copies, logs or makes up, and those that describe them.
const (
	hostCallFuel = 100
	hostByteFuel = 1
)

// bind makes f what wazero calls.
func (f hostFunction) bind() api.GoModuleFunc {
	call := f.call
	if call == nil {
		call = func(*instance, api.Memory, []uint64) errno { return errnoNosys }
	}
	if !f.result {
		return func(ctx context.Context, guest api.Module, stack []uint64) {
			call(caller(ctx, guest), guest.Memory(), stack)
		}
	}
	return func(ctx context.Context, guest api.Module, stack []uint64) {
		stack[0] = uint64(call(caller(ctx, guest), guest.Memory(), stack))
	}
}

// caller returns the instance that calls, when it has paid for the call.
func caller(ctx context.Context, guest api.Module) *instance {
	in := ctx.(*callContext).instance
	if in.counters == nil { // its start function runs, and wazero has not handed it over yet
		if err := in.bindCounters(guest); err != nil {
			panic(&hostTrap{cause: CauseOther, detail: err.Error()})
		}
	}
	in.charge(hostCallFuel)
	return in
}

// hostTrap is what a host function panics with to end the guest's call; wazero turns it into an error.
type hostTrap struct {
	cause  Cause
	detail string
	code   uint32 // of CauseExit
}

func (t *hostTrap) Error() string { return t.detail }
