package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/retort-udp/retort/wasmhandler/guest/sdk"
)

// What is not tracked gets into no archive, whatever lies beside what is.
func TestOnlyTracked(t *testing.T) {
	root, to := t.TempDir(), filepath.Join(t.TempDir(), "samples")
	tracked := []string{
		guests + "/length-c/length.c", guests + "/length-go/length.go", "wasmhandler/guest/sdk/c/retort.h", "go.mod",
	}
	stray := []string{
		guests + "/length-go/length.wasm", guests + "/length-rust/Cargo.lock", "wasmhandler/guest/sdk/c/retort.h~",
		"wasmhandler/guest/sdk/assemblyscript/node_modules/assemblyscript/index.js",
	}
	for _, name := range append(tracked, stray...) {
		file := filepath.Join(root, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"init", "-q"}, append([]string{"add"}, tracked...)} {
		if out, err := exec.Command("git", append([]string{"-C", root}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	if err := putSamples(root, to); err != nil {
		t.Fatal(err)
	}
	var got []string
	err := filepath.WalkDir(to, func(file string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			name, _ := filepath.Rel(to, file)
			got = append(got, filepath.ToSlash(name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := "handlers/length-c/length.c handlers/length-go/length.go sdk/c/retort.h"; strings.Join(got, " ") != want {
		t.Errorf("archives have %v, want %s", got, want)
	}
}

// What archives have of the repository is what contents.txt says: seen here, and not when a release is made.
func TestSamplesListed(t *testing.T) {
	if _, err := os.Stat("../.git"); err != nil {
		t.Skip("what is tracked is known in a clone only")
	}
	to := t.TempDir()
	if err := putSamples("..", to); err != nil {
		t.Fatal(err)
	}
	got := []entry{{"LICENSE", 0o644, "root"}}
	err := filepath.WalkDir(to, func(file string, found fs.DirEntry, err error) error {
		if err == nil && !found.IsDir() {
			name, _ := filepath.Rel(to, file)
			got = append(got, entry{filepath.ToSlash(name), 0o644, "root"})
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want, err := listed(contents)
	if err != nil {
		t.Fatal(err)
	}
	if err := compareEntries("handlers", got, want); err != nil {
		t.Error(err)
	}
}

// Who has an archive can change a sample and build it, with nothing else of Retort.
func TestSamplesBuild(t *testing.T) {
	if _, err := os.Stat("../.git"); err != nil {
		t.Skip("what is tracked is known in a clone only")
	}
	to := t.TempDir()
	if err := putSamples("..", to); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"c", "rust", "assemblyscript", "wat"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			language, err := sdk.Named(name)
			if err != nil {
				t.Fatal(err)
			}
			tools, err := language.Toolchain(t.Context(), "..")
			if errors.Is(err, sdk.ErrMissing) {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			folder := filepath.Join(to, "handlers", "length-"+name)
			want, err := os.ReadFile(filepath.Join(folder, "length.wasm"))
			if err != nil {
				t.Fatal(err)
			}
			command, out := language.Command("length", "rebuilt.wasm"), filepath.Join(folder, "rebuilt.wasm")
			for i := range command {
				command[i] = strings.Replace(command[i], "../../../wasmhandler/guest/sdk/", "../../sdk/", 1)
			}
			if name == "rust" {
				target := t.TempDir()
				command = append([]string{"CARGO_NET_OFFLINE=true", "CARGO_TARGET_DIR=" + target}, command...)
				out = filepath.Join(target, "wasm32-unknown-unknown", "release", "length.wasm")
			}
			if err := tools.Run(t.Context(), folder, command); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			// Another version of a compiler may make other code of it, but it makes a module.
			if !bytes.HasPrefix(got, []byte("\x00asm")) || len(got) > 2*len(want) {
				t.Errorf("built again it has %d bytes, where the archive's has %d", len(got), len(want))
			}
		})
	}
}
