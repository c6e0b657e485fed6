package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/retort-udp/retort/wasmhandler/guest/sdk"
)

// compilersFile says what the committed modules were built by, a line for each language: another version of a compiler
// makes other code of the same source.
const compilersFile = guests + "/compilers.txt"

// compilers are the programs whose versions can be seen in a module. Each says on its first line which one it is.
var compilers = map[string][]string{
	"c":              {"clang", "wasm-ld"},
	"rust":           {"rustc"},
	"assemblyscript": {"asc"},
	"wat":            {"wat2wasm"},
}

// Rebuilt builds the sample guests apart and compares them with those that are committed: a source that was changed
// without "mage wasm" is found. Guests whose compiler has another version than theirs had are skipped.
func (Guests) Rebuilt(ctx context.Context) error {
	committed, err := readCompilers()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "retort-rebuilt-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	compared := 0
	err = eachGuest(func(folder, name string, language sdk.Language) error {
		if !language.Committed() {
			return nil
		}
		tools, err := language.Toolchain(ctx, ".")
		if errors.Is(err, sdk.ErrMissing) {
			fmt.Printf("skipped: %s: %v\n", folder, err)
			return nil
		}
		if err != nil {
			return err
		}
		version, err := compilerVersion(ctx, tools)
		if err != nil {
			return err
		}
		if version != committed[language.Name] {
			fmt.Printf("skipped: %s was built by %s; here is %s\n", folder, committed[language.Name], version)
			return nil
		}
		out := filepath.Join(dir, filepath.Base(folder)+".wasm")
		if err := tools.Build(ctx, folder, name, out); err != nil {
			return err
		}
		compared++
		return sameBytes(guestModule(folder, name), out)
	})
	if err == nil {
		fmt.Printf("%d modules are what their sources make\n", compared)
	}
	return err
}

// sameBytes compares a module that is committed with one that was built now.
func sameBytes(module, built string) error {
	before, err := os.ReadFile(module)
	if err != nil {
		return err
	}
	now, err := os.ReadFile(built)
	if err != nil {
		return err
	}
	if !bytes.Equal(before, now) {
		return errors.New(`the module is not what its source makes: run "go tool mage wasm", and commit what that changes`)
	}
	return nil
}

// compilerVersion is what a language's compilers say of themselves.
func compilerVersion(ctx context.Context, tools *sdk.Toolchain) (string, error) {
	var versions []string
	for _, program := range compilers[tools.Name] {
		cmd := exec.CommandContext(ctx, "sh", "-c", program+" --version") // which looks for it where the toolchain is
		cmd.Env = tools.Env
		out, err := cmd.Output()
		if err != nil {
			return "", fmt.Errorf("%s --version: %w", program, err)
		}
		first, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		versions = append(versions, fmt.Sprintf("%s (%s)", program, strings.TrimSpace(first)))
	}
	return strings.Join(versions, ", "), nil
}

func readCompilers() (map[string]string, error) {
	text, err := os.ReadFile(compilersFile)
	if err != nil {
		return nil, err
	}
	versions := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		language, version, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok {
			return nil, fmt.Errorf("%s: %q is not LANGUAGE: VERSION", compilersFile, line)
		}
		versions[language] = version
	}
	return versions, nil
}

// writeCompilers notes what modules were built by now, and leaves what is said of the others.
func writeCompilers(built map[string]string) error {
	versions, err := readCompilers()
	if errors.Is(err, os.ErrNotExist) {
		versions, err = make(map[string]string), nil
	}
	if err != nil {
		return err
	}
	maps.Copy(versions, built)
	var text strings.Builder
	for _, language := range slices.Sorted(maps.Keys(versions)) {
		fmt.Fprintf(&text, "%s: %s\n", language, versions[language])
	}
	return os.WriteFile(compilersFile, []byte(text.String()), 0o644)
}
