package main

import (
	"fmt"
	"os"
)

// skip says why a target, or the part of it that is about one system, does not run on this machine, which is no error:
// people have what they have. Where RETORT_REQUIRE is 1 it is one. The workflows set that after installing all
// that is needed: else a tool that has another name by now, or a kernel that does not allow something, would stay
// unseen for ever behind a check that passes.
func skip(format string, args ...any) error {
	why := fmt.Sprintf(format, args...)
	if os.Getenv("RETORT_REQUIRE") == "1" {
		return fmt.Errorf("would be skipped, which RETORT_REQUIRE=1 forbids: %s", why)
	}
	fmt.Println("skipped:", why)
	return nil
}
