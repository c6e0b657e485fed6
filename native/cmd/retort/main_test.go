package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes the test binary a retort, too: scripts and tests start it as a process of its own.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "compile" {
		main() // a server within a test had a module compiled
	}
	// Under the race detector a process sleeps for a second before it exits, unless told otherwise.
	os.Setenv("GORACE", "atexit_sleep_ms=10 "+os.Getenv("GORACE"))
	testscript.Main(m, map[string]func(){"retort": main})
}

// Where other packages keep modules.
const (
	samples = "../../../testdata/handlers"           // fit to serve
	broken  = "../../../wasmhandler/testdata/broken" // not fit
)
