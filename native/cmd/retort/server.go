package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/guard"
	"github.com/retort-udp/retort/core/server"
	"github.com/retort-udp/retort/native"
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

// serverFlags say what a server does.
type serverFlags struct {
	handlerFlags
	policyFlags
	port        flagtype.Port
	listenOnly  bool
	quiet       bool
	strict      bool
	drop        flagtype.Share
	printBuffer flagtype.Size
	readBuffer  flagtype.Size
	writeBuffer flagtype.Size
	workers     int
	busyPoll    time.Duration
	gso         flagtype.Choice
	drain       time.Duration
	logFormat   flagtype.Choice
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
	f.printBuffer = printBuffer
	f.gso = flagtype.Choice{Value: "off", Words: []string{"off", "auto", "on"}}
	f.logFormat = flagtype.Choice{Value: "text", Words: []string{"text", "json"}}

	flags := cmd.Flags()
	flags.SortFlags = false // the order is that of importance
	addPort(cmd, &f.port)
	f.handlerFlags.add(cmd)
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "do not print datagrams")
	flags.BoolVar(&f.listenOnly, "listen-only", false,
		"print datagrams, those to broadcast addresses too, and answer none")
	flags.Var(&f.drop, "drop", "ignore this share of the datagrams on purpose, and print that")
	flags.BoolVar(&f.strict, "strict-listing", false,
		"end, with exit code 1, when a datagram is not ASCII, as the teaching listing does")
	flags.IntVar(&f.workers, "workers", 0, "`SOCKETS` of each address, with a worker each; 0: one a processor on Linux, one elsewhere")
	flags.DurationVar(&f.busyPoll, "busy-poll", 0, "how `LONG` to look for datagrams before sleeping; costs a processor (Linux)")
	flags.Var(&f.gso, "gso", "have the kernel cut and join datagrams, which some kernels do wrong; auto: on loopback (Linux)")
	flags.DurationVar(&f.drain, "drain", server.DefaultDrain, "how `LONG` to go on answering when told to end")
	flags.Var(&f.logFormat, "log-format", "form of the diagnostics on standard error")
	flags.Var(&f.printBuffer, "print-buffer", "how much text may wait to be printed")
	flags.Var(&f.readBuffer, "read-buffer",
		"what the kernel keeps of arriving datagrams for each socket; 0: its default")
	flags.Var(&f.writeBuffer, "write-buffer",
		"what the kernel keeps of leaving replies for each socket; 0: its default")
	f.policyFlags.add(flags)
	complete(cmd, "log-format", cobra.FixedCompletions(f.logFormat.Words, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// run does everything that can fail before the first line is printed and the first datagram answered.
func (f *serverFlags) run(cmd *cobra.Command, hosts []string) (err error) {
	if err := f.check(cmd); err != nil {
		return err
	}
	addrs, err := f.addresses(hosts)
	if err != nil {
		return err
	}
	stderr := lossy.New(cmd.ErrOrStderr(), logBuffer) // starts with the server: what fails before says so itself
	defer closeWithin(lastWords, stderr.Close)
	log := newLog(stderr, f.logFormat.Value)

	if f.listenOnly {
		f.handler = "drop"
	}
	handler, err := f.load(cmd.Context(), cmd.Flags(), cmd.InOrStdin(), log)
	if err != nil {
		if cmd.Context().Err() != nil {
			return nil // told to end before it began
		}
		return err
	}
	defer closeInto(&err, handler)

	conns, err := native.ListenAll(addrs, native.Options{
		ReadBuffer:  asInt(f.readBuffer),
		WriteBuffer: asInt(f.writeBuffer),
		Workers:     f.workers,
		BusyPoll:    f.busyPoll,
		GSO:         gsoSettings[f.gso.Value],
	})
	if err != nil {
		return err
	}
	for _, c := range conns {
		defer closeInto(&err, c)
	}
	if f.listenOnly {
		f.policy.AnswerGroup = true // it answers nobody, and prints what was sent to everybody
	}
	policy, err := f.policyFlags.get(cmd, conns)
	if err != nil {
		return err
	}
	if f.explain {
		return explain(cmd.OutOrStdout(), policy, conns)
	}
	stderr.Start()
	s := &server.Server{
		Guard: policy,
		Log:   log,
		Drain: cmp.Or(f.drain, -1), // to the Server zero is its default, and less is no time at all
	}
	return f.serve(cmd.Context(), s, handler, conns, cmd.OutOrStdout())
}

// check refuses flags that contradict each other, and those that would do nothing.
func (f *serverFlags) check(cmd *cobra.Command) error {
	if cmd.Flags().Changed("seed") && f.drop == 0 && !isModule(f.handler) {
		return usagef("--seed is for .wasm handlers and --drop: there is nothing random here")
	}
	if f.printBuffer > maxPrintBuffer {
		return usagef("--print-buffer %v is more than %v", f.printBuffer, flagtype.Size(maxPrintBuffer))
	}
	return errors.Join(
		exclusive(cmd, "handler", "listen-only"),
		exclusive(cmd, "no-cache", "cache-dir", "cache-size"),
	)
}

// gsoSettings are the words of --gso.
var gsoSettings = map[string]native.GSO{"off": native.GSOOff, "auto": native.GSOAuto, "on": native.GSOOn}

// addresses returns where to listen.
func (f *serverFlags) addresses(hosts []string) (addrs []string, err error) {
	if len(hosts) == 0 {
		hosts = []string{loopback}
	}
	for _, host := range hosts {
		addr, err := address(host, f.port)
		if err != nil {
			return nil, err
		}
		addrs = append(addrs, addr)
	}
	return addrs, nil
}

// explain prints what the guard of a server that listens with conns would go by.
func explain(out io.Writer, policy *guard.Policy, conns []core.Conn) error {
	var listening []netip.AddrPort
	for _, c := range conns {
		listening = append(listening, c.LocalAddr())
	}
	g, err := guard.New(policy, listening...)
	if err != nil {
		return err
	}
	return g.Explain(out)
}

// serve answers until ctx ends, or until a datagram that the teaching listing would die of.
func (f *serverFlags) serve(
	ctx context.Context, s *server.Server, handler *loadedHandler, conns []core.Conn, stdout io.Writer,
) error {
	printer := transcript.Start(stdout, listeningAt(conns))
	reports, stopReports := context.WithCancel(context.Background())
	defer stopReports()
	go printer.Report(reports, s.Log, reportEvery)

	ctx, die := context.WithCancelCause(ctx)
	defer die(nil)
	s.Handler = f.decorate(handler.Handler, printer, len(conns), die)
	err := s.Serve(ctx, conns...)
	if cause := context.Cause(ctx); err == nil && errors.Is(cause, listing.ErrNotASCII) {
		err = cause
	}
	closeWithin(lastWords, printer.Close)
	counted := summary(s.Stats(), printer.Stats())
	if handler.module != nil {
		counted = append(counted, guestSummary(handler.module.Stats()))
	}
	s.Log.LogAttrs(context.Background(), slog.LevelInfo, "the server has ended", counted...)
	return err
}

// decorate puts around the handler what is asked for beside replying, if anything is.
func (f *serverFlags) decorate(
	h core.Handler, p *transcript.Printer, workers int, die context.CancelCauseFunc,
) core.Handler {
	if f.quiet && !f.strict && f.drop == 0 {
		return h
	}
	around := &listing.Handler{
		Next:   h,
		Buffer: int(f.printBuffer) / workers,
		Drop:   float64(f.drop),
		Seed:   f.seed,
	}
	if f.seed == 0 {
		around.Seed = rand.Uint64()
	}
	if !f.quiet {
		around.Printer = p
	}
	if f.strict {
		around.Strict = die
	}
	return around
}

// listeningAt returns the lines that say where the conns listen. Conns that share an address are one
// listener.
func listeningAt(conns []core.Conn) (lines []byte) {
	said := make(map[netip.AddrPort]bool)
	for _, c := range conns {
		at := c.LocalAddr()
		if said[at] {
			continue
		}
		said[at] = true
		lines = append(lines, "Listening at "...)
		lines = pytext.AppendAddr(lines, at, pytext.Scope(at.Addr()))
		lines = append(lines, '\n')
	}
	return lines
}

// asInt returns s as an int, or the largest that every system has.
func asInt(s flagtype.Size) int { return int(min(s, math.MaxInt32)) }

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
