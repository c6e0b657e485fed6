package meter_test

import (
	"context"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/retort-udp/retort/wasmhandler/internal/wasmgen"
	"github.com/retort-udp/retort/wasmhandler/meter"
)

// This file has what the tests make modules with, and run them on.

// What numbers, names and sections are in the binary format.
var (
	uleb    = wasmgen.Uint
	sleb    = wasmgen.Int
	str     = wasmgen.Name
	section = wasmgen.Section
)

// cat joins pieces of code.
func cat(pieces ...[]byte) (b []byte) {
	for _, p := range pieces {
		b = append(b, p...)
	}
	return b
}

// rep is a piece of code n times.
func rep(n int, piece []byte) (b []byte) {
	for range n {
		b = append(b, piece...)
	}
	return b
}

// Instructions. op is one without immediates.
func op(codes ...byte) []byte         { return codes }
func i32c(n int32) []byte             { return cat(op(0x41), sleb(int64(n))) }
func i64c(n int64) []byte             { return cat(op(0x42), sleb(n)) }
func get(local int) []byte            { return cat(op(0x20), uleb(uint64(local))) }
func set(local int) []byte            { return cat(op(0x21), uleb(uint64(local))) }
func tee(local int) []byte            { return cat(op(0x22), uleb(uint64(local))) }
func call(f int) []byte               { return cat(op(0x10), uleb(uint64(f))) }
func callIndirect(typ, t int) []byte  { return cat(op(0x11), uleb(uint64(typ)), uleb(uint64(t))) }
func br(label int) []byte             { return cat(op(0x0c), uleb(uint64(label))) }
func brIf(label int) []byte           { return cat(op(0x0d), uleb(uint64(label))) }
func globalGet(g int) []byte          { return cat(op(0x23), uleb(uint64(g))) }
func globalSet(g int) []byte          { return cat(op(0x24), uleb(uint64(g))) }
func block(typ byte, b []byte) []byte { return cat(op(0x02, typ), b, op(0x0b)) }
func loop(typ byte, b []byte) []byte  { return cat(op(0x03, typ), b, op(0x0b)) }
func iff(typ byte, b []byte) []byte   { return cat(op(0x04, typ), b, op(0x0b)) }
func ifElse(typ byte, then, otherwise []byte) []byte {
	return cat(op(0x04, typ), then, op(0x05), otherwise, op(0x0b))
}
func brTable(labels ...int) []byte {
	b := cat(op(0x0e), uleb(uint64(len(labels)-1)))
	for _, l := range labels {
		b = append(b, uleb(uint64(l))...)
	}
	return b
}

var (
	drop        = op(0x1a)
	ret         = op(0x0f)
	nop         = op(0x01)
	unreachable = op(0x00)
	add         = op(0x6a) // i32.add
	sub         = op(0x6b) // i32.sub
	load        = op(0x28, 2, 0)
	store       = op(0x36, 2, 0)
	memoryFill  = op(0xfc, 11, 0)
	memoryCopy  = op(0xfc, 10, 0, 0)
	memoryGrow  = op(0x40, 0)
	memorySize  = op(0x3f, 0)
)

// Block types.
const (
	void = 0x40
	i32  = 0x7f
	i64  = 0x7e
	f32  = 0x7d
	f64  = 0x7c
	v128 = 0x7b
	fref = 0x70
	eref = 0x6f
)

// vals are value types.
type vals []byte

// A fn is a function: exported if it has a name.
type fn struct {
	name            string
	params, results vals
	locals          vals
	code            []byte // without the last end
}

// A mod is a module. Types are those of the functions, in order, and then more.
type mod struct {
	imports []fn // of module "env"
	fns     []fn
	types   [][2]vals
	tables  [][]byte
	memory  []byte // limits
	globals [][]byte
	exports [][]byte
	start   int // function + 1
	elems   [][]byte
	datas   [][]byte
	custom  [][]byte
}

func vec(items ...[]byte) []byte { return cat(uleb(uint64(len(items))), cat(items...)) }

func sized(b []byte) []byte { return cat(uleb(uint64(len(b))), b) }

func mutable(typ byte, init ...byte) []byte { return cat(op(typ, 1), init, op(0x0b)) }

func constant(typ byte, init ...byte) []byte { return cat(op(typ, 0), init, op(0x0b)) }

// bytes puts the module together.
func (m mod) bytes() []byte {
	w := new(wasmgen.Module)
	typ := func(params, results vals) { w.Entry(wasmgen.SectionType, cat(op(0x60), sized(params), sized(results))) }
	for i, f := range m.imports {
		typ(f.params, f.results)
		w.Entry(wasmgen.SectionImport, cat(str("env"), str(f.name), op(0), uleb(uint64(i))))
	}
	for i, f := range m.fns {
		index := len(m.imports) + i
		typ(f.params, f.results)
		w.Entry(wasmgen.SectionFunction, uleb(uint64(index)))
		if f.name != "" {
			w.Export(f.name, wasmgen.KindFunction, index)
		}
		var locals [][]byte
		for _, t := range f.locals {
			locals = append(locals, op(1, t))
		}
		w.Entry(wasmgen.SectionCode, sized(cat(vec(locals...), f.code, op(0x0b))))
	}
	for _, t := range m.types {
		typ(t[0], t[1])
	}
	if m.memory != nil {
		w.Entry(wasmgen.SectionMemory, m.memory)
		w.Export("memory", wasmgen.KindMemory, 0)
	}
	for id, entries := range map[byte][][]byte{
		wasmgen.SectionTable: m.tables, wasmgen.SectionGlobal: m.globals, wasmgen.SectionExport: m.exports,
		wasmgen.SectionElement: m.elems, wasmgen.SectionData: m.datas,
	} {
		for _, entry := range entries {
			w.Entry(id, entry)
		}
	}
	if m.start > 0 {
		w.Start(m.start - 1)
	}
	if len(m.datas) > 0 {
		w.Raw(wasmgen.SectionDataCount, uleb(uint64(len(m.datas))))
	}
	for _, c := range m.custom {
		w.Raw(wasmgen.SectionCustom, c)
	}
	return w.Bytes()
}

// only is a module of one function, exported as "f", with one page of memory.
func only(f fn) []byte {
	f.name = "f"
	return mod{fns: []fn{f}, memory: op(0, 1)}.bytes()
}

// engines runs a test on each of wazero's engines that this machine has.
func engines(t *testing.T, test func(t *testing.T, config wazero.RuntimeConfig)) {
	t.Run("interpreter", func(t *testing.T) { test(t, wazero.NewRuntimeConfigInterpreter()) })
	t.Run("compiler", func(t *testing.T) { test(t, compiler(t)) })
}

// compiler is wazero's compiler, where there is one.
func compiler(t testing.TB) (config wazero.RuntimeConfig) {
	defer func() {
		if recover() != nil {
			t.Skip("wazero has no compiler for this platform")
		}
	}()
	config = wazero.NewRuntimeConfigCompiler()
	wazero.NewRuntimeWithConfig(context.Background(), config).Close(context.Background())
	return config
}

// A guest is an instance of a metered module.
type guest struct {
	api.Module
	*meter.Counters
	info *meter.Info
}

// rewrite meters a module that has to be fine.
func rewrite(t testing.TB, wasm []byte, limits meter.Limits) ([]byte, *meter.Info) {
	t.Helper()
	out, info, err := meter.Rewrite(wasm, limits)
	if err != nil {
		t.Fatal(err)
	}
	return out, info
}

// instantiate runs a metered module in a runtime of its own.
func instantiate(t testing.TB, config wazero.RuntimeConfig, wasm []byte, limits meter.Limits) *guest {
	t.Helper()
	g, err := try(t, config, wasm, limits)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// try is instantiate for a module whose start may fail. The original has to be valid.
func try(t testing.TB, config wazero.RuntimeConfig, wasm []byte, limits meter.Limits) (*guest, error) {
	t.Helper()
	ctx := context.Background()
	out, info := rewrite(t, wasm, limits)
	r := wazero.NewRuntimeWithConfig(ctx, config)
	t.Cleanup(func() { r.Close(ctx) })
	if _, err := r.CompileModule(ctx, wasm); err != nil {
		t.Fatalf("the original: %v", err)
	}
	instance, err := r.Instantiate(ctx, out)
	if err != nil {
		return nil, err
	}
	return &guest{instance, bind(t, instance, info), info}, nil
}

// bind finds an instance's counters.
func bind(t testing.TB, instance api.Module, info *meter.Info) *meter.Counters {
	t.Helper()
	c, err := meter.Bind(info, lookup(instance))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func lookup(instance api.Module) func(string) meter.Global {
	return func(name string) meter.Global {
		g, _ := instance.ExportedGlobal(name).(api.MutableGlobal)
		return g
	}
}

// call arms the guest and calls an exported function.
func (g *guest) call(fuel uint64, name string, args ...uint64) ([]uint64, error) {
	g.Arm(fuel)
	g.Reset()
	return g.ExportedFunction(name).Call(context.Background(), args...)
}

// spent calls a function that has to succeed, and returns what it cost.
func (g *guest) spent(t testing.TB, name string, args ...uint64) uint64 {
	t.Helper()
	const budget = meter.MaxFuel
	if _, err := g.call(budget, name, args...); err != nil {
		t.Fatalf("%s%v: %v", name, args, err)
	}
	return budget - g.Remaining()
}

// reason is the first line of an error: what went wrong, without where.
func reason(err error) string {
	if err == nil {
		return ""
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
