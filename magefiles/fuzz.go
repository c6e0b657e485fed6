package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/magefile/mage/sh"
)

// Fuzz runs each fuzz test for the time in FUZZTIME, 10s if that is not set.
func Fuzz() error {
	fuzzTime := os.Getenv("FUZZTIME")
	if fuzzTime == "" {
		fuzzTime = "10s"
	}
	packages, err := sh.Output("go", "list", "./...")
	if err != nil {
		return err
	}
	for _, p := range strings.Fields(packages) {
		list, err := sh.Output("go", "test", "-list", "^Fuzz", p)
		if err != nil {
			return err
		}
		for _, name := range strings.Fields(list) {
			if !strings.HasPrefix(name, "Fuzz") {
				continue // the closing line, "ok PACKAGE TIME"
			}
			// Go makes each input that reaches something new as short as it can, for up to a minute: here that would
			// take all of the time.
			if err := sh.RunV("go", "test", "-run", "^$", "-fuzz", "^"+name+"$", "-fuzztime", fuzzTime,
				"-fuzzminimizetime", "1s", p); err != nil {
				return fmt.Errorf("%s in %s: %w", name, p, err)
			}
		}
	}
	return nil
}
