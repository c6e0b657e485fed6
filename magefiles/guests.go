package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/magefile/mage/sh"
)

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
