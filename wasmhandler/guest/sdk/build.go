package sdk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// rustTarget is what Rust calls WebAssembly without an operating system.
const rustTarget = "wasm32-unknown-unknown"

// ErrMissing says that this machine does not have what builds a guest.
var ErrMissing = errors.New("not installed here")

// Toolchain is what builds guests in a language on this machine.
type Toolchain struct {
	Language
	Env []string // the environment for its commands
}

// Toolchain finds the language's compiler on the path. In a checkout of Retort at root it finds AssemblyScript's
// where npm installs it, too, and where Debian has the only Rust that knows WebAssembly it takes that one. An
// error that is ErrMissing names what there is not.
func (l Language) Toolchain(ctx context.Context, root string) (*Toolchain, error) {
	env := os.Environ()
	switch l.Name {
	case "assemblyscript":
		modules, err := filepath.Abs(filepath.Join(root, "wasmhandler", "guest", "sdk", "assemblyscript", "node_modules", ".bin"))
		if err != nil {
			return nil, err
		}
		env = prepend(env, modules)
	case "rust":
		dir, err := rustDir(ctx)
		if err != nil {
			return nil, err
		}
		env = prepend(env, dir)
	}
	for _, tool := range l.tools {
		if look(env, tool) == "" {
			return nil, fmt.Errorf("%s is %w", tool, ErrMissing)
		}
	}
	return &Toolchain{l, env}, nil
}

// Build builds the guest in folder, whose name is given, into the file out.
func (t *Toolchain) Build(ctx context.Context, folder, name, out string) error {
	out, err := filepath.Abs(out)
	if err != nil {
		return err
	}
	command := t.Command(name, out)
	if t.cargo {
		dir, err := os.MkdirTemp("", "retort-cargo-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		if err := t.Run(ctx, folder, append([]string{"CARGO_TARGET_DIR=" + dir}, command...)); err != nil {
			return err
		}
		return copyFile(out, filepath.Join(dir, rustTarget, "release", name+".wasm"))
	}
	if err := t.Run(ctx, folder, command); err != nil {
		return err
	}
	return os.Chmod(out, 0o644) // linkers make programs
}

// Run runs a command in folder. It may begin with settings of the environment. What it printed is in the error.
func (t *Toolchain) Run(ctx context.Context, folder string, command []string) error {
	env := t.Env
	for len(command) > 1 && strings.Contains(command[0], "=") {
		env, command = append(env[:len(env):len(env)], command[0]), command[1:]
	}
	program := look(env, command[0])
	if program == "" {
		return fmt.Errorf("%s is %w", command[0], ErrMissing)
	}
	cmd := exec.CommandContext(ctx, program, command[1:]...)
	cmd.Dir, cmd.Env = folder, env
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(command, " "), err, text)
	}
	return nil
}

func copyFile(to, from string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o644)
}

// rustDir finds the first folder with a Rust that has the standard library for WebAssembly. A folder is all that
// tells Rusts apart: they are all called rustc.
func rustDir(ctx context.Context) (string, error) {
	found := false
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/bin") {
		rustc, cargo := program(dir, "rustc"), program(dir, "cargo")
		if rustc == "" || cargo == "" {
			continue
		}
		found = true
		libraries, err := exec.CommandContext(ctx, rustc, "--print", "target-libdir", "--target", rustTarget).Output()
		if err != nil {
			continue // it knows no such target
		}
		if core, _ := filepath.Glob(filepath.Join(strings.TrimSpace(string(libraries)), "libcore-*.rlib")); len(core) > 0 {
			return dir, nil
		}
	}
	if found {
		return "", fmt.Errorf("rust's standard library for %s is %w", rustTarget, ErrMissing)
	}
	return "", fmt.Errorf("rustc with cargo is %w", ErrMissing)
}

// prepend puts a folder in front of the path.
func prepend(env []string, dir string) []string {
	return append(env[:len(env):len(env)], "PATH="+dir+string(filepath.ListSeparator)+os.Getenv("PATH"))
}

// look finds a program on the path of env; "" if there is none.
func look(env []string, name string) string {
	path := ""
	for _, setting := range env {
		if value, ok := strings.CutPrefix(setting, "PATH="); ok {
			path = value // the last one counts
		}
	}
	if path == "" {
		path = os.Getenv("PATH")
	}
	for _, dir := range filepath.SplitList(path) {
		if p := program(dir, name); p != "" {
			return p
		}
	}
	return ""
}

// program is the file of a program in dir; "" if there is none.
func program(dir, name string) string {
	if dir == "" {
		return ""
	}
	endings := []string{""}
	if runtime.GOOS == "windows" {
		endings = []string{".exe", ".cmd", ".bat"}
	}
	for _, ending := range endings {
		if p, err := exec.LookPath(filepath.Join(dir, name+ending)); err == nil {
			return p
		}
	}
	return ""
}
