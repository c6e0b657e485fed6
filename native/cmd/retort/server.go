package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/guard"
	"github.com/retort-udp/retort/native/cmd/retort/internal/engine"
	"github.com/retort-udp/retort/native/cmd/retort/internal/flagtype"
	"github.com/retort-udp/retort/native/cmd/retort/internal/listing"
	"github.com/retort-udp/retort/native/cmd/retort/internal/lossy"
	"github.com/retort-udp/retort/native/cmd/retort/internal/pytext"
	"github.com/retort-udp/retort/native/cmd/retort/internal/transcript"
)

const (
	// printBuffer is what --print-buffer is by default: some thirty thousand short datagrams, a tenth of
	// a second at full load.
	printBuffer    = 4 << 20
	maxPrintBuffer = 1 << 30

	// logBuffer is how many bytes of diagnostics may wait for a standard error that is slow.
	logBuffer = 256 << 10

	// lastWords is how long a server that has ended waits for standard output, and then for standard error,
	// to take what it has still to say.
	lastWords = time.Second

	// reportEvery is the least time between two reports of lines that were lost.
	reportEvery = 10 * time.Second
)

// serverFlags say what a server does. Without a configuration file there is one listener.
type serverFlags struct {
	processFlags
	listenerFlags
}

// processFlags say what all listeners of a server share.
type processFlags struct {
	printBuffer flagtype.Size
	logFormat   flagtype.Choice
}

func (f *processFlags) add(flags *pflag.FlagSet) {
	f.printBuffer = printBuffer
	f.logFormat = flagtype.Choice{Value: "text", Words: []string{"text", "json"}}
	flags.Var(&f.logFormat, "log-format", "form of the diagnostics on standard error")
	flags.Var(&f.printBuffer, "print-buffer", "how much text may wait to be printed")
}

// check refuses what cannot be.
func (f *processFlags) check() error {
	if f.printBuffer > maxPrintBuffer {
		return usagef("--print-buffer %v is more than %v", f.printBuffer, flagtype.Size(maxPrintBuffer))
	}
	return nil
}

func newServer() *cobra.Command {
	var f serverFlags
	cmd := &cobra.Command{
		Use:   "server [HOST|HOST:PORT]...",
		Short: "Answer datagrams",
		Long: `Server answers every datagram that it receives, and prints it.

It listens on every address given, on 127.0.0.1 if there is none. A host without a port takes that of -p;
port 0 has the system choose one. 0.0.0.0 is every IPv4 address of this machine, and an empty host, as in
":1060", every address.

A handler that is a WebAssembly module is compiled in a process of its own with limits of time and memory, and
what comes of it is kept (--cache-dir). Vectors that lie beside NAME.wasm as NAME.vectors.txt are its self-test: it
is refused when it fails them. A source whose datagrams make it fault is ignored for a while; should it fail its
vectors later, another answers until it passes again (--fallback).

What is printed goes through a buffer: when standard output is slow, lines are lost and counted, and replies
are not. Diagnostics go to standard error.

SIGINT and SIGTERM let the server answer what has arrived, and end it; a second one ends it at once.`,
		Example: `  retort server
  retort server 0.0.0.0 -p 5000 --handler echo
  retort server 127.0.0.1:1060 '[::1]:1060' --handler my.wasm --handler-config @my.conf
  retort server --drop 0.5        lose half of the datagrams, to see what clients make of it`,
		ValidArgsFunction: cobra.NoFileCompletions,

		RunE: action(func(cmd *cobra.Command, hosts []string) error { return f.run(cmd, hosts) }),
	}
	flags := cmd.Flags()
	flags.SortFlags = false // the order is that of importance
	f.listenerFlags.add(flags)
	f.processFlags.add(flags)
	completeHandlers(cmd)
	complete(cmd, "log-format", cobra.FixedCompletions(f.logFormat.Words, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// service is a server that is about to answer.
type service struct {
	log     *slog.Logger
	engine  *engine.Engine
	printer *transcript.Printer     // not nil once the first listener starts
	buffer  int                     // bytes of text that may wait for it, for each worker
	die     context.CancelCauseFunc // ends the server with an error
}

// run does everything that can fail before the first line is printed and the first datagram answered.
func (f *serverFlags) run(cmd *cobra.Command, hosts []string) (err error) {
	f.hosts = hosts
	if err := errors.Join(f.listenerFlags.check(), f.processFlags.check()); err != nil {
		return err
	}
	stderr := lossy.New(cmd.ErrOrStderr(), logBuffer) // starts with the server: what fails before says so itself
	defer closeWithin(lastWords, stderr.Close)
	log := newLog(stderr, f.logFormat.Value)

	ctx, die := context.WithCancelCause(cmd.Context())
	defer die(nil)
	s := &service{log: log, engine: engine.New(log), die: die}
	defer closeInto(&err, s.engine)
	opened, err := f.open(ctx, cmd.InOrStdin(), s)
	if err != nil {
		if cmd.Context().Err() != nil {
			return nil // told to end before it began
		}
		return err
	}
	if f.explain {
		return explain(cmd.OutOrStdout(), opened)
	}
	stderr.Start()
	s.buffer = int(f.printBuffer) / max(workers(opened), 1)
	return s.serve(ctx, opened, cmd.OutOrStdout())
}

// open makes the handlers and opens the sockets.
func (f *serverFlags) open(ctx context.Context, stdin io.Reader, s *service) ([]*engine.Listener, error) {
	h, err := f.loadHandler(ctx, stdin, s.log)
	if err != nil {
		return nil, err
	}
	spec, err := f.spec(s.engine.NewSlot(h.Name, h))
	if err != nil {
		return nil, err
	}
	spec.AroundHandler = func(h core.Handler) core.Handler { return f.decorate(h, s) }
	return s.engine.Open(spec)
}

// explain prints what the guards of listeners would go by.
func explain(out io.Writer, listeners []*engine.Listener) error {
	for _, l := range listeners {
		if l.Name() != "" {
			if _, err := fmt.Fprintf(out, "Listener %s:\n", l.Name()); err != nil {
				return err
			}
		}
		g, err := guard.New(l.Policy(), l.Addresses()...)
		if err != nil {
			return err
		}
		if err := g.Explain(out); err != nil {
			return err
		}
	}
	return nil
}

// serve answers until ctx ends, or until a datagram that the teaching listing would die of.
func (s *service) serve(ctx context.Context, listeners []*engine.Listener, stdout io.Writer) error {
	s.printer = transcript.Start(stdout, listeningAt(listeners))
	reports, stopReports := context.WithCancel(context.Background())
	defer stopReports()
	go s.printer.Report(reports, s.log, reportEvery)

	s.engine.Start(listeners...)
	err := s.engine.Run(ctx)
	if cause := context.Cause(ctx); err == nil && errors.Is(cause, listing.ErrNotASCII) {
		err = cause
	}
	closeWithin(lastWords, s.printer.Close)
	s.sumUp()
	return err
}

// sumUp logs what was counted. Where there are several listeners, each has a line of its own.
func (s *service) sumUp() {
	var counted []slog.Attr
	printed := s.printer.Stats()
	listeners := s.engine.Listeners()
	if len(listeners) == 1 {
		counted = listenerSummary(listeners[0], printed)
	} else {
		for _, l := range listeners {
			s.ended(l)
		}
		counted = append(printSummary(printed).attrs(), slog.Int("listeners", len(listeners)))
	}
	s.log.LogAttrs(context.Background(), slog.LevelInfo, "the server has ended", counted...)
}

// ended logs what a listener has counted.
func (s *service) ended(l *engine.Listener) {
	counted := append([]slog.Attr{slog.String("name", l.Name())}, listenerSummary(l, transcript.Stats{})...)
	s.log.LogAttrs(context.Background(), slog.LevelInfo, "a listener has ended", counted...)
}

// workers counts the workers of listeners.
func workers(listeners []*engine.Listener) (n int) {
	for _, l := range listeners {
		n += len(l.Conns())
	}
	return n
}

// listeningAt returns the lines that say where listeners listen.
func listeningAt(listeners []*engine.Listener) (lines []byte) {
	for _, l := range listeners {
		for _, at := range l.Addresses() {
			lines = append(lines, "Listening at "...)
			lines = pytext.AppendAddr(lines, at, pytext.Scope(at.Addr()))
			lines = append(lines, '\n')
		}
	}
	return lines
}

// newLog returns the logger of a server.
func newLog(out io.Writer, format string) *slog.Logger {
	if format == "json" {
		return slog.New(slog.NewJSONHandler(out, nil))
	}
	return slog.New(slog.NewTextHandler(out, nil))
}

// closeWithin gives what can take for ever a limited time.
func closeWithin(limit time.Duration, end func(context.Context)) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	end(ctx)
}

// closeInto closes c and adds its error to err.
func closeInto(err *error, c io.Closer) { *err = errors.Join(*err, c.Close()) }
