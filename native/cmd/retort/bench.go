package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"github.com/retort-udp/retort/native"
	"github.com/retort-udp/retort/native/cmd/retort/internal/flagtype"
	"github.com/retort-udp/retort/native/cmd/retort/internal/load"
)

// benchFlags say how a server is loaded.
type benchFlags struct {
	port     flagtype.Port
	window   int
	rate     float64
	sockets  int
	threads  int
	size     flagtype.Size
	expect   flagtype.Choice
	gso      bool
	duration time.Duration
	warmup   time.Duration
	count    uint64
	timeout  time.Duration
	json     bool
	quiet    bool
}

func newBench() *cobra.Command {
	var f benchFlags
	cmd := &cobra.Command{
		Use:   "bench [HOST|HOST:PORT]",
		Short: "Measure how much a server answers, and how soon",
		Long: `Bench asks a server, on 127.0.0.1 unless told otherwise, as often as it can, checks every reply, and shows
how many came and how soon.

By default it keeps a number of requests on their way, and sends a new one for each reply: that shows how much
the server can do. With --rate it sends at that rate whatever comes back: that shows how soon replies come
under a given load. Latency then counts from when a request was due, not from when it found its way out.

A request is answered, rightly or wrongly, or lost: not answered within --timeout. Beside that, late replies to
lost requests, extra replies, and foreign datagrams, which the server did not send, are counted. Without
--expect echo replies do not tell which request they answer, and are taken in order.

Each thread takes a whole processor on Linux: give the server another. "Idle" in the result is how much of its
time the load generator had nothing to do but wait: near 0%, the figures may be its own and not the server's.

A server that does not answer rightly in the first place is not loaded, and one that stops answering is left
alone. SIGINT ends the run early, and shows what there is.`,
		Example: `  retort bench
  retort bench -p 5000 --window 1 --sockets 1     how soon does a reply come?
  retort bench --rate 50000 --duration 30s        and under a steady load?
  retort bench --gso --window 1024                in bursts (Linux)
  retort bench --expect echo --size 1200 --json   ask an echo server; figures for programs`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              action(func(cmd *cobra.Command, hosts []string) error { return f.run(cmd, hosts) }),
	}
	f.size = load.DefaultSize
	f.expect = flagtype.Choice{Value: load.Length.String(), Words: load.Expectations()}
	flags := cmd.Flags()
	flags.SortFlags = false // the order is that of importance
	addPort(cmd, &f.port)
	flags.IntVar(&f.window, "window", load.DefaultWindow, "keep `N` requests on their way, over all sockets")
	flags.Float64Var(&f.rate, "rate", 0, "send `N` requests a second instead, whatever comes back")
	flags.DurationVar(&f.duration, "duration", load.DefaultDuration, "how `LONG` to measure")
	flags.Uint64Var(&f.count, "count", 0, "end after `N` requests, if that is earlier; 0: do not count")
	flags.DurationVar(&f.warmup, "warmup", 0, "how `LONG` to send before that")
	flags.IntVar(&f.sockets, "sockets", 0, "ask from `N` ports (default 8; 64 with --rate, unless replies are echoes)")
	flags.Var(&f.size, "size", "payload of a request in bytes")
	flags.Var(&f.expect, "expect", "which reply is right: the length of the request in words, the request itself, or any")
	flags.BoolVar(&f.gso, "gso", false, "send and receive bursts as single pieces (Linux: UDP_SEGMENT, UDP_GRO)")
	flags.IntVar(&f.threads, "threads", 1, "use `N` processors")
	flags.DurationVar(&f.timeout, "timeout", 0,
		"give up a request after `WAIT`, as in 100ms (default: 1s; less on this host without --rate)")
	flags.BoolVar(&f.json, "json", false, "show the result as one line of JSON")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "do not show progress on standard error")
	complete(cmd, "expect", cobra.FixedCompletions(load.Expectations(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// run measures one server. A server that answers wrongly is an error; one that loses requests is not.
func (f *benchFlags) run(cmd *cobra.Command, hosts []string) error {
	if len(hosts) == 0 {
		hosts = []string{loopback}
	}
	if err := f.check(cmd); err != nil {
		return err
	}
	addr, err := address(hosts[0], f.port)
	if err != nil {
		return err
	}
	target, err := resolve(cmd.Context(), addr)
	if err != nil {
		return err
	}
	o, err := f.options(target)
	if err != nil {
		return err
	}
	if !f.quiet {
		o.Progress = func(p load.Progress) { showProgress(cmd.ErrOrStderr(), p) }
	}
	report, err := load.Run(cmd.Context(), o)
	if report != nil {
		err = errors.Join(f.show(cmd.OutOrStdout(), report), err)
	}
	if err == nil && report.Wrong > 0 {
		err = fmt.Errorf("%d of %d replies were wrong", report.Wrong, report.Wrong+report.Answered)
	}
	return err
}

// check refuses flags that contradict each other, and those that mean a default to package load and nothing
// to a user.
func (f *benchFlags) check(cmd *cobra.Command) error {
	flags := cmd.Flags()
	switch {
	case flags.Changed("rate") && f.rate == 0, f.duration == 0, f.window == 0, f.threads == 0,
		flags.Changed("sockets") && f.sockets == 0:
		return usagef("there is nothing to send: --rate, --duration, --window, --sockets and --threads are above 0")
	case flags.Changed("timeout") && f.timeout == 0:
		return usagef("--timeout 0s leaves no time for a reply")
	}
	return exclusive(cmd, "rate", "window")
}

// options are what package load makes of the flags.
func (f *benchFlags) options(target netip.AddrPort) (load.Options, error) {
	expect, err := load.ParseExpectation(f.expect.Value)
	if err != nil {
		return load.Options{}, err
	}
	o := load.Options{
		Target:   target,
		Window:   f.window,
		Rate:     f.rate,
		Sockets:  f.sockets,
		Threads:  f.threads,
		Size:     int(f.size),
		Empty:    f.size == 0,
		Duration: f.duration,
		Warmup:   f.warmup,
		Count:    f.count,
		Timeout:  f.timeout,
		Expect:   expect,
		GSO:      f.gso,
	}
	if err := o.Check(); err != nil {
		return o, usagef("%w", err)
	}
	return o, nil
}

func (f *benchFlags) show(stdout io.Writer, r *load.Report) error {
	if f.json {
		return r.WriteJSON(stdout)
	}
	return r.WriteText(stdout)
}

// resolve returns the address that a client of addr would ask.
func resolve(ctx context.Context, addr string) (netip.AddrPort, error) {
	client, err := native.Dial(ctx, addr, native.ClientOptions{Connect: true})
	if err != nil {
		return netip.AddrPort{}, err
	}
	return client.RemoteAddr(), client.Close()
}

// showProgress writes one line. There is nobody to tell that it cannot be written.
func showProgress(stderr io.Writer, p load.Progress) {
	_, _ = fmt.Fprintf(stderr, "%v of %v: %.0f replies a second, %d lost\n",
		p.Elapsed.Round(100*time.Millisecond), p.Total, p.Rate, p.Lost)
}
