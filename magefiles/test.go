package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/magefile/mage/mg"
	"github.com/magefile/mage/sh"
)

// withoutProfile leaves out the profile by which the command is optimised. Tests do not need it, and would build
// everything twice: for the command and for the other packages.
const withoutProfile = "-pgo=off"

// Test holds the ways to run the tests.
type Test mg.Namespace

// All runs every test on this system.
func (Test) All() error { return sh.RunV("go", "test", withoutProfile, "./...") }

// Race runs every test under the race detector, which needs a C compiler, but for those that are long without it.
func (Test) Race() error {
	return sh.RunV("go", "test", withoutProfile, "-race", "-short", "-timeout", "30m", "./...")
}

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

// Cross vets everything, with its tests, for every system but this one, and builds the command.
func Cross() error {
	for _, t := range targets {
		if t.os == runtime.GOOS && t.arch == runtime.GOARCH {
			continue // its tests are run
		}
		fmt.Printf("%s/%s\n", t.os, t.arch)
		env := map[string]string{"GOOS": t.os, "GOARCH": t.arch, "CGO_ENABLED": "0"}
		if err := sh.RunWithV(env, "go", "vet", withoutProfile, t.packages); err != nil {
			return fmt.Errorf("vet for %s/%s: %w", t.os, t.arch, err)
		}
		// Vet has compiled what others import; what is left is to link, and core has nothing to link.
		if t.arch == "wasm" {
			continue
		}
		if err := sh.RunWithV(env, "go", "build", withoutProfile, "-o", os.DevNull, "./native/cmd/retort"); err != nil {
			return fmt.Errorf("build for %s/%s: %w", t.os, t.arch, err)
		}
	}
	return nil
}
