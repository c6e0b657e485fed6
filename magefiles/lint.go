package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/magefile/mage/sh"
)

// linters is where the versions of the linters are pinned, apart from what the product needs.
const linters = "-modfile=.github/tools/lint/go.mod"

// Lint checks formatting, vet, staticcheck, the module file, and the workflows.
func Lint() error {
	unformatted, err := sh.Output("gofmt", "-l", ".")
	if err != nil {
		return err
	}
	if unformatted != "" {
		return fmt.Errorf("not formatted, run gofmt -w on:\n%s", unformatted)
	}
	for _, args := range [][]string{
		{"vet", "./..."},
		{"mod", "tidy", "-diff"},
		{"tool", linters, "staticcheck", "./..."},
		{"tool", linters, "actionlint"},
	} {
		if err := sh.RunV("go", args...); err != nil {
			return fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
		}
	}
	if err := vetPeers(); err != nil {
		return err
	}
	return vetGuests()
}

// vetPeers vets the servers in Go to compare with, which are a module of their own.
func vetPeers() error { return sh.RunV("go", "-C", "testdata/peers/go", "vet", "./...") }

// vetGuests vets the guests in Go, which ./... does not see.
func vetGuests() error {
	folders, err := filepath.Glob(guests + "/*-go")
	if err != nil {
		return err
	}
	for _, folder := range folders {
		env := map[string]string{"GOOS": "wasip1", "GOARCH": "wasm"}
		if err := sh.RunWithV(env, "go", "vet", "./"+filepath.ToSlash(folder)); err != nil {
			return fmt.Errorf("vet %s: %w", folder, err)
		}
	}
	return nil
}
