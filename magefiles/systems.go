package main

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// What is tested on systems that are emulated: the product, but not what builds guests, talks to other people's programs
// or compares servers, which is about those. PACKAGES names others: "./native ./wasmhandler/meter".
const (
	elsewhere = "./core/... ./native ./native/nativetest ./native/cmd/retort ./native/cmd/retort/packaging " + parts +
		" ./wasmhandler ./wasmhandler/abi ./wasmhandler/abitest ./wasmhandler/meter ./wasmhandler/internal/..."

	// The parts of the command.
	parts = "./native/cmd/retort/internal/capture ./native/cmd/retort/internal/config ./native/cmd/retort/internal/dropin " +
		"./native/cmd/retort/internal/engine ./native/cmd/retort/internal/listing ./native/cmd/retort/internal/load " +
		"./native/cmd/retort/internal/monitor ./native/cmd/retort/internal/transcript"

	// Qemu takes ten times as long: what it runs is what another processor could make different.
	underQemu = "./core/... ./native ./native/cmd/retort ./wasmhandler ./wasmhandler/meter ./wasmhandler/internal/wasmbin"
)

// I386 runs the tests as a 32-bit program, which Linux on amd64 does by itself.
func (Test) I386() error {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		fmt.Println("skipped: linux/386 needs linux/amd64")
		return nil
	}
	env := map[string]string{"GOARCH": "386", "CGO_ENABLED": "0"}
	return goTest("linux/386", env, append([]string{"-short"}, packages(elsewhere)...)...)
}

// Qemu runs the tests for other processors under qemu: arm64, where modules are compiled, and s390x, whose bytes are
// in the other order. PROCESSORS names others: "riscv64 arm".
func (Test) Qemu() error {
	emulators := map[string]string{
		"arm64": "qemu-aarch64-static", "s390x": "qemu-s390x-static",
		"riscv64": "qemu-riscv64-static", "arm": "qemu-arm-static",
	}
	for _, p := range strings.Fields(cmp.Or(os.Getenv("PROCESSORS"), "arm64 s390x")) {
		emulator, known := emulators[p]
		if !known {
			return fmt.Errorf("PROCESSORS: there is no emulator for %q here", p)
		}
		path, err := exec.LookPath(emulator)
		if err != nil || runtime.GOOS != "linux" {
			fmt.Printf("skipped: linux/%s needs %s on Linux\n", p, emulator)
			continue
		}
		env := map[string]string{"GOARCH": p, "CGO_ENABLED": "0"}
		args := append([]string{"-short", "-exec", path, "-timeout", "20m"}, packages(underQemu)...)
		if err := goTest("linux/"+p+" under qemu", env, args...); err != nil {
			return err
		}
	}
	return nil
}

// Wine runs the tests for Windows under wine, in a prefix of its own. Wine lacks three things that Go needs; what
// stands in for them is in wine.go, and none of it is in a released program.
func (Test) Wine() error {
	for _, tool := range []string{"wine", "wineserver", "clang", "lld-link"} {
		if _, err := lookWine(tool); err != nil {
			fmt.Printf("skipped: the tests on Windows need %s\n", tool)
			return nil
		}
	}
	w, err := startWine()
	if err != nil {
		return err
	}
	defer w.stop()
	overlay, err := w.overlay()
	if err != nil {
		return err
	}
	env := map[string]string{
		"GOOS": "windows", "GOARCH": "amd64", "CGO_ENABLED": "0",
		"WINEPREFIX": w.prefix, "WINEDEBUG": "-all",
	}
	args := append([]string{"-short", "-overlay", overlay, "-exec", "wine", "-timeout", "20m"}, packages(elsewhere)...)
	return goTest("windows/amd64 under wine", env, args...)
}

// packages are those in PACKAGES, or else usual.
func packages(usual string) []string { return strings.Fields(cmp.Or(os.Getenv("PACKAGES"), usual)) }
