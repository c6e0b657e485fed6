package main

import (
	"os"
	"path/filepath"

	"github.com/magefile/mage/sh"
)

// Soak runs a server under full load while everything happens to it that can, for SOAKTIME (2m, or as in 8h), writes
// bin/soak.txt, or as in -report=FILE, and fails when its verdict is bad.
func Soak(report *string) error {
	long, file := os.Getenv("SOAKTIME"), filepath.Join("bin", "soak.txt")
	if long == "" {
		long = "2m"
	}
	if report != nil {
		file = *report
	}
	return sh.RunV("go", "run", "./native/cmd/retort/internal/soak", "-time", long, "-report", file)
}
