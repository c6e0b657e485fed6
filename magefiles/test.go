package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/magefile/mage/mg"
	"github.com/magefile/mage/sh"
)

// withoutProfile leaves out the profile by which the command is optimised. Tests do not need it, and would build
// everything twice: for the command and for the other packages.
const withoutProfile = "-pgo=off"

// withoutVet leaves out what "go test" would vet: "mage lint" has vetted more.
const withoutVet = "-vet=off"

// Test holds the ways to run the tests.
type Test mg.Namespace

// All runs every test on this system.
func (Test) All() error { return sh.RunV("go", "test", withoutProfile, "./...") }

// Race runs every test under the race detector, but for those that are long without it. It needs a C compiler, and a
// system that Go has the detector for.
func (Test) Race() error {
	if why := withoutRaces(); why != "" {
		return skip("the race detector: %s", why)
	}
	// At the end of each package it would wait for a second, should something still be running.
	env := map[string]string{"GORACE": "atexit_sleep_ms=100"}
	return sh.RunWithV(env, "go", "test", withoutProfile, withoutVet, "-race", "-short", "-timeout", "30m", "./...")
}

// withoutRaces builds a package that has C in it for the race detector, and returns why that cannot be done here.
func withoutRaces() (why string) {
	out, err := exec.Command("go", "build", "-race", "os/user").CombinedOutput()
	if err == nil {
		return ""
	}
	return strings.TrimSpace(string(out))
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
		return skip("the tests under GOOS=js need node and a shell")
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
