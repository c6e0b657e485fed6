//go:build mage

// The targets of Retort's build: thin functions over the go command. "go tool mage -l" lists them.
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/magefile/mage/mg"
	"github.com/magefile/mage/sh"
)

// Aliases lets "mage test" mean what one expects.
var Aliases = map[string]any{"test": Test.All}

// The tools that are no part of the product are run at a pinned version, so that they need no place in
// its go.mod.
const staticcheck = "honnef.co/go/tools/cmd/staticcheck@v0.8.2"

// Build builds the command into bin.
func Build() error {
	return sh.RunV("go", "build", "-o", "bin"+string(filepath.Separator), "./native/cmd/retort")
}

// Test holds the ways to run the tests.
type Test mg.Namespace

// All runs every test on this system.
func (Test) All() error { return sh.RunV("go", "test", "./...") }

// Race runs every test under the race detector, which needs a C compiler.
func (Test) Race() error { return sh.RunV("go", "test", "-race", "-timeout", "30m", "./...") }

// Wasm runs the tests of core inside WebAssembly: under WASI, and with node where it is installed.
func (Test) Wasm() error {
	dir, err := os.MkdirTemp("", "retort-wasm")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	wazero := filepath.Join(dir, "wazero")
	if err := sh.RunV("go", "build", "-o", wazero, "github.com/tetratelabs/wazero/cmd/wazero"); err != nil {
		return err
	}
	run := wazero + " run -mount=/:/ -env-inherit -cachedir=" + filepath.Join(dir, "cache")
	if err := testIn("wasip1", run); err != nil {
		return err
	}
	if _, err := exec.LookPath("node"); err != nil || runtime.GOOS == "windows" {
		fmt.Println("skipped: the tests under GOOS=js need node and a shell")
		return nil
	}
	root, err := sh.Output("go", "env", "GOROOT")
	if err != nil {
		return err
	}
	return testIn("js", filepath.Join(root, "lib", "wasm", "go_js_wasm_exec"))
}

// testIn runs the tests of core for goos, each test binary by way of the command run.
func testIn(goos, run string) error {
	fmt.Printf("core, inside WebAssembly, GOOS=%s\n", goos)
	return sh.RunWithV(map[string]string{"GOOS": goos, "GOARCH": "wasm"}, "go", "test", "-short", "-exec", run, "./core/...")
}

// targets are the systems that every release is for; WebAssembly is for core alone.
var targets = []struct{ os, arch, packages string }{
	{"linux", "amd64", "./..."},
	{"linux", "arm64", "./..."},
	{"linux", "386", "./..."},
	{"linux", "arm", "./..."},
	{"linux", "riscv64", "./..."},
	{"linux", "s390x", "./..."},
	{"darwin", "amd64", "./..."},
	{"darwin", "arm64", "./..."},
	{"windows", "amd64", "./..."},
	{"windows", "arm64", "./..."},
	{"freebsd", "amd64", "./..."},
	{"freebsd", "arm64", "./..."},
	{"wasip1", "wasm", "./core/..."},
	{"js", "wasm", "./core/..."},
}

// Cross vets, with its tests, and builds everything for every system.
func Cross() error {
	for _, t := range targets {
		fmt.Printf("%s/%s\n", t.os, t.arch)
		env := map[string]string{"GOOS": t.os, "GOARCH": t.arch, "CGO_ENABLED": "0"}
		if err := sh.RunWithV(env, "go", "vet", t.packages); err != nil {
			return fmt.Errorf("vet for %s/%s: %w", t.os, t.arch, err)
		}
		if err := sh.RunWithV(env, "go", "build", t.packages); err != nil {
			return fmt.Errorf("build for %s/%s: %w", t.os, t.arch, err)
		}
	}
	return nil
}

// Lint checks formatting, vet, staticcheck and the module file.
func Lint() error {
	unformatted, err := sh.Output("gofmt", "-l", ".")
	if err != nil {
		return err
	}
	if unformatted != "" {
		return fmt.Errorf("not formatted, run gofmt -w on:\n%s", unformatted)
	}
	for _, args := range [][]string{
		{"vet", "./..."},
		{"vet", "-tags", "mage", "magefile.go"},
		{"mod", "tidy", "-diff"},
		{"run", staticcheck, "./..."},
	} {
		if err := sh.RunV("go", args...); err != nil {
			return fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
		}
	}
	return vetGuests()
}

// Fuzz runs each fuzz test for the time in FUZZTIME, 10s if that is not set.
func Fuzz() error {
	fuzzTime := os.Getenv("FUZZTIME")
	if fuzzTime == "" {
		fuzzTime = "10s"
	}
	packages, err := sh.Output("go", "list", "./...")
	if err != nil {
		return err
	}
	for _, p := range strings.Fields(packages) {
		list, err := sh.Output("go", "test", "-list", "^Fuzz", p)
		if err != nil {
			return err
		}
		for _, name := range strings.Fields(list) {
			if !strings.HasPrefix(name, "Fuzz") {
				continue // the closing line, "ok PACKAGE TIME"
			}
			if err := sh.RunV("go", "test", "-run", "^$", "-fuzz", "^"+name+"$", "-fuzztime", fuzzTime, p); err != nil {
				return fmt.Errorf("%s in %s: %w", name, p, err)
			}
		}
	}
	return nil
}

// Bench runs every benchmark.
func Bench() error { return sh.RunV("go", "test", "-run", "^$", "-bench", ".", "-benchmem", "./...") }

// Clean removes what was built.
func Clean() error { return errors.Join(sh.Rm("bin"), sh.Rm("dist")) }

// guests is where the sample guests are, each in a folder of its own.
const guests = "testdata/handlers"

// Wasm rebuilds the sample guests whose toolchain is installed, and says which are left alone.
func Wasm() error {
	return filepath.WalkDir(guests, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		tool, args, env := guestBuild(path)
		if tool == "" {
			return nil
		}
		if _, err := exec.LookPath(tool); err != nil {
			fmt.Printf("skipped: %s needs %s, which is not installed\n", path, tool)
			return nil
		}
		fmt.Println(path)
		if err := sh.RunWithV(env, tool, args...); err != nil {
			return err
		}
		return os.Chmod(strings.TrimSuffix(path, filepath.Ext(path))+".wasm", 0o644) // linkers make programs
	})
}

// guestBuild returns the command that builds the guest whose source is at path; none if that is no
// source of a guest.
func guestBuild(path string) (tool string, args []string, env map[string]string) {
	source := filepath.ToSlash(path)
	out := strings.TrimSuffix(source, filepath.Ext(source)) + ".wasm"
	switch filepath.Ext(source) {
	case ".c":
		return "clang", []string{
			"--target=wasm32", "-O2", "-nostdlib", "-fno-builtin", "-Wall", "-Wextra", "-Werror",
			"-Wl,--no-entry", "-Wl,--strip-all", "-Wl,--stack-first", "-Wl,-z,stack-size=16384",
			"-I", "wasmhandler/guest/c", "-o", out, source,
		}, nil
	case ".wat":
		return "wat2wasm", []string{source, "-o", out}, nil
	case ".go":
		return "go", []string{"build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", out, source},
			map[string]string{"GOOS": "wasip1", "GOARCH": "wasm"}
	}
	return "", nil, nil
}

// vetGuests vets the guests in Go, which ./... does not see.
func vetGuests() error {
	sources, err := filepath.Glob(guests + "/*/*.go")
	if err != nil {
		return err
	}
	for _, source := range sources {
		env := map[string]string{"GOOS": "wasip1", "GOARCH": "wasm"}
		if err := sh.RunWithV(env, "go", "vet", source); err != nil {
			return fmt.Errorf("vet %s: %w", source, err)
		}
	}
	return nil
}
