package wasmbin_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/retort-udp/retort/wasmhandler/internal/wasmbin"
	"github.com/retort-udp/retort/wasmhandler/internal/wasmgen"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// FuzzShape reads anything: it ends, and what it says of it can be checked.
func FuzzShape(f *testing.F) {
	for _, pattern := range []string{"../../testdata/*.wasm", "../../testdata/broken/*.wasm"} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			wasm, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(wasm)
		}
	}
	f.Fuzz(func(t *testing.T, wasm []byte) {
		s, err := wasmbin.ReadShape(wasm)
		if err != nil && strings.ContainsAny(err.Error(), "\n\x1b") {
			t.Errorf("%q", err)
		}
		if len(s.Imports) > wasmbin.MaxNames+1 || len(s.Exports) > wasmbin.MaxNames || len(s.Memories) > 2 {
			t.Errorf("%d imports, %d exports and %d memories are kept", len(s.Imports), len(s.Exports), len(s.Memories))
		}
		if err == nil && s.LargestFunction > len(wasm) {
			t.Errorf("a function of %d bytes in %d", s.LargestFunction, len(wasm))
		}
	})
}

// FuzzShapeAgainstWazero puts four sections into a module: what wazero takes, the reader reads alike.
func FuzzShapeAgainstWazero(f *testing.F) {
	f.Add([]byte("\x01\x01a\x01b\x00\x00"), []byte("\x00"), []byte("\x01\x00\x04"), []byte("\x01\x06memory\x02\x00"))
	f.Add([]byte("\x02\x01a\x01b\x03\x7f\x01\x01a\x01c\x01\x70\x01\x01\x02"), []byte("\x01\x6f\x00\x05"), []byte("\x00"), []byte("\x00"))
	f.Add([]byte("\x01\x01a\x01b\x02\x01\x01\x02"), []byte("\x02\x70\x00\x05\x70\x01\x01\x80\x01"), []byte("\x00"), []byte("\x01\x01m\x02\x00"))
	f.Fuzz(func(t *testing.T, imports, tables, memories, exports []byte) {
		wasm := []byte("\x00asm\x01\x00\x00\x00\x01\x04\x01\x60\x00\x00")
		for _, section := range []struct {
			id      byte
			content []byte
		}{
			{wasmgen.SectionImport, imports}, {wasmgen.SectionTable, tables},
			{wasmgen.SectionMemory, memories}, {wasmgen.SectionExport, exports},
		} {
			wasm = append(wasm, wasmgen.Section(section.id, section.content)...)
		}
		s, err := wasmbin.ReadShape(wasm)
		if err != nil {
			return // a count that wazero would make room for
		}
		ctx := context.Background()
		r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(api.CoreFeaturesV2))
		defer r.Close(ctx)
		code, err := r.CompileModule(ctx, wasm)
		if err != nil {
			return
		}
		var ours, theirs []string
		for _, i := range s.Imports {
			if i.Kind == wasmbin.Function {
				ours = append(ours, i.Module+"\x00"+i.Name)
			}
		}
		for _, d := range code.ImportedFunctions() {
			module, name, _ := d.Import()
			theirs = append(theirs, module+"\x00"+name)
		}
		if len(s.Imports) <= wasmbin.MaxNames && !slices.Equal(ours, theirs) {
			t.Errorf("imports %q, want %q", ours, theirs)
		}
		for _, m := range code.ExportedMemories() {
			if len(s.Memories) != 1 || s.Memories[0].Pages != uint64(m.Min()) {
				t.Errorf("memories %+v, want one of %d pages", s.Memories, m.Min())
			}
		}
		if n := len(code.ExportedFunctions()) + len(code.ExportedMemories()); int(s.ExportCount) < n {
			t.Errorf("%d exports, and there are %d", s.ExportCount, n)
		}
	})
}
