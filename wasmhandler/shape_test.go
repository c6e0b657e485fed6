package wasmhandler

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// FuzzShape reads anything: it ends, and what it says of it can be checked.
func FuzzShape(f *testing.F) {
	for _, pattern := range []string{"testdata/*.wasm", "testdata/broken/*.wasm"} {
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
		s, err := readShape(wasm)
		if err == nil {
			err = s.check(&Config{Memory: DefaultMemory, TableElements: DefaultTableElements})
		}
		if err != nil && strings.ContainsAny(err.Error(), "\n\x1b") {
			t.Errorf("%q", err)
		}
	})
}

// FuzzShapeAgainstWazero puts four sections into a module: what wazero takes, the reader reads alike. It is tested from
// the inside, since compiling any module by the public door would run it.
func FuzzShapeAgainstWazero(f *testing.F) {
	f.Add([]byte("\x01\x01a\x01b\x00\x00"), []byte("\x00"), []byte("\x01\x00\x04"), []byte("\x01\x06memory\x02\x00"))
	f.Add([]byte("\x02\x01a\x01b\x03\x7f\x01\x01a\x01c\x01\x70\x01\x01\x02"), []byte("\x01\x6f\x00\x05"), []byte("\x00"), []byte("\x00"))
	f.Add([]byte("\x01\x01a\x01b\x02\x01\x01\x02"), []byte("\x02\x70\x00\x05\x70\x01\x01\x80\x01"), []byte("\x00"), []byte("\x01\x01m\x02\x00"))
	f.Fuzz(func(t *testing.T, imports, tables, memories, exports []byte) {
		wasm := []byte("\x00asm\x01\x00\x00\x00\x01\x04\x01\x60\x00\x00")
		for _, section := range []struct {
			id      byte
			content []byte
		}{{sectionImport, imports}, {sectionTable, tables}, {sectionMemory, memories}, {sectionExport, exports}} {
			wasm = append(wasm, section.id)
			wasm = binary.AppendUvarint(wasm, uint64(len(section.content)))
			wasm = append(wasm, section.content...)
		}
		s, err := readShape(wasm)
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
		for _, i := range s.imports {
			if i.kind == kindFunction {
				ours = append(ours, i.module+"\x00"+i.name)
			}
		}
		for _, d := range code.ImportedFunctions() {
			module, name, _ := d.Import()
			theirs = append(theirs, module+"\x00"+name)
		}
		if len(s.imports) <= maxImports && !slices.Equal(ours, theirs) {
			t.Errorf("imports %q, want %q", ours, theirs)
		}
		for _, m := range code.ExportedMemories() {
			if len(s.memories) != 1 || s.memories[0].pages != uint64(m.Min()) {
				t.Errorf("memories %+v, want one of %d pages", s.memories, m.Min())
			}
		}
		if n := len(code.ExportedFunctions()) + len(code.ExportedMemories()); int(s.exports) < n {
			t.Errorf("%d exports, and there are %d", s.exports, n)
		}
	})
}
