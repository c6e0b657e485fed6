package wasmhandler_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/retort-udp/retort/wasmhandler"
	"github.com/retort-udp/retort/wasmhandler/internal/wasmgen"
)

// TestBroken loads the modules in testdata/broken. The first line of each source says how it is refused.
func TestBroken(t *testing.T) {
	sources, err := filepath.Glob("testdata/broken/*.wat")
	if err != nil || len(sources) == 0 {
		t.Fatal("no broken modules", err)
	}
	for _, source := range sources {
		name := strings.TrimSuffix(filepath.Base(source), ".wat")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(source)
			if err != nil {
				t.Fatal(err)
			}
			first, _, _ := strings.Cut(string(text), "\n")
			want, ok := strings.CutPrefix(first, ";; want: ")
			if !ok {
				t.Fatalf("the first line does not say what is wrong: %q", first)
			}
			engines(t, func(t *testing.T, c wasmhandler.Config) {
				c.Name = "broken one"
				c.StartFuel = 1_000_000 // the interpreter takes seconds for as much as the default
				c.Depth = 500           // it has less of a stack, too
				checkRefused(t, sample(t, "broken/"+name), c, want)
			})
		})
	}
}

// checkRefused compiles wasm, which must fail with one line that names the handler and goes on with want.
func checkRefused(t *testing.T, wasm []byte, c wasmhandler.Config, want string) {
	t.Helper()
	m, err := wasmhandler.Compile(context.Background(), wasm, c)
	if err == nil {
		m.Close()
		t.Fatalf("it was compiled, and should be refused: %s", want)
	}
	if m != nil {
		t.Error("there is a Module beside the error")
	}
	got, ok := strings.CutPrefix(err.Error(), `handler "broken one": `)
	if !ok || !strings.HasPrefix(got, want) || (got != want && want != "invalid function[1]") {
		t.Errorf("it was refused with\n\t%s\nand should be with\n\t%s", err, want)
	}
	if strings.ContainsAny(err.Error(), "\n\r\t\x1b") {
		t.Errorf("the error is more than one plain line: %q", err)
	}
}

func TestNoModule(t *testing.T) {
	for name, c := range map[string]struct {
		wasm []byte
		want string
	}{
		"empty":     {nil, `no WebAssembly: it does not begin with "\0asm"`},
		"text":      {[]byte("(module)"), `no WebAssembly: it does not begin with "\0asm"`},
		"elf":       {[]byte("\x7fELF\x02\x01\x01\x00"), `no WebAssembly: it does not begin with "\0asm"`},
		"cut":       {[]byte("\x00as"), `no WebAssembly: it does not begin with "\0asm"`},
		"component": {[]byte("\x00asm\x0d\x00\x01\x00"), `a WebAssembly component, not a module: build it for WASI preview 1 (wasip1), not 2`},
		"version":   {[]byte("\x00asm\x02\x00\x00\x00"), `WebAssembly of an unknown version: 02 00 00 00`},
		"magic":     {[]byte("\x00asm"), `WebAssembly of an unknown version: `},
		"nothing":   {[]byte("\x00asm\x01\x00\x00\x00"), `it does not export retort_v1_window, retort_v1_reply, memory`},
		"large":     {make([]byte, wasmhandler.MaxModule+1), `the module has 16777217 bytes, more than the limit of 16777216`},
		"count":     {[]byte("\x00asm\x01\x00\x00\x00\x02\x05\xff\xff\xff\xff\x0f"), `section 2 has 4294967295 elements in 5 bytes`},
		"cut short": {[]byte("\x00asm\x01\x00\x00\x00\x02\x05\x00"), `it ends in the middle of a section`},
		"long name": {[]byte("\x00asm\x01\x00\x00\x00\x02\x06\x01\xff\xff\xff\xff\x0f"), `section 2 is malformed`},
		"imports":   {manyImports(1001), `it imports more than 1000 things`},
		"exports":   {manyExports(1001), `it exports 1001 things, more than the limit of 1000`},
	} {
		t.Run(name, func(t *testing.T) {
			checkRefused(t, c.wasm, wasmhandler.Config{Name: "broken one"}, c.want)
		})
	}
}

// manyImports is a module that imports fd_sync n times.
func manyImports(n int) []byte {
	m := new(wasmgen.Module)
	for range n {
		m.Import("wasi_snapshot_preview1", "fd_sync", "i", "i")
	}
	return m.Handler(-1)
}

// manyExports is a module that exports its memory under n names, with those of the ABI.
func manyExports(n int) []byte {
	m := new(wasmgen.Module)
	for range n - 3 {
		m.Export("m", wasmgen.KindMemory, 0)
	}
	return m.Handler(-1)
}

// TestTruncated cuts a good module short everywhere: it is refused, or, where a whole section is missing, whole.
func TestTruncated(t *testing.T) {
	wasm := sample(t, "fault")
	for n := range wasm {
		m, err := wasmhandler.Compile(context.Background(), wasm[:n], wasmhandler.Config{})
		if err == nil {
			m.Close()
			if n < len(wasm)/2 {
				t.Errorf("%d of %d bytes were compiled", n, len(wasm))
			}
		}
	}
}

func TestLoadErrors(t *testing.T) {
	t.Run("memory limit", func(t *testing.T) {
		for _, memory := range []int64{-1, 1<<32 + 1} {
			_, err := wasmhandler.Compile(t.Context(), sample(t, "echo"), wasmhandler.Config{Memory: memory})
			if err == nil || !strings.Contains(err.Error(), "is not between one page and 4 GiB") {
				t.Errorf("Memory %d: %v", memory, err)
			}
		}
	})
	t.Run("context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := wasmhandler.Compile(ctx, sample(t, "echo"), wasmhandler.Config{}); !errors.Is(err, context.Canceled) {
			t.Errorf("with a cancelled context: %v", err)
		}
	})
	t.Run("fault", func(t *testing.T) {
		_, err := wasmhandler.Compile(t.Context(), sample(t, "broken/initialize-exit"), wasmhandler.Config{})
		var f *wasmhandler.Fault
		if !errors.As(err, &f) {
			t.Fatalf("%v is no fault", err)
		}
		if f.Name != "wasm" || f.Call != "_initialize" || f.Cause != wasmhandler.CauseExit || f.Said != "panic: no upstream" {
			t.Errorf("%+v", f)
		}
	})
	t.Run("default name", func(t *testing.T) {
		_, err := wasmhandler.Compile(t.Context(), nil, wasmhandler.Config{})
		if err == nil || !strings.HasPrefix(err.Error(), `handler "wasm": `) {
			t.Error(err)
		}
	})
}

// TestStart checks what is called, and in which order, before the first datagram.
func TestStart(t *testing.T) {
	engines(t, func(t *testing.T, c wasmhandler.Config) {
		m := load(t, "start", c)
		if got := string(ask(t, forWorker(t, m), datagram(""))); got != "siw" {
			t.Errorf("without a configuration: %q", got)
		}
		m = load(t, "start", c)
		if err := m.Configure(nil); err != nil {
			t.Fatal(err)
		}
		if got := string(ask(t, forWorker(t, m), datagram(""))); got != "siwc" {
			t.Errorf("with one: %q", got)
		}
	})
}
