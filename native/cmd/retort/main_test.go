package main

import (
	"context"
	"os"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes the test binary a retort, too: scripts and tests start it as a process of its own.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "compile" {
		// A server within a test has a module compiled. This is what main does, but that the race detector does not
		// wait for a second at the end.
		syscall.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
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
