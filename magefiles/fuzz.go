package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/magefile/mage/sh"
)

// Fuzz runs each fuzz test for the time in FUZZTIME, 10s if that is not set, whatever the others find.
func Fuzz() error {
	fuzzTime := cmp.Or(os.Getenv("FUZZTIME"), "10s")
	packages, err := sh.Output("go", "list", "./...")
	if err != nil {
		return err
	}
	var failures []error
	for _, p := range strings.Fields(packages) {
		list, err := sh.Output("go", "test", "-list", "^Fuzz", p)
		if err != nil {
			failures = append(failures, fmt.Errorf("the fuzz tests of %s: %w", p, err))
			continue
		}
		for _, name := range strings.Fields(list) {
			if !strings.HasPrefix(name, "Fuzz") {
				continue // the closing line, "ok PACKAGE TIME"
			}
			// Go makes each input that reaches something new as short as it can, for up to a minute: here that would
			// take all of the time.
			if err := sh.RunV("go", "test", "-run", "^$", "-fuzz", "^"+name+"$", "-fuzztime", fuzzTime,
				"-fuzzminimizetime", "1s", p); err != nil {
				failures = append(failures, fmt.Errorf("%s in %s: %w", name, p, err))
			}
		}
	}
	return errors.Join(failures...)
}

// Differential asks the two builds of each protocol, compiled in and as a guest, REQUESTS times (2000000), by requests
// that follow from SEED (1): both must reply the same.
func Differential() error {
	return sh.RunV("go", "test", withoutProfile, "-count=1", "-run", "TestDifferential", "-timeout", "2h",
		"./native/cmd/retort/internal/protocoltest",
		"-requests", cmp.Or(os.Getenv("REQUESTS"), "2000000"), "-seed", cmp.Or(os.Getenv("SEED"), "1"))
}
