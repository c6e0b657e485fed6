package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/retort-udp/retort/native/cmd/retort/internal/flagtype"
)

// defaultPort is the teaching listing's.
const defaultPort = 1060

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "retort",
		Short: "Answers UDP datagrams, and asks",
		Long: `Retort answers UDP datagrams with a handler that is built in or a WebAssembly module, and asks other
servers.`,
		Example: `  retort server                              answer on 127.0.0.1, port 1060
  retort client                              ask that server
  retort server 0.0.0.0 --handler my.wasm    answer everybody with a handler of your own`,
		Args: knownCommand,
		RunE: func(*cobra.Command, []string) error {
			return usagef("say what to do: server, client, or another command")
		},
		SilenceErrors: true, // report does it
		SilenceUsage:  true,

		SuggestionsMinimumDistance: 2, // letters; cobra's own default, which it sets too late for knownCommand
	}
	// The port may be given in front of the command, too. Cobra reads all flags with the command's own
	// set; this one is for the help, and for the search for the command's name.
	addPort(root, new(flagtype.Port))
	root.AddCommand(newServer(), newClient(), newConfig(), newBench(), newCheck(), newNew(), newCompile(), newVersion(), newReplay(), newStatus(), newHealthcheck(), newMan(), newExitCodes())
	beStrict(root)
	return root
}

// beStrict makes usage errors of what cobra's own commands shrug at: help for what there is not, and
// completions for no shell or for one that is not known.
func beStrict(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "help":
			cmd.Args = func(_ *cobra.Command, args []string) error {
				found, rest, err := root.Find(args)
				if err == nil && found == root {
					err = knownCommand(root, rest)
				}
				return err
			}
		case "completion":
			cmd.Args = knownCommand
			cmd.RunE = func(*cobra.Command, []string) error {
				return usagef("say for which shell")
			}
		}
	}
}

// complete lets a shell complete the values of a flag.
func complete(cmd *cobra.Command, flag string, with cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, with); err != nil {
		panic(err) // there is no such flag: a mistake in this program
	}
}

// addPort adds the flag -p.
func addPort(cmd *cobra.Command, p *flagtype.Port) { addPortTo(cmd.Flags(), p) }

func addPortTo(flags *pflag.FlagSet, p *flagtype.Port) {
	*p = flagtype.NewPort(defaultPort)
	flags.VarP(p, "port", "p", "UDP port; the last one given wins")
}

// knownCommand refuses what is left over when no command was found.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return fmt.Errorf("there is no command %q; did you mean %s?", args[0], strings.Join(near, " or "))
	}
	return fmt.Errorf("there is no command %q", args[0])
}
