package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
)

// What is tested on systems that are emulated: the product, but not what builds guests, talks to other people's programs
// or compares servers, which is about those. PACKAGES names others: "./native ./wasmhandler/meter".
const (
	// A 32-bit program may be wrong anywhere.
	on386 = "./core/... ./native ./native/nativetest ./native/cmd/retort " + parts +
		" ./wasmhandler ./wasmhandler/abi ./wasmhandler/abitest ./wasmhandler/meter ./wasmhandler/internal/..."

	// Another system leaves what asks no system for anything as it is: the guard, the meter.
	onWine = "./core ./core/coretest ./core/impair ./core/reply/... ./core/server ./core/vectors " +
		"./native ./native/nativetest ./native/cmd/retort " + parts + " ./wasmhandler ./wasmhandler/abi"

	// Qemu takes ten times as long. What it runs is what another processor could make different.
	onQemu = "./core ./core/coretest ./core/guard ./core/impair ./core/reply/... ./core/server ./core/vectors " +
		"./native ./wasmhandler ./wasmhandler/abi ./wasmhandler/meter ./wasmhandler/internal/wasmbin"

	// The parts of the command.
	parts = "./native/cmd/retort/internal/capture ./native/cmd/retort/internal/config ./native/cmd/retort/internal/dropin " +
		"./native/cmd/retort/internal/engine ./native/cmd/retort/internal/listing ./native/cmd/retort/internal/load " +
		"./native/cmd/retort/internal/monitor ./native/cmd/retort/internal/transcript"
)

// I386 runs the tests as a 32-bit program, which Linux on amd64 does by itself.
func (Test) I386() error {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return skip("linux/386 needs linux/amd64")
	}
	env := map[string]string{"GOARCH": "386", "CGO_ENABLED": "0"}
	return goTest(nil, "linux/386", env, append([]string{"-short"}, packages(on386)...)...)
}

// Wine runs the tests for Windows under wine, in a prefix of its own. Wine lacks three things that Go needs; what
// stands in for them is in wine.go, and none of it is in a released program.
func (Test) Wine() error {
	for _, tool := range []string{"wine", "clang", "lld-link"} {
		if _, err := exec.LookPath(tool); err != nil {
			return skip("the tests on Windows need %s", tool)
		}
	}
	if _, err := lookWineserver(); err != nil {
		return skip("the tests on Windows need wineserver")
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
	test := func(packages []string, how ...string) error {
		args := slices.Concat([]string{"-short", "-overlay", overlay, "-exec", "wine", "-timeout", "20m"}, how, packages)
		return goTest(nil, "windows/amd64 under wine", env, args...)
	}
	err = test(packages(onWine))
	var failed *testError
	if errors.As(err, &failed) && len(failed.packages) > 0 {
		fmt.Println("Wine fails now and then to start one of many processes; one after the other these must pass:", failed.packages)
		return test(failed.packages, "-p", "1", "-parallel", "1")
	}
	return err
}

// packages are those in PACKAGES, or else usual.
func packages(usual string) []string { return strings.Fields(cmp.Or(os.Getenv("PACKAGES"), usual)) }
