package guest_test

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/vectors"
	"github.com/retort-udp/retort/wasmhandler"
	"github.com/retort-udp/retort/wasmhandler/guest/sdk"
)

// What the guests in testdata/sdk must answer, in whatever language.
const sdkVectors = `
config "good"
""         -> silence
"b"        -> "a\x00b"
"d"        -> "0 18446744073709551615"
"h"        -> "hi"
"i"        -> "0"
"l"        -> ""
"m"        -> malformed
"p"        -> "too long for 12ok"
"u"        -> "Grüße 😀"
"x" * 9999 -> "x" * 9999

from 192.0.2.7:65535
"t"        -> "1795354800123456000 1060 65535 " 0x7f000001c0000207 " 4 0"

limit 11
"u"        -> code -102
limit 12
"u"        -> "Grüße 😀"
"p"        -> code -102
"x" * 12   -> "x" * 12
"x" * 13   -> code -102

limit 1
"h"        -> code -150
`

// What is asked of C alone, whose header brings some of a C library's functions.
const cVectors = `config "good"
"c" -> "-++00"
"f" -> "--01234" "79abcdd!"
`

// compileSDK builds the guest in testdata/sdk that is written in a language.
func compileSDK(t *testing.T, name string) (*wasmhandler.Module, *logBuffer) {
	t.Helper()
	if name == "c" {
		return compileC(t, "-O2", "-fno-builtin")
	}
	language, err := sdk.Named(name)
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "sdk.wasm")
	tools, err := language.Toolchain(context.Background(), root)
	if err == nil {
		err = tools.Build(t.Context(), filepath.Join("testdata", "sdk", name), "sdk", out)
	}
	if errors.Is(err, sdk.ErrMissing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	wasm, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return compile(t, wasm)
}

// compileC builds the guest in testdata/sdk/c, without any warning, with more flags.
func compileC(t *testing.T, flags ...string) (*wasmhandler.Module, *logBuffer) {
	t.Helper()
	command := slices.Concat(
		strings.Fields("clang --target=wasm32 -nostdlib -Wl,--no-entry -Wl,--strip-all -Wl,--stack-first -Wl,-z,stack-size=16384"),
		strings.Fields("-Wall -Wextra -Wpedantic -Wcast-align -Werror -I ../../../sdk/c -o sdk.wasm sdk.c"),
		flags,
	)
	wasm, err := build(t.Context(), filepath.Join("testdata", "sdk", "c"), command)
	return compile(t, mustBuild(t, wasm, err))
}

func runVectors(t *testing.T, m *wasmhandler.Module, text string) {
	t.Helper()
	f, err := vectors.Parse("sdk", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Run(m); err != nil {
		t.Error(err)
	}
}

// retort.h does what it says, however it is compiled: without -fno-builtin a compiler could make a call to memcpy
// out of memcpy's own loop.
func TestHeader(t *testing.T) {
	for _, flags := range []string{"-O2 -fno-builtin", "-O2", "-O0", "-O3 -std=c11 -mbulk-memory", "-Oz -fno-builtin"} {
		t.Run(flags, func(t *testing.T) {
			m, log := compileC(t, strings.Fields(flags)...)
			runVectors(t, m, sdkVectors)
			if !strings.Contains(log.String(), "level=WARN msg=\"a warning from the guest\"") {
				t.Errorf("the log is\n%s", log)
			}
			m, _ = compileC(t, strings.Fields(flags)...)
			runVectors(t, m, cVectors)
		})
	}
}

// All that an SDK offers, in each language: what a guest replies, and what it exports beside that.
func TestSDK(t *testing.T) {
	for _, name := range []string{"c", "rust", "assemblyscript"} {
		t.Run(name, func(t *testing.T) {
			m, log := compileSDK(t, name)
			runVectors(t, m, sdkVectors)
			if !strings.Contains(log.String(), "level=WARN msg=\"a warning from the guest\"") {
				t.Errorf("the log is\n%s", log)
			}

			m, _ = compileSDK(t, name)
			if err := m.Configure([]byte("goods")); err == nil || !strings.Contains(err.Error(), "returned 7") {
				t.Errorf("a configuration that it refuses: %v", err)
			}
			w := worker(t, m)
			c, classifies := core.As[core.Classifier](w)
			i, idles := core.As[core.Idler](w)
			if !classifies || !idles {
				t.Fatalf("a Classifier: %v, an Idler: %v", classifies, idles)
			}
			if !c.IsResponse(datagram("Response")) || c.IsResponse(datagram("a question")) || c.IsResponse(datagram("")) {
				t.Error("it does not tell an answer from a question")
			}
			i.Idle()
			i.Idle()
			if got := outcome(w, datagram("i"), 9); got != `"2"` {
				t.Errorf("it counted %s idle moments, not 2", got)
			}
			d := datagram("t")
			d.From = netip.MustParseAddrPort("[fe80::1%4294967295]:9")
			d.To = netip.MustParseAddrPort("[2001:db8::102:304]:1060")
			if got, want := outcome(w, d, 99), `"1795354800123456789 1060 9 \x01\x02\x03\x04\x00\x00\x00\x01 6 4294967295"`; got != want {
				t.Errorf("over IPv6: %s, want %s", got, want)
			}
			_, err := w.Reply(make([]byte, 0, 9), datagram("!"))
			if fault, ok := errors.AsType[*wasmhandler.Fault](err); !ok || !strings.Contains(fault.Error(), "unreachable") {
				t.Errorf("a mistake of the guest is %v, want a trap", err)
			}
			if got := outcome(w, datagram("i"), 9); got != `"0"` {
				t.Errorf("after the trap it has counted %s, not 0", got)
			}
		})
	}
}

// The parts of the template in WebAssembly text that are between (; and ;) are there when those are taken away.
func TestTemplateInText(t *testing.T) {
	language, err := sdk.Named("wat")
	if err != nil {
		t.Fatal(err)
	}
	tools, err := language.Toolchain(t.Context(), root)
	if errors.Is(err, sdk.ErrMissing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	files, err := language.Files(sdk.Project{Name: "whole"})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, f := range files {
		text := string(f.Text)
		if f.Name == "whole.wat" {
			_, body, _ := strings.Cut(text, "(module") // the comment above it speaks of the two
			text = "(module" + strings.NewReplacer("(;", "", ";)", "").Replace(body)
		}
		if err := os.WriteFile(filepath.Join(dir, f.Name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := tools.Build(t.Context(), dir, "whole", filepath.Join(dir, "whole.wasm")); err != nil {
		t.Fatal(err)
	}
	wasm, err := os.ReadFile(filepath.Join(dir, "whole.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	m, log := compile(t, wasm)
	if err := m.Configure([]byte("as the operator likes it")); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "as the operator likes it") {
		t.Errorf("the log is\n%s", log)
	}
	w := worker(t, m)
	c, classifies := core.As[core.Classifier](w)
	if _, idles := core.As[core.Idler](w); !classifies || !idles {
		t.Fatalf("a Classifier: %v, an Idler: %v", classifies, idles)
	}
	if !c.IsResponse(datagram("!")) || c.IsResponse(datagram("?")) || c.IsResponse(datagram("")) {
		t.Error("it does not tell an answer from a question")
	}
	if got := outcome(w, datagram("hello"), 99); got != `"hello, port 40000"` {
		t.Errorf("it replied %s", got)
	}
}
