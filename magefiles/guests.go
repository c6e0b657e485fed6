package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/magefile/mage/sh"
)

// guests is where the sample guests are. Each is a folder NAME-LANGUAGE, with the module NAME.wasm, which is built
// here, and NAME.vectors.txt, which says what it must answer. The source depends on the language:
//
//	go    package main, in files of any name; its module is large, so it is built wherever it is needed and never
//	      committed
//	c     NAME.c
//	wat   NAME.wat
//
// A folder is all that a new guest takes. It is registered nowhere: Wasm builds what it finds, and the tests of
// package wasmhandler/guest build it, run its vectors and hold it to the contract.
const guests = "testdata/handlers"

// Wasm rebuilds the sample guests whose toolchain is installed, and says which are left alone.
func Wasm() error {
	folders, err := filepath.Glob(guests + "/*-*")
	if err != nil {
		return err
	}
	for _, folder := range folders {
		tool, args, env := guestBuild(folder)
		if tool == "" {
			return fmt.Errorf("%s: a guest in what language? A folder is called NAME-LANGUAGE", folder)
		}
		if _, err := exec.LookPath(tool); err != nil {
			fmt.Printf("skipped: %s needs %s, which is not installed\n", folder, tool)
			continue
		}
		fmt.Println(folder)
		if err := sh.RunWithV(env, tool, args...); err != nil {
			return err
		}
		if err := os.Chmod(guestModule(folder), 0o644); err != nil { // linkers make programs
			return err
		}
	}
	return nil
}

// guestName splits the name of a guest's folder.
func guestName(folder string) (name, language string) {
	base := filepath.Base(folder)
	hyphen := strings.LastIndexByte(base, '-')
	return base[:hyphen], base[hyphen+1:]
}

// guestModule is the file that a guest is built into.
func guestModule(folder string) string {
	name, _ := guestName(folder)
	return filepath.ToSlash(filepath.Join(folder, name+".wasm"))
}

// guestBuild returns the command that builds the guest in folder; none if its language is not known.
func guestBuild(folder string) (tool string, args []string, env map[string]string) {
	name, language := guestName(folder)
	source, out := filepath.ToSlash(filepath.Join(folder, name)), guestModule(folder)
	switch language {
	case "c":
		return "clang", []string{
			"--target=wasm32", "-O2", "-nostdlib", "-fno-builtin", "-Wall", "-Wextra", "-Werror",
			"-Wl,--no-entry", "-Wl,--strip-all", "-Wl,--stack-first", "-Wl,-z,stack-size=16384",
			"-I", "wasmhandler/guest/c", "-o", out, source + ".c",
		}, nil
	case "wat":
		return "wat2wasm", []string{source + ".wat", "-o", out}, nil
	case "go":
		return "go", []string{"build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", out, "./" + filepath.ToSlash(folder)},
			map[string]string{"GOOS": "wasip1", "GOARCH": "wasm"}
	}
	return "", nil, nil
}
