package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/retort-udp/retort/native"
	"github.com/retort-udp/retort/native/cmd/retort/internal/flagtype"
	"github.com/retort-udp/retort/native/cmd/retort/internal/pytext"
)

const (
	// firstWait and tries are what --timeout and --tries are by default: the waits of 0.1, 0.2, 0.4, 0.8
	// and 1.6 seconds of the textbook's remote client.
	firstWait = 100 * time.Millisecond
	tries     = 5

	// maxMessage is how many bytes of a message are read. It is well above what a datagram takes, so that
	// the error of one that is too long can say how long it is.
	maxMessage = 1 << 20

	// probeSize is the payload of --mtu-probe in bytes: the loopback interface takes that much in one piece,
	// and hardly another.
	probeSize = 65000
)

// clientFlags say what a client asks, and how.
type clientFlags struct {
	port        flagtype.Port
	message     string
	connect     bool
	promiscuous bool
	mtuProbe    bool
	broadcast   bool
	timeout     time.Duration
	tries       int
}

func newClient() *cobra.Command {
	var f clientFlags
	cmd := &cobra.Command{
		Use:   "client [HOST|HOST:PORT]",
		Short: "Ask a server",
		Long: `Client sends a datagram to a server, on 127.0.0.1 unless told otherwise, and prints what comes back.

While no reply comes it asks again, each time after twice as long a wait, and in the end gives up with exit
code 1. What comes from anybody but the server is dropped, and counted on standard error.`,
		Example: `  retort client
  retort client example.org -p 5000 --message 'hello'
  retort client --message @request.bin --timeout 2s --tries 1
  retort client --connect 192.0.2.7         hear nobody but the server; show each wait
  retort client --mtu-probe 192.0.2.7       does a datagram of 65,000 bytes get out in one piece?
  retort client --broadcast 192.0.2.255     tell everybody on a network, and wait for nobody`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              action(func(cmd *cobra.Command, hosts []string) error { return f.run(cmd, hosts) }),
	}
	flags := cmd.Flags()
	flags.SortFlags = false // the order is that of importance
	addPort(cmd, &f.port)
	flags.StringVar(&f.message, "message", "",
		"send `TEXT`, or what is in @FILE, or in @- for standard input (default: the time)")
	flags.DurationVar(&f.timeout, "timeout", firstWait,
		"first `WAIT` for a reply, as in 100ms or 2s; each later one is twice as long")
	flags.IntVar(&f.tries, "tries", tries, "ask `N` times before giving up")
	flags.BoolVar(&f.connect, "connect", false, "connect the socket, as the textbook's remote client does")
	flags.BoolVar(&f.promiscuous, "promiscuous", false,
		"take the first datagram from anyone as the reply, as the teaching listing does")
	flags.BoolVar(&f.mtuProbe, "mtu-probe", false,
		"send one large datagram that may not be fragmented, and show the MTU when it does not get out")
	flags.BoolVar(&f.broadcast, "broadcast", false, "send to a broadcast address, and wait for no reply")
	return cmd
}

// run does what the flags say.
func (f *clientFlags) run(cmd *cobra.Command, hosts []string) error {
	if err := f.check(cmd); err != nil {
		return err
	}
	if f.broadcast && len(hosts) == 0 {
		return usagef("say where to broadcast to: the broadcast address of a network")
	}
	if len(hosts) == 0 {
		hosts = []string{loopback}
	}
	addr, err := address(hosts[0], f.port)
	if err != nil {
		return err
	}
	if f.mtuProbe {
		return probeMTU(cmd.Context(), cmd.OutOrStdout(), addr)
	}
	message, err := f.messageOr(cmd, f.defaultMessage())
	if err != nil {
		return err
	}
	if f.broadcast {
		return broadcast(cmd.Context(), addr, message)
	}
	return f.ask(cmd.Context(), addr, message, cmd.OutOrStdout(), cmd.ErrOrStderr())
}

// check refuses flags that contradict each other, and those that would do nothing.
func (f *clientFlags) check(cmd *cobra.Command) error {
	if f.timeout <= 0 {
		return usagef("--timeout %v leaves no time for a reply", f.timeout)
	}
	if f.tries < 1 {
		return usagef("--tries %d asks nobody", f.tries)
	}
	return errors.Join(
		exclusive(cmd, "connect", "promiscuous"),
		exclusive(cmd, "mtu-probe", "connect", "promiscuous", "broadcast", "message", "timeout", "tries"),
		exclusive(cmd, "broadcast", "connect", "promiscuous", "timeout", "tries"),
	)
}

// defaultMessage is what the textbook's programs send, each its own.
func (f *clientFlags) defaultMessage() []byte {
	switch {
	case f.connect:
		return []byte("This is another message")
	case f.broadcast:
		return []byte("Broadcast datagram!")
	}
	return pytext.AppendTime([]byte("The time is "), time.Now())
}

func (f *clientFlags) messageOr(cmd *cobra.Command, message []byte) ([]byte, error) {
	if !cmd.Flags().Changed("message") {
		return message, nil
	}
	message, err := argument(f.message, cmd.InOrStdin(), maxMessage)
	if err != nil {
		return nil, fmt.Errorf("--message: %w", err)
	}
	return message, nil
}

// ask sends message until a reply comes, and prints it.
func (f *clientFlags) ask(ctx context.Context, addr string, message []byte, stdout, stderr io.Writer) error {
	out := printer{out: stdout}
	var client *native.Client
	options := native.ClientOptions{
		Connect:     f.connect,
		Promiscuous: f.promiscuous,
		FirstWait:   f.timeout,
		MaxWait:     forever,
		Tries:       f.tries,
		Jitter:      -1, // what is announced is what is waited
		Waiting: func(try int, wait time.Duration) {
			switch {
			case f.connect:
				out.line("Waiting up to ", pytext.AppendSeconds(nil, wait), " seconds for a reply")
			case try == 1: // the first request is on its way
				out.line("The OS assigned me the address ", addressOf(client.LocalAddr()))
			}
		},
	}
	client, err := native.Dial(ctx, addr, options)
	if err != nil {
		return err
	}
	defer client.Close() // it only read, and what it sent is gone
	if f.connect {
		out.line("Client socket name is ", addressOf(client.LocalAddr()))
	}

	answer, err := client.Ask(ctx, message)
	if none, ok := errors.AsType[*native.NoReplyError](err); ok {
		return f.gaveUp(none)
	}
	if err != nil {
		return err
	}
	if f.connect {
		out.line("The server says ", pytext.AppendQuoted(nil, answer.Data))
	} else {
		out.line("The server ", addressOf(answer.From), " replied ", pytext.AppendQuoted(nil, answer.Data))
	}
	return errors.Join(out.err, tellForeign(stderr, answer.Foreign, client.RemoteAddr()))
}

// tellForeign tells of the datagrams that did not come from server, if there were any.
func tellForeign(stderr io.Writer, n int, server netip.AddrPort) error {
	var err error
	switch {
	case n == 1:
		_, err = fmt.Fprintf(stderr, "retort client: dropped a datagram that did not come from %v\n", server)
	case n > 1:
		_, err = fmt.Fprintf(stderr, "retort client: dropped %d datagrams that did not come from %v\n", n, server)
	}
	return err
}

// forever is no bound to the waits: --tries and --timeout are.
const forever = time.Duration(1<<63 - 1)

// isDown is what the textbook's remote client says in the end.
const isDown = "I think the server is down"

// gaveUp says so in the textbook's words where those are known.
func (f *clientFlags) gaveUp(none *native.NoReplyError) error {
	switch {
	case none.Cause != nil:
		return fmt.Errorf("told to end: %w", none)
	case f.connect:
		return fmt.Errorf("%s: %w", isDown, none)
	}
	return none
}

// broadcast sends message once.
func broadcast(ctx context.Context, addr string, message []byte) error {
	client, err := native.Dial(ctx, addr, native.ClientOptions{Promiscuous: true})
	if err != nil {
		return err
	}
	return errors.Join(client.Send(message), client.Close())
}

// probeMTU sends one large datagram with path MTU discovery on. That it does not get out is an answer, too.
func probeMTU(ctx context.Context, stdout io.Writer, addr string) error {
	probe, err := native.ProbeMTU(ctx, addr, probeSize)
	if err != nil {
		return err
	}
	out := printer{out: stdout}
	if probe.Sent {
		out.line("The big datagram was sent!")
		return out.err
	}
	out.line("Alas, the datagram did not make it")
	if probe.MTU > 0 { // not every system tells
		out.line("Actual MTU: ", strconv.Itoa(probe.MTU))
	}
	return out.err
}

// printer writes lines until that fails.
type printer struct {
	out io.Writer
	err error
}

// line writes parts, which are strings and byte slices, as one line.
func (p *printer) line(parts ...any) {
	var line []byte
	for _, part := range parts {
		line = fmt.Appendf(line, "%s", part)
	}
	if p.err == nil {
		_, p.err = p.out.Write(append(line, '\n'))
	}
}

// addressOf returns addr as Python shows it.
func addressOf(addr netip.AddrPort) []byte {
	return pytext.AppendAddr(nil, addr, pytext.Scope(addr.Addr()))
}
