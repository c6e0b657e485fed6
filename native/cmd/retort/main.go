// Command retort answers UDP datagrams, and asks.
//
// Each subcommand has a file of its own, which reads from flags to work; what has nothing to do with flags
// is in the packages below internal, and what is not about a command line at all in core, native and
// wasmhandler.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	tryProcesses()

	// A reader that goes away is an error of the write, as on any other file, and no reason for a
	// server to die.
	signal.Ignore(syscall.SIGPIPE)

	// The first signal ends ctx. After it signals do what they do by default, so that the second ends
	// the process at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)

	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the whole command: it returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	return report(stderr, cmd, err)
}
