package main

import (
	"fmt"
	"os"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/retort-udp/retort/wasmhandler"
)

// newCompile is the command that this program starts as a process of its own, so that compiling a stranger's module
// has limits. It speaks on its standard input and output, and only to the program itself.
func newCompile() *cobra.Command {
	return &cobra.Command{
		Use:    "compile",
		Short:  "Compile a module for a server, which starts this by itself",
		Args:   cobra.NoArgs,
		Hidden: true,
		RunE: action(func(cmd *cobra.Command, _ []string) error {
			return wasmhandler.RunCompiler(cmd.InOrStdin(), cmd.OutOrStdout())
		}),
	}
}

// compiler returns the command that newCompile is.
func compiler() ([]string, error) {
	// A file that was replaced since this process began is of another build; Linux has the old one still.
	const self = "/proc/self/exe"
	if _, err := os.Stat(self); err == nil && runtime.GOOS == "linux" {
		return []string{self, "compile"}, nil
	}
	path, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program, which compiles handlers in a process of its own: %w", err)
	}
	return []string{path, "compile"}, nil
}
