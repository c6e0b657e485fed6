package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/native/cmd/retort/internal/config"
	"github.com/retort-udp/retort/native/cmd/retort/internal/dropin"
	"github.com/retort-udp/retort/native/cmd/retort/internal/engine"
)

func newConfig() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check and show what a server would go by",
		Long: `Config reads what "retort server" would: a file (--config), variables, and flags. Each flag of the server
has its key in the file, by its name, and its variable: RETORT_RATE_LIMIT for --rate-limit. A flag counts more than
a variable, that more than the file, and that more than the default.

A file has what all listeners share in front, what goes for each of them under [defaults], and a [[listener]] for
each. Names of files in it are relative to it. "retort config example" prints one with every key.`,
		Args: knownCommand,
		RunE: func(*cobra.Command, []string) error { return usagef("say what to do: check, show or example") },
	}
	cmd.AddCommand(
		configCommand("check", "Say whether a server could start with it",
			`Check does what a server does before it listens: it reads the file, loads the handlers that it names, and has
those of --handlers pass their self-tests. It ends with exit code 78, and what is wrong, when a server could not start;
a handler in a directory that is not fit counts as that, although a server would do without.`, (*settings).verify),
		configCommand("show", "Show what is in force, and where each value comes from",
			`Show prints every setting with its value and where that comes from: a flag, a variable, a line of the file, or
the default. What it prints is a configuration file, and says the same.`, (*settings).show),
		&cobra.Command{
			Use:   "example",
			Short: "Print a configuration file with every key, its default, and what it is for",
			Args:  cobra.NoArgs,
			RunE:  action(func(cmd *cobra.Command, _ []string) error { return writeExample(cmd.OutOrStdout()) }),
		},
	)
	return cmd
}

// configCommand takes the flags of a server, and its configuration file as an argument, too.
func configCommand(name, short, long string, do func(*settings, context.Context, io.Writer) error) *cobra.Command {
	var f serverFlags
	cmd := &cobra.Command{
		Use:   name + " [FILE]",
		Short: short,
		Long:  long + "\n\nIt takes all flags of \"retort server\".",
		Args:  cobra.MaximumNArgs(1),
	}
	flags := cmd.Flags()
	f.listenerFlags.add(flags)
	f.processFlags.add(flags)
	flags.VisitAll(func(f *pflag.Flag) { f.Hidden = f.Name != "config" })
	cmd.RunE = action(func(cmd *cobra.Command, files []string) error {
		if len(files) > 0 {
			if flags.Changed("config") {
				return usagef("--config and %q are two files", files[0])
			}
			if err := flags.Set("config", files[0]); err != nil {
				return err
			}
		}
		s, err := f.get(nil)
		if err != nil {
			return err
		}
		return do(s, cmd.Context(), cmd.OutOrStdout())
	})
	return cmd
}

// show prints the settings as a file has them.
func (s *settings) show(_ context.Context, out io.Writer) error {
	var text strings.Builder
	if err := config.Write(&text, without(s.set, noSettings...), s.sources); err != nil {
		return err
	}
	for _, l := range s.listeners {
		text.WriteString("\n[[listener]]")
		if l.source.Kind == config.FromFile {
			fmt.Fprintf(&text, " # %v", l.source)
		}
		text.WriteString("\n")
		set := without(l.set, noSettings...)
		if err := config.Write(&text, set, l.layers.Sources(set)); err != nil {
			return err
		}
	}
	_, err := io.WriteString(out, text.String())
	return err
}

// verify loads what a server would load, and listens nowhere.
func (s *settings) verify(ctx context.Context, out io.Writer) error {
	log := newLog(io.Discard, "text")
	t := &service{log: log, engine: engine.New(log)}
	defer t.engine.Close()
	var all []error
	if s.handlers != "" {
		var err error
		if t.dropins, err = newDropins(t, s); err != nil {
			return configError(s.locate(about("handlers", err)))
		}
		all = append(all, t.dropins.verify(ctx)...)
	}
	for _, l := range s.listeners {
		_, err := t.slot(ctx, s, l, strings.NewReader(""))
		if err == nil {
			err = l.verify()
		}
		all = append(all, l.blame(err))
	}
	if ctx.Err() != nil { // what there is to say is not all
		return errInterrupted
	}
	if err := errors.Join(all...); err != nil {
		return configError(err)
	}
	_, err := fmt.Fprintf(out, "A server could start: %s, %s.\n",
		count1(len(s.listeners), "listener"), count1(len(t.engine.Slots()), "handler"))
	schema := fileSchema()
	strangers := config.Strangers(os.Environ(), newProcessSet(new(processFlags)), schema.Listener)
	if err == nil && len(strangers) > 0 {
		_, err = fmt.Fprintf(out, "Variables that say nothing to it: %s.\n", strings.Join(strangers, ", "))
	}
	return err
}

// count1 says how many there are.
func count1(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// verify says whether a listener could be: its addresses are some, and its policy is one for them.
func (f *listenerFlags) verify() error {
	addrs, err := f.addresses()
	if err != nil {
		return err
	}
	var conns []core.Conn
	for _, a := range addrs {
		host, _, _ := net.SplitHostPort(a) // addresses has made it
		if ip, err := netip.ParseAddr(host); err == nil {
			conns = append(conns, place{at: netip.AddrPortFrom(ip, 0)})
		} else if host == "" {
			conns = append(conns, place{at: netip.AddrPortFrom(netip.IPv6Unspecified(), 0)})
		}
	}
	_, err = f.guardPolicy(conns)
	return err
}

// place stands for a Conn of which only the address is asked.
type place struct {
	core.Conn
	at netip.AddrPort
}

func (p place) LocalAddr() netip.AddrPort { return p.at }

// verify judges the files of the directory, and returns what is wrong with them.
func (d *dropins) verify(ctx context.Context) (all []error) {
	dir := dropin.New(d.settings.handlers, dropin.Options{
		Load: func(ctx context.Context, files *dropin.Files) error {
			f, listeners, err := d.beside(files)
			if err != nil {
				return err
			}
			for _, l := range listeners {
				if err := l.verify(); err != nil {
					return err
				}
			}
			h, err := d.judge(ctx, files, f)
			err = f.blame(err)
			if err == nil && isBuiltin(files.Name) {
				err = errBuiltin(files)
			}
			if err == nil {
				d.service.engine.NewSlot(files.Name, h)
			}
			return err
		},
		Remove: func(string) error { return nil },
	})
	if err := dir.Scan(ctx); err != nil {
		return []error{err}
	}
	for _, v := range dir.Verdicts() {
		if v.Err != nil {
			all = append(all, fmt.Errorf("%s in %s: %w", v.Name, d.settings.handlers, v.Err))
		}
	}
	return all
}
