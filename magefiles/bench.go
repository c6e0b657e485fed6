package main

import "github.com/magefile/mage/sh"

// Bench runs every benchmark.
func Bench() error { return sh.RunV("go", "test", "-run", "^$", "-bench", ".", "-benchmem", "./...") }
