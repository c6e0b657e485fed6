package meter_test

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/retort-udp/retort/wasmhandler/meter"
)

// An index that is one too large in the original, and would name something of the meter's, is an error.
func TestNothingOfTheMeterCanBeNamed(t *testing.T) {
	// Functions 0 and 1, types 0 and 1, table 0, global 0, local 0, segments 0; labels 0.
	base := func(code []byte) mod {
		return mod{
			fns:     []fn{{name: "f", params: vals{i32}, code: code}, {}},
			tables:  [][]byte{{fref, 0, 1}},
			memory:  op(0, 1),
			globals: [][]byte{mutable(i32, i32c(0)...)},
			datas:   [][]byte{cat(op(1), sized(nil))},
			elems:   [][]byte{cat(op(1, 0), vec(uleb(1)))},
		}
	}
	init3 := cat(i32c(0), i32c(0), i32c(0))
	codes := map[string][]byte{
		"call":            call(2),
		"call_indirect":   cat(i32c(0), callIndirect(2, 0)),
		"another table":   cat(i32c(0), callIndirect(1, 1)),
		"ref.func":        cat(op(0xd2, 2), drop),
		"global.get":      cat(globalGet(1), drop),
		"global.set":      cat(i64c(1), globalSet(1)),
		"the stack":       cat(i32c(1), globalSet(2)),
		"local.get":       cat(get(1), drop),
		"local.tee":       cat(i32c(0), tee(1), drop),
		"br":              br(1),
		"br_if":           cat(i32c(0), brIf(1)),
		"br_table":        cat(i32c(0), brTable(0, 1, 0)),
		"its default":     cat(i32c(0), brTable(0, 1)),
		"br from a block": block(void, br(2)),
		"table.get":       cat(i32c(0), op(0x25, 1), drop),
		"table.set":       cat(i32c(0), op(0xd0, fref), op(0x26, 1)),
		"table.size":      cat(op(0xfc, 16, 1), drop),
		"table.grow":      cat(op(0xd0, fref), i32c(0), op(0xfc, 15, 1), drop),
		"table.fill":      cat(i32c(0), op(0xd0, fref), i32c(0), op(0xfc, 17, 1)),
		"table.copy to":   cat(init3, op(0xfc, 14, 1, 0)),
		"table.copy from": cat(init3, op(0xfc, 14, 0, 1)),
		"table.init":      cat(init3, op(0xfc, 12, 0, 1)),
		"its segment":     cat(init3, op(0xfc, 12, 1, 0)),
		"elem.drop":       op(0xfc, 13, 1),
		"memory.init":     cat(init3, op(0xfc, 8, 1, 0)),
		"data.drop":       op(0xfc, 9, 1),
		"a block's type":  op(0x02, 2, 0x0b),
		"a loop's type":   cat(i32c(0), op(0x03, 3, 0x0b)),
		"memory.size":     op(0x3f, 1, 0x1a),
	}
	modules := map[string]mod{}
	for name, code := range codes {
		modules[name] = base(code)
	}
	change := func(name string, f func(m *mod)) {
		m := base(nil)
		f(&m)
		modules[name] = m
	}
	change("an exported function", func(m *mod) { m.exports = [][]byte{cat(str("x"), op(0, 2))} })
	change("an exported table", func(m *mod) { m.exports = [][]byte{cat(str("x"), op(1, 1))} })
	change("an exported memory", func(m *mod) { m.exports = [][]byte{cat(str("x"), op(2, 1))} })
	change("an exported global", func(m *mod) { m.exports = [][]byte{cat(str("x"), op(3, 1))} })
	change("a start function", func(m *mod) { m.start = 3 })
	change("an element", func(m *mod) { m.elems = [][]byte{cat(op(1, 0), vec(uleb(2)))} })
	change("an element's expression", func(m *mod) { m.elems = [][]byte{cat(op(5, fref), vec(op(0xd2, 2, 0x0b)))} })
	change("an element segment's table", func(m *mod) {
		m.elems = [][]byte{cat(op(2, 1), i32c(0), op(0x0b, 0), vec())}
	})
	change("a global's function", func(m *mod) { m.globals = [][]byte{mutable(fref, 0xd2, 2)} })
	change("a global's global", func(m *mod) { m.globals = [][]byte{mutable(i32, 0x23, 1)} })
	for name, m := range modules {
		if out, _, err := meter.Rewrite(m.bytes(), meter.Limits{}); err == nil {
			t.Errorf("%s: passed, as %d bytes", name, len(out))
		}
	}
	// So that the cases above fail for what they mean to: with the right index, they pass.
	fine := base(cat(call(1), globalGet(0), drop, i32c(0), tee(0), brIf(0)))
	if _, _, err := meter.Rewrite(fine.bytes(), meter.Limits{}); err != nil {
		t.Error(err)
	}
}

// The counters' names are the host's.
func TestReservedNames(t *testing.T) {
	for name, reserved := range map[string]bool{
		meter.Prefix + "fuel": true, meter.Prefix: true, meter.Prefix + "x": true,
		"retort.mete": false, "retort_v1_reply": false, "x" + meter.Prefix: false,
	} {
		m := mod{fns: []fn{{name: name}}}
		if _, _, err := meter.Rewrite(m.bytes(), meter.Limits{}); (err != nil) != reserved {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// Indices stay what they were, exports too, and what is added has the host's names.
func TestWhatIsAdded(t *testing.T) {
	m := benchmarks
	m.imports = []fn{{name: "a"}, {name: "b", params: vals{i32}}}
	m.fns = slices.Clone(m.fns)
	m.fns[3].code = nil
	m.fns[3].results = nil
	m.globals = [][]byte{
		mutable(i32, i32c(5)...), constant(i64, i64c(6)...), mutable(f64, cat(op(0x44), make([]byte, 8))...),
		mutable(v128, cat(op(0xfd, 12), make([]byte, 16))...), mutable(fref, 0xd0, fref), mutable(eref, 0xd0, eref),
		mutable(i64, i64c(7)...), mutable(f32, 0x43, 0, 0, 0, 0),
	}
	m.exports = [][]byte{cat(str("g"), op(3, 0))}
	out, info := rewrite(t, m.bytes(), meter.Limits{})
	r := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter())
	defer r.Close(t.Context())
	plain, err := r.CompileModule(t.Context(), m.bytes())
	if err != nil {
		t.Fatal(err)
	}
	metered, err := r.CompileModule(t.Context(), out)
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range metered.ExportedFunctions() {
		was := plain.ExportedFunctions()[name]
		if was == nil || was.Index() != f.Index() || !bytes.Equal(was.ParamTypes(), f.ParamTypes()) {
			t.Errorf("function %q is %d now", name, f.Index())
		}
	}
	if len(metered.ExportedFunctions()) != len(plain.ExportedFunctions()) ||
		len(metered.ImportedFunctions()) != 2 || len(metered.ExportedMemories()) != 1 {
		t.Error("functions or memories were exported or imported")
	}
	want := []meter.MutableGlobal{
		{0, meter.I32, "retort.meter.global.0"}, {2, meter.F64, "retort.meter.global.2"}, {3, meter.V128, ""},
		{4, meter.FuncRef, ""}, {5, meter.ExternRef, ""}, {6, meter.I64, "retort.meter.global.6"},
		{7, meter.F32, "retort.meter.global.7"},
	}
	if !slices.Equal(info.Globals, want) || info.Restorable() {
		t.Errorf("globals %v, restorable %v", info.Globals, info.Restorable())
	}
}

// A host can save and restore every global that it is told of.
func TestGlobalsCanBeRestored(t *testing.T) {
	engines(t, func(t *testing.T, config wazero.RuntimeConfig) {
		m := mod{
			fns: []fn{{name: "f", code: cat(
				i32c(-1), globalSet(0), i64c(-1), globalSet(1),
				op(0x43, 1, 2, 3, 4), globalSet(2), op(0x44, 1, 2, 3, 4, 5, 6, 7, 8), globalSet(3),
			)}},
			globals: [][]byte{
				mutable(i32, i32c(-7)...), mutable(i64, i64c(1<<60)...),
				mutable(f32, 0x43, 0, 0, 0xc0, 0xff), mutable(f64, 0x44, 0, 0, 0, 0, 0, 0, 0xf8, 0xff),
			},
			memory: op(0, 1),
		}
		g := instantiate(t, config, m.bytes(), meter.Limits{})
		if !g.info.Restorable() {
			t.Error("not restorable")
		}
		read := func() (values []uint64) {
			for _, global := range g.info.Globals {
				values = append(values, g.ExportedGlobal(global.Export).Get())
			}
			return values
		}
		first := read()
		g.spent(t, "f")
		if second := read(); slices.Equal(first, second) {
			t.Errorf("%v after %v", second, first)
		}
		for i, global := range g.info.Globals {
			g.ExportedGlobal(global.Export).(api.MutableGlobal).Set(first[i])
		}
		if third := read(); !slices.Equal(first, third) {
			t.Errorf("%v after %v", third, first)
		}
	})
}

// Info says what a host asks of a module.
func TestInfo(t *testing.T) {
	with := func(code []byte) *meter.Info {
		m := mod{
			fns:    []fn{{code: code}, {}},
			memory: op(1, 2, 9),
			tables: [][]byte{{fref, 0, 4}},
			datas:  [][]byte{cat(op(1), sized(nil))},
			elems:  [][]byte{cat(op(1, 0), vec())},
		}
		_, info := rewrite(t, m.bytes(), meter.Limits{})
		return info
	}
	plain := with(nil)
	want := &meter.Info{
		Slice: meter.DefaultSlice, Stack: meter.DefaultFrameBytes, Functions: 2, MaxFrame: 256,
		HasMemory: true, MemoryPages: 2, MemoryMaxPages: 9, Tables: 1, TableElements: 4,
	}
	if !reflect.DeepEqual(plain, want) || !plain.Restorable() {
		t.Errorf("%+v", plain)
	}
	three := cat(i32c(0), i32c(0), i32c(0))
	nothing := func(*meter.Info) {}
	written := func(i *meter.Info) { i.TablesWritten = true }
	for name, tt := range map[string]struct {
		code   []byte
		change func(*meter.Info)
	}{
		"memory.grow":  {cat(i32c(0), memoryGrow, drop), func(i *meter.Info) { i.MemoryGrows = true }},
		"table.set":    {cat(i32c(0), op(0xd0, fref), op(0x26, 0)), written},
		"table.grow":   {cat(op(0xd0, fref), i32c(0), op(0xfc, 15, 0), drop), written},
		"table.fill":   {cat(i32c(0), op(0xd0, fref), i32c(0), op(0xfc, 17, 0)), written},
		"table.copy":   {cat(three, op(0xfc, 14, 0, 0)), written},
		"table.init":   {cat(three, op(0xfc, 12, 0, 0)), written},
		"table.get":    {cat(i32c(0), op(0x25, 0), drop), nothing},
		"data.drop":    {op(0xfc, 9, 0), func(i *meter.Info) { i.DataDropped = true }},
		"elem.drop":    {op(0xfc, 13, 0), func(i *meter.Info) { i.ElementsDropped = true }},
		"memory.init":  {cat(three, op(0xfc, 8, 0, 0)), nothing},
		"in dead code": {cat(unreachable, op(0xfc, 9, 0)), func(i *meter.Info) { i.DataDropped = true }},
	} {
		want := *plain
		tt.change(&want)
		if got := with(tt.code); !reflect.DeepEqual(got, &want) {
			t.Errorf("%s: %+v", name, got)
		} else if got.Restorable() != (!want.TablesWritten && !want.DataDropped && !want.ElementsDropped) {
			t.Errorf("%s: restorable %v", name, got.Restorable())
		}
	}
	imported := cat([]byte("\x00asm\x01\x00\x00\x00"), section(2, vec(cat(str("env"), str("memory"), op(2, 0, 3)))))
	if _, info := rewrite(t, imported, meter.Limits{}); !info.HasMemory || !info.MemoryImported || info.MemoryPages != 3 {
		t.Errorf("an imported memory: %+v", info)
	}
	if _, info := rewrite(t, mod{}.bytes(), meter.Limits{}); info.HasMemory || info.MemoryImported {
		t.Errorf("no memory: %+v", info)
	}
}

// Traps name the guest's functions, and the meter's where those are on top. Other custom sections are gone.
func TestNames(t *testing.T) {
	m := mod{
		fns: []fn{{name: "f", code: call(1)}, {code: unreachable}, {name: "g", code: loop(void, br(0))}},
		custom: [][]byte{
			cat(str("producers"), []byte("somebody")),
			cat(str("name"), op(0), sized(str("guest")), op(1), sized(vec(
				cat(uleb(0), str("outer")), cat(uleb(1), str("inner")),
				cat(uleb(2), str("spin")), cat(uleb(3), str("liar")))),
				op(2), sized(vec())),
			cat(str(".debug_info"), []byte("offsets")),
		},
		memory: op(0, 1),
	}
	out, _ := rewrite(t, m.bytes(), meter.Limits{})
	for _, gone := range []string{"producers", ".debug", "liar"} {
		if bytes.Contains(out, []byte(gone)) {
			t.Errorf("%q is still there", gone)
		}
	}
	engines(t, func(t *testing.T, config wazero.RuntimeConfig) {
		g := instantiate(t, config, m.bytes(), meter.Limits{})
		_, err := g.call(1_000, "f")
		if err == nil || !strings.Contains(err.Error(), "guest.inner()\n\tguest.outer()") {
			t.Error(err)
		}
		_, err = g.call(1_000, "g")
		if err == nil || !strings.Contains(err.Error(), "guest.retort.meter.refill() i32\n\tguest.spin()") {
			t.Error(err)
		}
	})
	// Names may come in any order; broken ones break the module, as they do in engines.
	for _, tt := range []struct {
		names []byte
		fine  bool
	}{
		{cat(op(1), sized(vec(cat(uleb(1), str("b")), cat(uleb(0), str("a")), cat(uleb(0), str("c"))))), true},
		{cat(op(1), sized(vec(cat(uleb(1_000_000), str("beyond"))))), true},
		{cat(op(2), sized(vec(cat(uleb(0), vec(cat(uleb(0), str("x"))))))), true},
		{cat(op(77), sized([]byte("something new"))), true},
		{op(1), false},
		{op(1, 50, 1), false},
		{cat(op(1), sized(uleb(1<<31))), false},
		{cat(op(2), sized(cat(op(1, 0), uleb(1<<31)))), false},
		{cat(op(1), sized(cat(vec(), op(0)))), false},
		{cat(op(1), sized(vec(cat(uleb(0), str("\xff"))))), false},
		{cat(op(0), sized(str("\xff"))), false},
	} {
		m := mod{fns: []fn{{name: "f"}}, memory: op(0, 1), custom: [][]byte{cat(str("name"), tt.names)}}
		out, _, err := meter.Rewrite(m.bytes(), meter.Limits{})
		if (err == nil) != tt.fine {
			t.Errorf("names % x: %v", tt.names, err)
		}
		if err != nil {
			continue
		}
		r := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter())
		if _, err := r.CompileModule(t.Context(), out); err != nil {
			t.Errorf("names % x: %v", tt.names, err)
		}
		r.Close(t.Context())
	}
}

// What is not WebAssembly 2.0 is refused, and the error says so.
func TestRefused(t *testing.T) {
	head := []byte("\x00asm\x01\x00\x00\x00")
	code := func(c ...byte) []byte { return only(fn{params: vals{i32}, code: c}) }
	for name, tt := range map[string]struct {
		wasm []byte
		text string
	}{
		"nothing":                {nil, "not a WebAssembly module"},
		"text":                   {[]byte("(module)"), "not a WebAssembly module"},
		"a component":            {[]byte("\x00asm\x0d\x00\x01\x00"), "version"},
		"half a section":         {cat(head, op(1, 5, 0)), "section 1: unexpected end"},
		"an unknown section":     {cat(head, section(14, nil)), "section 14"},
		"tags":                   {cat(head, section(13, vec())), "section 13"},
		"sections out of order":  {cat(head, section(3, vec()), section(1, vec())), "section 1"},
		"a section twice":        {cat(head, section(1, vec()), section(1, vec())), "section 1"},
		"more in a section":      {cat(head, section(1, op(0, 0))), "1 bytes follow its end"},
		"a tail call":            {code(0x12, 0), "tail call"},
		"an indirect tail call":  {code(0x13, 0, 0), "tail call"},
		"try":                    {code(0x06, void, 0x0b), "exceptions"},
		"try_table":              {code(0x1f, void, 0, 0x0b), "exceptions"},
		"threads":                {code(0xfe, 0x03, 0), "threads"},
		"garbage collection":     {code(0xfb, 0), "garbage collection"},
		"call_ref":               {code(0x14, 0), "typed references"},
		"br_on_null":             {code(0xd5, 0), "typed references"},
		"no instruction":         {code(0x27), "no instruction"},
		"no vector instruction":  {code(0xfd, 0x9a, 1), "no instruction"},
		"relaxed vectors":        {code(0xfd, 0x80, 2), "no instruction"},
		"no misc instruction":    {code(0xfc, 18), "no instruction"},
		"a padded opcode":        {code(cat(i32c(0), op(0xfc, 0x90, 0x80, 0x80, 0x80, 0x10))...), "32 bits"},
		"a padded vector opcode": {code(cat(op(0xfd, 0x8c, 0), make([]byte, 16), drop)...), "longer than it needs"},
		"rec types":              {cat(head, section(1, op(1, 0x4e, 1, 0x60, 0, 0))), "no function type"},
		"struct types":           {cat(head, section(1, op(1, 0x5f, 0))), "no function type"},
		"typed references":       {cat(head, section(1, op(1, 0x60, 1, 0x64, 0x70, 0))), "value type"},
		"exnref":                 {cat(head, section(1, op(1, 0x60, 1, 0x69, 0))), "value type 0x69"},
		"shared memory":          {mod{memory: op(3, 1, 1)}.bytes(), "shared"},
		"64-bit memory":          {mod{memory: op(4, 1)}.bytes(), "64-bit"},
		"two memories":           {cat(head, section(5, op(2, 0, 1, 0, 1))), "memories"},
		"one more memory": {cat(head, section(2, vec(cat(str("a"), str("b"), op(2, 0, 1)))), section(5, op(1, 0, 1))),
			"second memory"},
		"an imported tag":     {cat(head, section(2, vec(cat(str("a"), str("b"), op(4, 0, 0))))), "import of kind 0x4"},
		"a table with values": {cat(head, section(4, vec(op(0x40, 0, fref, 0, 1, 0xd0, fref, 0x0b)))), "table"},
		"extended constants": {mod{
			globals: [][]byte{constant(i32, cat(i32c(1), i32c(1), add)...)},
		}.bytes(), "constant expression"},
		"too few bodies": {cat(head, section(1, vec(op(0x60, 0, 0))), section(3, vec(uleb(0)))),
			"1 functions have 0 bodies"},
		"too many bodies":   {cat(head, section(10, vec(sized(op(0, 0x0b))))), "0 functions have 1 bodies"},
		"no end":            {code(0x02, void), "unexpected end"},
		"two ends":          {code(0x0b), "follow its end"},
		"else alone":        {code(0x05), "else without if"},
		"no operand":        {code(0x1a), "operands"},
		"too many operands": {code(0x41, 0), "operands"},
		"a constant global": {mod{
			fns: []fn{{code: cat(i32c(0), globalSet(0))}}, globals: [][]byte{constant(i32, i32c(0)...)},
		}.bytes(), "constant"},
		"a data segment without a count": {cat(head,
			section(1, vec(op(0x60, 0, 0))), section(3, vec(uleb(0))), section(5, op(1, 0, 1)),
			section(10, vec(sized(op(0, 0xfc, 9, 0, 0x0b)))), section(11, vec(op(1, 0)))), "data count"},
		"no memory":     {mod{fns: []fn{{code: cat(i32c(0), load, drop)}}}.bytes(), "no memory"},
		"an alignment":  {code(cat(i32c(0), op(0x28, 33, 0), drop)...), "alignment"},
		"two types":     {code(0x41, 0, 0x41, 0, 0x41, 0, 0x1c, 2, i32, i32, 0x1a), "select"},
		"a custom name": {cat(head, section(0, str("\xff"))), "UTF-8"},
	} {
		_, _, err := meter.Rewrite(tt.wasm, meter.Limits{})
		if err == nil || !strings.HasPrefix(err.Error(), "meter: ") || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Every beginning of a module is an error or a module, and so is a module with any byte changed.
func TestDamagedModules(t *testing.T) {
	wasm := endlessModule(endless["indirect calls"], true)
	for i := range wasm {
		if _, _, err := meter.Rewrite(wasm[:i], meter.Limits{}); err == nil && i > 8 {
			// A module may end after any section that the others do not need.
			if !slices.Contains(op(2, 3, 7), wasm[i]) {
				t.Errorf("%d of %d bytes pass", i, len(wasm))
			}
		}
		for _, change := range []byte{1, 0x40, 0x80, 0xff} {
			damaged := slices.Clone(wasm)
			damaged[i] ^= change
			meter.Rewrite(damaged, meter.Limits{})
		}
	}
}

// Long encodings of numbers, as linkers leave them, are read and come out short.
func TestPaddedNumbers(t *testing.T) {
	pad := func(n byte) []byte { return op(n|0x80, 0x80, 0x80, 0x80, 0) }
	m := mod{memory: op(0, 1), globals: [][]byte{mutable(i32, i32c(0)...)}, fns: []fn{
		{name: "f", results: vals{i32}, code: cat(
			op(0x10), pad(1), op(0x41), pad(40), op(0x23), pad(0), add,
			op(0x02, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x41, 2, 0x0b), add, // block (result i32)
			op(0x41, 0, 0x28), pad(2), pad(0), add, // i32.load
		)},
		{},
	}}
	engines(t, func(t *testing.T, config wazero.RuntimeConfig) {
		g := instantiate(t, config, m.bytes(), meter.Limits{})
		if got, err := g.call(1_000, "f"); err != nil || got[0] != 42 {
			t.Errorf("%v, %v", got, err)
		}
	})
}
