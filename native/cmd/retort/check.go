package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/retort-udp/retort/core/vectors"
	"github.com/retort-udp/retort/native/cmd/retort/internal/flagtype"
	"github.com/retort-udp/retort/wasmhandler"
	"github.com/retort-udp/retort/wasmhandler/abi"
	"github.com/retort-udp/retort/wasmhandler/abitest"
)

// checkFlags say how a module is checked.
type checkFlags struct {
	config  string
	vectors string
	memory  flagtype.Size
	limits  guestLimits
	isolate wasmhandler.Isolation
	seed    uint64
	quick   bool
	json    bool
}

func newCheck() *cobra.Command {
	var f checkFlags
	cmd := &cobra.Command{
		Use:   "check FILE.wasm",
		Short: "Say whether a module is fit to be a handler",
		Long: `Check loads a module as a server would, asks it what handlers tend to trip over, and shows what it found:
what it imports and exports, what it costs, and for each thing that a handler must do whether it does it.

When FILE.vectors.txt lies beside FILE.wasm, the module must answer these requests as the file says.

It ends with exit code 1, and the reason, when the module does not conform.`,
		Example: `  retort check my.wasm
  retort check my.wasm --handler-config @my.conf --vectors other.vectors.txt
  retort check my.wasm --json | jq .figures`,
		Args: cobra.ExactArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"wasm"}, cobra.ShellCompDirectiveFilterFileExt
		},
		RunE: action(func(cmd *cobra.Command, args []string) error { return f.run(cmd, args[0]) }),
	}
	f.memory = wasmhandler.DefaultMemory
	flags := cmd.Flags()
	flags.StringVar(&f.config, "handler-config", "",
		"configuration for the handler: `TEXT`, or @FILE, or @- for standard input (default: that of the vectors)")
	flags.StringVar(&f.vectors, "vectors", "",
		"`FILE` of requests and replies, instead of the one beside the module; none: there are none")
	flags.Var(&f.memory, "memory", "memory that an instance may have")
	flags.TextVar(&f.isolate, "isolate", wasmhandler.IsolateNone,
		"what the module forgets after each datagram: `none|datagram`, nothing or everything")
	f.limits.add(flags)
	flags.Uint64Var(&f.seed, "seed", 1,
		"`NUMBER` that malformed requests follow from, and the module's random numbers")
	flags.BoolVar(&f.quick, "quick", false, "leave out what takes long")
	flags.BoolVar(&f.json, "json", false, "show the result as one line of JSON")
	return cmd
}

// run checks one module. One that does not conform is an error, after what was found has been shown.
func (f *checkFlags) run(cmd *cobra.Command, file string) error {
	if f.seed == 0 {
		return usagef("--seed is above 0: a check is the same each time")
	}
	wasm, err := readFile(file, wasmhandler.MaxModule)
	if err != nil {
		return err
	}
	o, err := f.options(cmd, file)
	if err != nil {
		return err
	}
	report, err := abitest.Run(cmd.Context(), file, wasm, o)
	if err != nil {
		return orInterrupted(cmd.Context(), err)
	}
	if err := f.show(cmd.OutOrStdout(), report); err != nil {
		return err
	}
	return report.Err()
}

func (f *checkFlags) options(cmd *cobra.Command, file string) (o abitest.Options, err error) {
	o = abitest.Options{Seed: f.seed, Quick: f.quick, Config: wasmhandler.Config{Memory: int64(f.memory), Isolate: f.isolate}}
	if err := f.limits.applyTo(&o.Config); err != nil {
		return o, err
	}
	if o.Config.Compiler, err = compiler(); err != nil {
		return o, err
	}
	if o.Vectors, err = f.file(file); err != nil {
		return o, err
	}
	if cmd.Flags().Changed("handler-config") {
		if o.Settings, err = argument(f.config, cmd.InOrStdin(), abi.MaxConfig); err != nil {
			return o, fmt.Errorf("--handler-config: %w", err)
		}
	}
	return o, nil
}

// file returns the vectors, nil if there are none.
func (f *checkFlags) file(module string) (*vectors.File, error) {
	switch f.vectors {
	case "none":
		return nil, nil
	case "":
		beside := handlerFlags{handler: module}
		return beside.vectors()
	}
	text, err := readFile(f.vectors, vectors.MaxFile)
	if err != nil {
		return nil, fmt.Errorf("--vectors: %w", err)
	}
	return vectors.Parse(f.vectors, text)
}

func (f *checkFlags) show(out io.Writer, r *abitest.Report) error {
	if f.json {
		return json.NewEncoder(out).Encode(r)
	}
	return r.WriteText(out)
}
