package wasmhandler_test

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "build testdata's .wasm files from their sources with wat2wasm")

// TestSamples checks that each module in testdata is built from the source beside it.
func TestSamples(t *testing.T) {
	wat2wasm, err := exec.LookPath("wat2wasm")
	if err != nil {
		t.Skip("wat2wasm (of wabt) is not on this machine's path")
	}
	sources, err := filepath.Glob("testdata/*.wat")
	if err != nil {
		t.Fatal(err)
	}
	broken, err := filepath.Glob("testdata/broken/*.wat")
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range append(sources, broken...) {
		built := filepath.Join(t.TempDir(), "built.wasm")
		build := exec.Command(wat2wasm, "--enable-all", "--no-check", "--debug-names", source, "-o", built)
		if message, err := build.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", source, err, message)
			continue
		}
		wasm := read(t, built)
		committed := strings.TrimSuffix(source, ".wat") + ".wasm"
		if *update {
			write(t, committed, wasm)
		}
		if old, err := os.ReadFile(committed); err != nil || !bytes.Equal(old, wasm) {
			t.Errorf("%s is not what its source says (%v): go test -run TestSamples -update", committed, err)
		}
	}
}
