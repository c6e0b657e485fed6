package main

import (
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Where Go has no race detector, or nothing that compiles C, this is why the target is skipped.
func TestWithoutRaces(t *testing.T) {
	for name, test := range map[string]struct {
		env  map[string]string
		want string
	}{
		"no detector": {map[string]string{"GOARCH": "386"}, "386"},
		"no compiler": {map[string]string{"CC": filepath.Join(t.TempDir(), "cc"), "CGO_ENABLED": "1"}, "C compiler"},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "no compiler" && runtime.GOOS != "linux" {
				t.Skip("the race detector may do without C here")
			}
			for name, value := range test.env {
				t.Setenv(name, value)
			}
			if why := withoutRaces(); !strings.Contains(why, test.want) {
				t.Errorf("why not: %q, want %q", why, test.want)
			}
		})
	}
}

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
