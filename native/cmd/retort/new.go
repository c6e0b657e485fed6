package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/retort-udp/retort/wasmhandler/guest/sdk"
)

// modulePath is what go.mod calls this program's own module.
const modulePath = "github.com/retort-udp/retort"

func newNew() *cobra.Command {
	var checkout string
	cmd := &cobra.Command{
		Use:   "new LANGUAGE NAME",
		Short: "Begin a handler of your own",
		Long: `New makes a folder NAME with a handler that answers, the requests and replies that it is tested with, and all
that it takes to build it: the SDK of the language lies beside it, and its README.md says which command builds it.

The languages are ` + strings.Join(sdk.Names(), ", ") + `.`,
		Example: `  retort new c hello
  retort new rust hello
  retort new go hello --sdk ~/src/retort`,
		Args: cobra.ExactArgs(2),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp // whoever makes something names it
			}
			return sdk.Names(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: action(func(cmd *cobra.Command, args []string) error {
			language, err := sdk.Named(args[0])
			if err != nil {
				return usagef("%w", err)
			}
			if err := sdk.CheckName(args[1]); err != nil {
				return usagef("%w", err)
			}
			project := sdk.Project{Name: args[1]}
			switch {
			case language.Name == "go":
				err = findSDK(&project, checkout)
			case cmd.Flags().Changed("sdk"):
				err = usagef("--sdk is for go: in %s the SDK is copied into the project", language.Name)
			}
			if err != nil {
				return err
			}
			return begin(cmd.OutOrStdout(), language, project)
		}),
	}
	cmd.Flags().StringVar(&checkout, "sdk", "",
		"`DIR` of Retort's source, for go; without it, the published version that this program is")
	if err := cmd.MarkFlagDirname("sdk"); err != nil {
		panic(err) // there is no such flag: a mistake in this program
	}
	return cmd
}

// published is the version of a release: no tree between two, and none with changes.
var published = regexp.MustCompile(`^v\d+\.\d+\.\d+(-(alpha|beta|rc)\.\d+)?$`)

// findSDK says where the project in Go gets Retort's module from.
func findSDK(p *sdk.Project, checkout string) error {
	if checkout == "" {
		if info, ok := debug.ReadBuildInfo(); ok && published.MatchString(info.Main.Version) {
			p.Version = info.Main.Version
			return nil
		}
		return usagef("this program is no published version: say with --sdk where Retort's source is")
	}
	dir, err := filepath.Abs(checkout)
	if err != nil {
		return fmt.Errorf("--sdk: %w", err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return fmt.Errorf("--sdk: %w", err)
	}
	if !strings.HasPrefix(string(text), "module "+modulePath) {
		return fmt.Errorf("--sdk: %s is not Retort's source: its go.mod is that of another module", dir)
	}
	p.SDK = filepath.ToSlash(dir)
	if strings.ContainsAny(p.SDK, " \t\"'`,;()[]{}") {
		p.SDK = strconv.Quote(p.SDK)
	}
	return nil
}

// begin writes the project into a folder of its own, or leaves nothing behind.
func begin(out io.Writer, l sdk.Language, p sdk.Project) (err error) {
	files, err := l.Files(p)
	if err != nil {
		return err
	}
	if err := os.Mkdir(p.Name, 0o777); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("%s is there already: take another name, or remove it", p.Name)
		}
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(p.Name))
		}
	}()
	for _, f := range files {
		name := filepath.Join(p.Name, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			return err
		}
		if err := os.WriteFile(name, f.Text, 0o666); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(out, "%s is a handler in %s. To build and test it:\n\ncd %s\n%s\n%s\n",
		p.Name, l.Title, p.Name, l.BuildCommands(p.Name), l.Check(p.Name))
	return err
}
