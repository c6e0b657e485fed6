package main

import (
	"strings"
	"testing"
)

// A machine that lacks the tools of Windows says so and passes, and fails where nothing may be skipped.
func TestSkip(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("RETORT_REQUIRE", "")
	if err := (Test{}).Wine(); err != nil {
		t.Errorf("without wine: %v", err)
	}
	t.Setenv("RETORT_REQUIRE", "1")
	if err := (Test{}).Wine(); err == nil || !strings.Contains(err.Error(), "the tests on Windows need wine") {
		t.Errorf("without wine, where nothing may be skipped: %v", err)
	}
}
