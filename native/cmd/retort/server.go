package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/retort-udp/retort/core/guard"
	"github.com/retort-udp/retort/core/server"
	"github.com/retort-udp/retort/native/cmd/retort/internal/capture"
	"github.com/retort-udp/retort/native/cmd/retort/internal/dropin"
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

	// defaultHandover is how long a successor may take to load its handlers, by default.
	defaultHandover = time.Minute

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
	config       string
	handlers     string
	handlersPoll time.Duration
	printBuffer  flagtype.Size
	logFormat    flagtype.Choice
	monitorFlags
	handover    time.Duration
	capture     string
	captureSize flagtype.Size
}

func (f *processFlags) add(flags *pflag.FlagSet) {
	f.printBuffer = printBuffer
	f.logFormat = flagtype.Choice{Value: "text", Words: []string{"text", "json"}}
	flags.StringVar(&f.config, "config", "", "`FILE` of settings, as \"retort config example\" shows; flags and variables count more")
	flags.StringVar(&f.handlers, "handlers", "",
		"`DIR` whose .wasm files are handlers by their names; what is added, replaced or removed there is noticed")
	flags.DurationVar(&f.handlersPoll, "handlers-poll", dropin.DefaultPoll,
		"how `LONG` a change there goes unnoticed of which the system does not tell")
	flags.Var(&f.logFormat, "log-format", "form of the diagnostics on standard error")
	flags.Var(&f.printBuffer, "print-buffer", "how much text may wait to be printed")
	f.monitorFlags.add(flags)
	flags.DurationVar(&f.handover, "handover-timeout", defaultHandover,
		"how `LONG` the program that takes over after a SIGUSR2 may take until it answers (not on Windows)")
	f.captureSize = capture.DefaultSize
	flags.StringVar(&f.capture, "capture", "",
		"write requests, their replies and what became of them into `FILE`, which Wireshark and \"retort replay\" read")
	flags.Var(&f.captureSize, "capture-size", "how much that file may take, and an older one beside it; the oldest go")
}

// check refuses what cannot be.
func (f *processFlags) check() error {
	switch {
	case f.printBuffer > maxPrintBuffer:
		return about("print-buffer", usagef("--print-buffer %v is more than %v", f.printBuffer, flagtype.Size(maxPrintBuffer)))
	case f.handover <= 0:
		return about("handover-timeout", usagef("--handover-timeout %v: it must be more than 0", f.handover))
	case f.handlersPoll <= 0:
		return about("handlers-poll", usagef("--handlers-poll %v: it must be more than 0", f.handlersPoll))
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

Several listeners, each with its handler and its rules, are described in a file (--config); each flag has a key
there by its name, and a variable: RETORT_RATE_LIMIT for --rate-limit. A flag counts more than a variable, that
more than the file.

With --handlers each NAME.wasm in a directory is a handler called NAME. What lies beside it belongs to it:
NAME.toml has its settings and its listeners, NAME.vectors.txt its self-test, NAME.sha256 the digest that it must
have. Files that are added, replaced or removed while the server runs are noticed, and looked at again on
SIGHUP; one that is not fit is refused, and what was there before goes on. When NAME.wasm is removed, the listeners
of NAME.toml close; those of --config that use it answer with --fallback.

On SIGHUP the file of --config is read again, too. Handlers that are run otherwise now, or whose files have changed, are
swapped; listeners that are new are opened and those that are gone end; one of which anything else is said begins anew,
at the same sockets, without losing a datagram. With a mistake, or an address that cannot be had, nothing changes, and
a line in the log says why. What all listeners share (--metrics, --capture, --log-format and the like), and the workers
and --gso of a listener, are what they were until the server is started again; the log names them. Without --config and
--handlers a SIGHUP ends a server, as it should when its terminal is closed.

A mistake in the configuration, a file that it names and that is missing, or an address that one of its listeners
cannot have: then nothing is started, and one line says why. What lies in the directory of handlers and is not fit, or
cannot listen where it wants, is left out, and the rest serves. A socket that fails later ends the server.

SIGINT and SIGTERM let the server answer what has arrived, and end it; a second one ends it at once. SIGUSR2 has it
start the program that is installed now with the same arguments, which takes over its sockets: no datagram is lost.
When that fails, or a handler of the directory that serves would be refused, the server goes on. Sockets that a service manager passes (LISTEN_FDS) go to the listeners that have
their addresses, and the manager is told what the server does (NOTIFY_SOCKET, WATCHDOG_USEC).`,
		Example: `  retort server
  retort server 0.0.0.0 -p 5000 --handler echo
  retort server 127.0.0.1:1060 '[::1]:1060' --handler my.wasm --handler-config @my.conf
  retort server --config /etc/retort/retort.toml
  retort server --handlers /etc/retort/handlers
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
	life    *life
	dropins *dropins // nil: there is no directory of handlers

	settings   *settings // that it was started with
	configured []configured
	reread     func() (*settings, error)

	printer *transcript.Printer     // not nil once the first listener starts
	buffer  int                     // bytes of text that may wait for it, for each worker
	capture *capture.Capture        // nil: none is written
	die     context.CancelCauseFunc // ends the server with an error
}

// run does everything that can fail before the first line is printed and the first datagram answered.
func (f *serverFlags) run(cmd *cobra.Command, hosts []string) (err error) {
	wanted, err := f.get(hosts)
	if err != nil {
		return err
	}
	stderr := lossy.New(cmd.ErrOrStderr(), logBuffer) // starts with the server: what fails before says so itself
	defer closeWithin(lastWords, stderr.Close)
	log := newLog(stderr, wanted.logFormat.Value)

	ctx, die := context.WithCancelCause(cmd.Context())
	defer die(nil)
	s := &service{log: log, engine: engine.New(log), die: die, settings: wanted}
	s.reread = func() (*settings, error) { return f.get(hosts) }
	defer closeInto(&err, s.engine)
	if s.life, err = newLife(log, wanted); err != nil {
		return err
	}
	defer s.life.close()
	if v, ok := wanted.flags["handler-config"]; ok && v.Texts[0] == fromStdin {
		s.life.onlyOnce = errStdin.Error()
	}
	if wanted.capture != "" {
		if s.capture, err = capture.New(wanted.capture, int64(wanted.captureSize), log); err != nil {
			return wanted.locate(about("capture-size", err))
		}
		defer closeWithin(lastWords, s.endCapture)
	}
	opened, err := s.open(ctx, wanted, cmd.InOrStdin())
	if err == nil {
		err = s.life.settle(s.dropins != nil)
	}
	if err != nil {
		if cmd.Context().Err() != nil && !f.explain {
			return nil // told to end before it began
		}
		return orInterrupted(cmd.Context(), err)
	}
	if f.explain {
		return explain(cmd.OutOrStdout(), opened)
	}
	watched, err := wanted.watch(s)
	if err != nil {
		return wanted.locate(err)
	}
	watched.LogLost = stderr.Lost
	defer watched.run()()
	if s.capture != nil { // as the last thing that can fail: a predecessor writes there until it ends
		if err := s.capture.Begin(s.life.before != nil); err != nil {
			return wanted.locate(about("capture", err))
		}
	}
	stderr.Start()
	watched.Ready(true)
	context.AfterFunc(ctx, func() { watched.Ready(false) })
	s.buffer = int(wanted.printBuffer) / max(workers(opened), 1)
	return s.serve(ctx, opened, cmd.OutOrStdout())
}

// open makes the handlers and opens the sockets, all of them or none; but what lies in a directory of handlers and
// is not fit is left out, with a line in the log.
func (s *service) open(ctx context.Context, wanted *settings, stdin io.Reader) ([]*engine.Listener, error) {
	if wanted.handlers != "" {
		var err error
		if s.dropins, err = newDropins(s, wanted); err != nil {
			return nil, configError(wanted.locate(about("handlers", err)))
		}
	}
	var specs []engine.Spec
	for _, l := range wanted.listeners {
		c, err := configure(l)
		if err != nil {
			return nil, err
		}
		slot, err := s.slot(ctx, wanted, l, stdin)
		if err != nil {
			return nil, l.blame(err)
		}
		spec, err := l.spec(s, slot)
		if err != nil {
			return nil, l.blame(err)
		}
		specs, s.configured = append(specs, spec), append(s.configured, c)
	}
	opened, err := s.engine.Open(specs...)
	if err != nil {
		return nil, err
	}
	for i, l := range opened {
		s.configured[i].Listener = l
	}
	if s.dropins == nil {
		return opened, nil
	}
	more, err := s.dropins.open(ctx)
	if err == nil {
		err = configError(s.dropins.keeps(s.life.before.Handlers()))
	}
	return append(opened, more...), err
}

// slot returns the place of a listener's handler.
func (s *service) slot(ctx context.Context, wanted *settings, l *listenerFlags, stdin io.Reader) (*engine.Slot, error) {
	if s.fromDirectory(l) {
		for _, name := range append([]string{"handler-config", "seed"}, moduleFlags...) {
			if wanted.own(l, name) {
				return nil, fmt.Errorf("--%s is not the listener's: it belongs into %s.toml in %s", name, l.handler, wanted.handlers)
			}
		}
		return s.dropins.slot(l.handler)
	}
	h, err := l.loadHandler(ctx, stdin, s.log)
	if err != nil {
		return nil, err
	}
	return s.engine.NewSlot(h.Name, h), nil
}

// fromDirectory says whether a listener's handler is one of the directory's.
func (s *service) fromDirectory(l *listenerFlags) bool {
	return s.dropins != nil && !l.listenOnly && !isBuiltin(l.handler) && !isModule(l.handler)
}

// observer returns what a listener with that slot tells of its datagrams; nil if nobody wants to know.
func (s *service) observer(slot *engine.Slot) func(*server.Observation) {
	if s.capture == nil {
		return nil
	}
	return s.capture.Observer(slot.Name)
}

// endCapture writes what is left of the capture, and says what is in it.
func (s *service) endCapture(ctx context.Context) {
	err := s.capture.Close(ctx)
	written, missed := s.capture.Counts()
	level, counted := slog.LevelInfo, []slog.Attr{slog.Uint64("requests", written), slog.Uint64("missed", missed)}
	if err != nil {
		level, counted = slog.LevelError, append(counted, slog.Any("error", err))
	}
	s.log.LogAttrs(ctx, level, "the capture has ended", counted...)
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

	for _, l := range listeners {
		s.tellListening(l)
	}
	s.engine.Start(listeners...)
	ctx, stopLiving := s.live(ctx)
	stopWatching := s.watch(ctx) // which ends before the engine does: a file is not refused because of that
	err := s.engine.Run(ctx)
	stopLiving()
	stopWatching()
	if cause := context.Cause(ctx); err == nil && errors.Is(cause, listing.ErrNotASCII) {
		err = cause
	}
	closeWithin(lastWords, s.printer.Close)
	s.sumUp()
	return err
}

// watch keeps up with the directory of handlers, if there is one, until it is told to stop.
func (s *service) watch(ctx context.Context) (stop func()) {
	if s.dropins == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { s.dropins.watch(ctx) })
	return func() {
		cancel()
		watching.Wait()
	}
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

// closeWithin gives what can take for ever a limited time.
func closeWithin(limit time.Duration, end func(context.Context)) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	end(ctx)
}

// closeInto closes c and adds its error to err.
func closeInto(err *error, c io.Closer) { *err = errors.Join(*err, c.Close()) }
