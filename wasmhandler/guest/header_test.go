package guest_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/vectors"
	"github.com/retort-udp/retort/wasmhandler"
)

// What the guest in testdata/header must answer.
const headerVectors = `
config "good"
""         -> silence
"b"        -> "a\x00b"
"c"        -> "-++00"
"d"        -> "0 18446744073709551615"
"f"        -> "--01234" "79abcdd!"
"h"        -> "hi"
"i"        -> "0"
"l"        -> ""
"m"        -> malformed
"p"        -> "too long for 12ok"
"t"        -> "1795354800123456000 1060 \x7f\x00\x00\x01"
"x" * 9999 -> "x" * 9999

limit 12
"p"        -> code -102
"x" * 12   -> "x" * 12
"x" * 13   -> code -102

limit 1
"h"        -> code -150
`

// compileC builds the guest in testdata/header, without any warning, with more flags.
func compileC(t *testing.T, flags ...string) (*wasmhandler.Module, *logBuffer) {
	t.Helper()
	command := slices.Concat(
		strings.Fields("clang --target=wasm32 -nostdlib -Wl,--no-entry -Wl,--strip-all -Wl,--stack-first -Wl,-z,stack-size=16384"),
		strings.Fields("-Wall -Wextra -Wpedantic -Wcast-align -Werror -I ../../sdk/c -o header.wasm header.c"),
		flags,
	)
	wasm, err := build(t.Context(), filepath.Join("testdata", "header"), command)
	return compile(t, mustBuild(t, wasm, err))
}

// retort.h does what it says, however it is compiled: without -fno-builtin a compiler could make a call to memcpy
// out of memcpy's own loop.
func TestHeader(t *testing.T) {
	f, err := vectors.Parse("header", []byte(headerVectors))
	if err != nil {
		t.Fatal(err)
	}
	for _, flags := range []string{"-O2 -fno-builtin", "-O2", "-O0", "-O3 -std=c11 -mbulk-memory", "-Oz -fno-builtin"} {
		t.Run(flags, func(t *testing.T) {
			m, log := compileC(t, strings.Fields(flags)...)
			if err := f.Run(m); err != nil {
				t.Error(err)
			}
			if !strings.Contains(log.String(), "level=WARN msg=\"a warning from C\"") {
				t.Errorf("the log is\n%s", log)
			}
		})
	}
}

func TestHeaderOptions(t *testing.T) {
	m, _ := compileC(t, "-O2", "-fno-builtin")
	if err := m.Configure([]byte("goods")); err == nil || !strings.Contains(err.Error(), "returned 7") {
		t.Errorf("a configuration that it refuses: %v", err)
	}
	w := worker(t, m)
	c, classifies := core.As[core.Classifier](w)
	i, idles := core.As[core.Idler](w)
	if !classifies || !idles {
		t.Fatalf("a Classifier: %v, an Idler: %v", classifies, idles)
	}
	if !c.IsResponse(datagram("Response")) || c.IsResponse(datagram("a question")) {
		t.Error("it does not tell an answer from a question")
	}
	i.Idle()
	i.Idle()
	if got := outcome(w, datagram("i"), 9); got != `"2"` {
		t.Errorf("it counted %s idle moments, not 2", got)
	}
}
