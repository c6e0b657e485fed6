package wasmgen_test

import (
	"bytes"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/retort-udp/retort/wasmhandler/internal/wasmgen"
)

type code = wasmgen.Code

// TestModule puts a module together that has a section of every kind, and runs it.
func TestModule(t *testing.T) {
	m := new(wasmgen.Module)
	m.Import("host", "twice", "i", "i")
	m.Memory(1)
	m.Table(4)
	m.Global(3)
	m.Data(8, []byte{5, 0, 0, 0})
	begin := m.Function("", "", code{}.I32(16).I32(7).Store())
	m.Start(begin)
	m.Elements(1, begin)
	// The sum of what lies at 8 and 16, doubled, as often as the parameter says.
	sum := code{}.
		Block().Loop().
		Get(0).I32(1).Op(wasmgen.Equal).BrIf(1).
		Get(0).I32(-1).Op(wasmgen.Add).Set(0).
		Get(1).I32(8).Load().I32(16).Load().Op(wasmgen.Add).Call(0).Op(wasmgen.Add).Set(1).
		Br(0).End().End().
		Get(1)
	m.Export("sum", wasmgen.KindFunction, m.Function("i", "i", sum, wasmgen.Locals{Count: 1, Type: 'i'}))
	m.Raw(wasmgen.SectionCustom, append(wasmgen.Name("note"), "text"...))
	m.Raw(wasmgen.SectionDataCount, wasmgen.Uint(1))

	ctx := t.Context()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer r.Close(ctx)
	twice := func(n uint32) uint32 { return 2 * n }
	if _, err := r.NewHostModuleBuilder("host").NewFunctionBuilder().WithFunc(twice).Export("twice").Instantiate(ctx); err != nil {
		t.Fatal(err)
	}
	guest, err := r.Instantiate(ctx, m.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	got, err := guest.ExportedFunction("sum").Call(ctx, 4)
	if err != nil || len(got) != 1 || got[0] != 3*2*(5+7) {
		t.Errorf("%v, %v, and should be 72", got, err)
	}
}

func TestNumbers(t *testing.T) {
	for v, want := range map[int64]string{
		0: "\x00", 63: "\x3f", 64: "\xc0\x00", 127: "\xff\x00", 128: "\x80\x01", -1: "\x7f", -64: "\x40", -65: "\xbf\x7f",
		1<<31 - 1: "\xff\xff\xff\xff\x07", -1 << 31: "\x80\x80\x80\x80\x78",
	} {
		if got := wasmgen.Int(v); string(got) != want {
			t.Errorf("%d is % x, want % x", v, got, want)
		}
	}
	if got := wasmgen.Uint(1<<32 - 1); !bytes.Equal(got, []byte{0xff, 0xff, 0xff, 0xff, 0x0f}) {
		t.Errorf("% x", got)
	}
}
