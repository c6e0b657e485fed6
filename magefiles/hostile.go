package main

import (
	"fmt"
	"os/exec"

	"github.com/magefile/mage/sh"
)

// Hostile rebuilds the modules in testdata/hostile from their sources, runs each of them, and writes into the README
// there what it got, how long it took and for how long it stopped the world. It needs wat2wasm and some minutes.
func Hostile() error {
	if _, err := exec.LookPath("wat2wasm"); err != nil {
		return fmt.Errorf("the hostile modules are translated by wat2wasm, of wabt: %w", err)
	}
	const corpus = "./wasmhandler/internal/hostile/corpus"
	if err := sh.RunV("go", "run", corpus, "build"); err != nil {
		return err
	}
	return sh.RunV("go", "run", corpus, "record")
}
