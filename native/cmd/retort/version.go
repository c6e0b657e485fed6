package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

func newVersion() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Show which build this is",
		Args:  cobra.NoArgs,
		RunE: action(func(cmd *cobra.Command, _ []string) error {
			info, ok := debug.ReadBuildInfo()
			if !ok {
				info = new(debug.BuildInfo) // built without module support: there is little to show
			}
			b := newBuild(info)
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(b)
			}
			return b.print(cmd.OutOrStdout())
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as one line of JSON")
	return cmd
}

// build is what is known of a build. Fields that are not known are empty.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Modified bool   `json:"modified,omitempty"` // the tree held changes that are not in Commit
	Time     string `json:"time,omitempty"`     // of Commit, in RFC 3339
	Go       string `json:"go"`
	Wazero   string `json:"wazero,omitempty"`
	Platform string `json:"platform"` // GOOS/GOARCH
}

func newBuild(info *debug.BuildInfo) build {
	b := build{
		Version:  info.Main.Version,
		Go:       runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	if b.Version == "" {
		b.Version = "(devel)" // what the go command calls a build from a tree without a version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		case "vcs.time":
			b.Time = s.Value
		}
	}
	for _, m := range info.Deps {
		if m.Path == "github.com/tetratelabs/wazero" {
			if m.Replace != nil {
				m = m.Replace
			}
			b.Wazero = m.Version
		}
	}
	return b
}

func (b build) print(out io.Writer) error {
	commit := b.Commit
	if b.Modified {
		commit += " and uncommitted changes"
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, row := range [][2]string{
		{"retort", b.Version},
		{"commit", commit},
		{"time", b.Time},
		{"go", b.Go},
		{"wazero", b.Wazero},
		{"platform", b.Platform},
	} {
		if row[1] != "" {
			// An error stays with the table's writer, and Flush returns it.
			_, _ = fmt.Fprintf(table, "%s\t%s\n", row[0], row[1])
		}
	}
	return table.Flush()
}
