//go:build !mage

package main

import (
	"fmt"
	"os"
)

// main is for whoever runs this folder as a program, and lets "go build ./..." link it: mage, which sets the tag,
// leaves this file out and writes a main of its own.
func main() {
	fmt.Fprintln(os.Stderr, `these are targets of mage: run "go tool mage -l" to see them, and "go tool mage test" for the tests`)
	os.Exit(2)
}
