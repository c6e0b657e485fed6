package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/magefile/mage/sh"
)

// lookWineserver finds wineserver. Debian may keep it away from PATH, and may have it under the other name alone.
func lookWineserver() (path string, err error) {
	for _, name := range []string{"wineserver", "/usr/lib/wine/wineserver", "/usr/lib/wine/wineserver64"} {
		if path, err = exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", err
}

// wine is a Windows of our own, with its services running.
type wine struct{ dir, prefix, server string }

func startWine() (w *wine, err error) {
	w = new(wine)
	if w.server, err = lookWineserver(); err != nil {
		return nil, err
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

// entropy puts the library there that Go takes random numbers from, which wine 8 lacks: one that has no code, but says
// that its one function is another one's other name. The linker insists on being given something to link.
func (w *wine) entropy() error {
	source, object := filepath.Join(w.dir, "nothing.c"), filepath.Join(w.dir, "nothing.o")
	if err := os.WriteFile(source, []byte("int nothing;\n"), 0o600); err != nil {
		return err
	}
	if err := sh.Run("clang", "--target=x86_64-pc-windows-gnu", "-c", "-o", object, source); err != nil {
		return err
	}
	library := filepath.Join(w.prefix, "drive_c", "windows", "system32", "bcryptprimitives.dll")
	return sh.Run("lld-link", "/dll", "/noentry", "/machine:x64",
		"/export:ProcessPrng=advapi32.SystemFunction036", "/out:"+library, object)
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
