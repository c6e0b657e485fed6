package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/magefile/mage/sh"
)

// elsewhere are the packages that are tested on emulated systems.
var elsewhere = []string{"./core/...", "./native/...", "./wasmhandler/..."}

// I386 runs the tests as a 32-bit program, which Linux on amd64 does by itself.
func (Test) I386() error {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		fmt.Println("skipped: linux/386 needs linux/amd64")
		return nil
	}
	env := map[string]string{"GOARCH": "386", "CGO_ENABLED": "0"}
	return goTest("linux/386", env, append([]string{"-short"}, elsewhere...)...)
}

// Qemu runs the tests for other processors under qemu: arm64, where modules are compiled, and s390x, whose bytes are
// in the other order. PROCESSORS names others: "riscv64 arm".
func (Test) Qemu() error {
	emulators := map[string]string{
		"arm64": "qemu-aarch64-static", "s390x": "qemu-s390x-static",
		"riscv64": "qemu-riscv64-static", "arm": "qemu-arm-static",
	}
	processors := strings.Fields(os.Getenv("PROCESSORS"))
	if len(processors) == 0 {
		processors = []string{"arm64", "s390x"}
	}
	for _, p := range processors {
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
		args := append([]string{"-short", "-exec", path, "-timeout", "20m"}, elsewhere...)
		if err := goTest("linux/"+p+" under qemu", env, args...); err != nil {
			return err
		}
	}
	return nil
}

// Wine runs the tests for Windows under wine, in a prefix of its own. Wine lacks three things that Go needs; what
// stands in for them is in this file, and none of it is in a released program.
func (Test) Wine() error {
	for _, tool := range []string{"wine", "wineserver", "x86_64-w64-mingw32-gcc"} {
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
	args := append([]string{"-short", "-overlay", overlay, "-exec", "wine", "-timeout", "20m"}, elsewhere...)
	return goTest("windows/amd64 under wine", env, args...)
}

// lookWine finds a tool; Debian keeps wineserver away from PATH.
func lookWine(tool string) (string, error) {
	if path, err := exec.LookPath(tool); err == nil {
		return path, nil
	}
	return exec.LookPath("/usr/lib/wine/" + tool)
}

// wine is a Windows of our own, with its services running.
type wine struct{ dir, prefix, server string }

func startWine() (w *wine, err error) {
	w = new(wine)
	if w.server, err = lookWine("wineserver"); err != nil {
		if w.server, err = lookWine("wineserver64"); err != nil {
			return nil, err
		}
	}
	if w.dir, err = os.MkdirTemp("", "retort-wine"); err != nil {
		return nil, err
	}
	w.prefix = filepath.Join(w.dir, "prefix")
	if err := os.Mkdir(w.prefix, 0o700); err != nil {
		return nil, err
	}
	// The services outlive whoever starts them. Started by a test they would keep its output open, and go test
	// waits for that.
	if err := errors.Join(w.run(w.server, "-p"), w.run("wine", "wineboot", "--init"), w.entropy()); err != nil {
		w.stop()
		return nil, err
	}
	return w, nil
}

// run runs a command in the prefix, and shows what it says only if it fails.
func (w *wine) run(name string, args ...string) error {
	log, err := os.Create(filepath.Join(w.dir, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "WINEPREFIX="+w.prefix, "WINEDEBUG=-all", "DISPLAY=")
	cmd.Stdout, cmd.Stderr = log, log // a file, so that nobody waits for those who keep it open
	if err := cmd.Run(); err != nil {
		said, _ := os.ReadFile(log.Name())
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, said)
	}
	return nil
}

func (w *wine) stop() {
	_ = w.run(w.server, "-k") // it may have ended already
	_ = os.RemoveAll(w.dir)
}

// entropy puts the library there that Go takes random numbers from, which wine 8 lacks.
func (w *wine) entropy() error {
	const source = `#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE p, SIZE_T n) { return SystemFunction036(p, (ULONG)n); }
`
	file := filepath.Join(w.dir, "prng.c")
	if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
		return err
	}
	return sh.Run("x86_64-w64-mingw32-gcc", "-shared", "-O2", "-o",
		filepath.Join(w.prefix, "drive_c", "windows", "system32", "bcryptprimitives.dll"), file, "-ladvapi32")
}

// overlay writes what "go test -overlay" wants to know: which of Go's own files are replaced by which. Two calls
// that wine does not know are made to be without effect.
func (w *wine) overlay() (string, error) {
	root, err := sh.Output("go", "env", "GOROOT")
	if err != nil {
		return "", err
	}
	replace := map[string]string{}
	for i, change := range []struct{ file, old, new string }{
		{"net/fd_windows.go", "windows.SIO_UDP_NETRESET", "syscall.SIO_UDP_CONNRESET"},
		{"internal/syscall/windows/at_windows.go", "if TestDeleteatFallback {", "if true {"},
	} {
		path := filepath.Join(root, "src", filepath.FromSlash(change.file))
		text, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		if n := strings.Count(string(text), change.old); n != 1 {
			return "", fmt.Errorf("%s has %q %d times: this version of Go needs other changes for wine", path, change.old, n)
		}
		changed := strings.Replace(string(text), change.old, change.new, 1)
		// The package may be left without a use of an import.
		if change.file == "net/fd_windows.go" {
			changed += "\nvar _ = windows.SIO_UDP_NETRESET\n"
		}
		copied := filepath.Join(w.dir, fmt.Sprintf("overlay%d.go", i))
		if err := os.WriteFile(copied, []byte(changed), 0o600); err != nil {
			return "", err
		}
		replace[path] = copied
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	file := filepath.Join(w.dir, "overlay.json")
	return file, os.WriteFile(file, text, 0o600)
}
