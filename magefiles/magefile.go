// The targets of Retort's build: thin functions over the go command. "go tool mage -l" lists them.
package main

import (
	"errors"
	"path/filepath"

	"github.com/magefile/mage/sh"
)

// Aliases lets "mage test" and "mage bench" mean what one expects.
var Aliases = map[string]any{"test": Test.All, "bench": Bench.Compare}

// Build builds the command into bin.
func Build() error {
	return sh.RunV("go", "build", "-o", "bin"+string(filepath.Separator), "./native/cmd/retort")
}

// Install installs the command into Go's folder for programs.
func Install() error { return sh.RunV("go", "install", "./native/cmd/retort") }

// Clean removes what was built.
func Clean() error { return errors.Join(sh.Rm("bin"), sh.Rm("dist")) }
