package main

import (
	"fmt"
	"os"
	"runtime"

	"github.com/magefile/mage/sh"
)

// How much is done for a system on a machine that is another one. The compiler takes half a minute for each, nearly all
// of it for the standard library: so it is called for where it finds what nothing else does.
const (
	typed  = iota // the types of everything are checked, tests included
	vetted        // "go vet" finds more, but nothing that hangs on the processor: once for each operating system
	linked        // vetted and, since no emulator here runs its tests, at least compiled and linked with them
)

// targets are the systems that every release is for, whose commands release:snapshot builds, and s390x, whose bytes are
// in the other order; WebAssembly is for core alone. The tests of linux/386, linux/arm64, linux/s390x, windows/amd64 and
// of WebAssembly are run by others of the targets.
var targets = []struct {
	os, arch string
	how      int
	packages string
}{
	{"linux", "amd64", typed, "./..."},
	{"linux", "arm64", typed, "./..."},
	{"linux", "386", typed, "./..."},
	{"linux", "arm", typed, "./..."},
	{"linux", "riscv64", typed, "./..."},
	{"linux", "s390x", typed, "./..."},
	{"darwin", "amd64", typed, "./..."},
	{"darwin", "arm64", linked, "./..."},
	{"windows", "amd64", vetted, "./..."},
	{"windows", "arm64", typed, "./..."},
	{"freebsd", "amd64", linked, "./..."},
	{"freebsd", "arm64", typed, "./..."},
	{"wasip1", "wasm", vetted, "./core/..."},
	{"js", "wasm", vetted, "./core/..."},
}

// Cross checks everything, with its tests, for every system but this one: its types, what "go vet" finds, and for macOS
// and FreeBSD that it can be compiled and linked.
func Cross() error {
	for _, t := range targets {
		if t.os == runtime.GOOS && t.arch == runtime.GOARCH {
			continue // its tests are run
		}
		fmt.Printf("%s/%s\n", t.os, t.arch)
		if t.how == typed {
			if err := checkTypes(".", t.os, t.arch, t.packages); err != nil {
				return fmt.Errorf("types for %s/%s:\n%w", t.os, t.arch, err)
			}
			continue
		}
		env := map[string]string{"GOOS": t.os, "GOARCH": t.arch, "CGO_ENABLED": "0"}
		if err := sh.RunWithV(env, "go", "vet", withoutProfile, t.packages); err != nil {
			return fmt.Errorf("vet for %s/%s: %w", t.os, t.arch, err)
		}
		if t.how == vetted {
			continue
		}
		// Each of them would be said to have tests, or none.
		if err := sh.RunWith(env, "go", "test", withoutProfile, "-vet=off", "-c", "-o", os.DevNull, t.packages); err != nil {
			return fmt.Errorf("tests for %s/%s: %w", t.os, t.arch, err)
		}
	}
	return nil
}
