package main

import (
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// newMan returns the command that packages are made with. Those who have the program have its help.
func newMan() *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Short:  "Write manual pages",
		Long:   "Man writes a manual page for each command into DIR, which it makes when there is none.",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: action(func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true // it has a date, and the same source makes the same pages
			return doc.GenManTree(root, &doc.GenManHeader{
				Section: "1",
				Source:  "Retort",
				Manual:  "Retort",
				Date:    committed(),
			}, args[0])
		}),
	}
}

// committed is when the source of this program was committed; a day that stands for none if it does not know.
func committed() *time.Time {
	when := time.Unix(0, 0).UTC()
	if info, ok := debug.ReadBuildInfo(); ok {
		if t, err := time.Parse(time.RFC3339, newBuild(info).Time); err == nil {
			when = t
		}
	}
	return &when
}
