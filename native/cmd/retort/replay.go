package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/native/cmd/retort/internal/capture"
	"github.com/retort-udp/retort/native/cmd/retort/internal/engine"
)

// replayFlags say what is replayed, and to whom.
type replayFlags struct {
	handlerFlags
	server string
	most   int
}

func newReplay() *cobra.Command {
	var f replayFlags
	cmd := &cobra.Command{
		Use:   "replay CAPTURE",
		Short: "Run a handler over recorded requests and compare its replies",
		Long: `Replay takes the requests of a capture, has a handler answer each as if it arrived now from its peer at its time,
and shows where the answers differ from those that were recorded. There is no socket: nothing is sent.

A capture is a pcapng file that "retort server --capture" wrote, or a pcapng or pcap file of tcpdump or Wireshark.
The first kind says which reply is whose. In the other kind requests are the packets to --server, and the first
reply to a peer belongs to its first request that has none yet.

Requests that the server's guard kept from the handler are left out. A handler that remembers meets all requests in
one instance, in order; one that gives random answers differs, unless --seed is what it was.

It ends with exit code 1 when anything differs.`,
		Example: `  retort replay traffic.pcapng --handler new.wasm
  tcpdump -w dns.pcap udp port 53 and host 192.0.2.1
  retort replay dns.pcap --server 192.0.2.1:53 --handler dns --handler-config @zone`,
		Args: cobra.ExactArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"pcapng", "pcap"}, cobra.ShellCompDirectiveFilterFileExt
		},
		RunE: action(func(cmd *cobra.Command, args []string) error { return f.run(cmd, args[0]) }),
	}
	flags := cmd.Flags()
	flags.SortFlags = false // the order is that of importance
	f.handlerFlags.add(flags)
	flags.StringVar(&f.server, "server", "",
		"requests are the packets to this `ADDRESS:PORT`, or to this PORT (default: where the first packet went)")
	flags.IntVar(&f.most, "show", 10, "show `N` differences, and count the others")
	completeHandlers(cmd)
	return cmd
}

func (f *replayFlags) run(cmd *cobra.Command, path string) (err error) {
	server, err := f.where()
	if err != nil {
		return err
	}
	file, err := capture.Read(path)
	if err != nil {
		return err
	}
	exchanges := file.Exchanges(server)
	if len(exchanges) == 0 {
		return fmt.Errorf("%s has no requests: %d UDP datagrams to elsewhere, and %d other packets (--server says where requests go)",
			path, len(file.Packets), file.Skipped)
	}
	h, err := f.load(cmd.Context(), cmd.Flags(), cmd.InOrStdin(), slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil)))
	if err != nil {
		return orInterrupted(cmd.Context(), err)
	}
	defer closeInto(&err, h)
	if file.Skipped > 0 {
		if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%d packets are left out: they are no UDP datagrams, or were cut when they were captured\n",
			file.Skipped); err != nil {
			return err
		}
	}
	return f.compare(cmd.Context(), cmd.OutOrStdout(), exchanges, h)
}

// where returns what --server says.
func (f *replayFlags) where() (netip.AddrPort, error) {
	if f.server == "" {
		return netip.AddrPort{}, nil
	}
	if port, err := strconv.ParseUint(f.server, 10, 16); err == nil && port > 0 {
		return netip.AddrPortFrom(netip.Addr{}, uint16(port)), nil
	}
	at, err := netip.ParseAddrPort(f.server)
	if err != nil {
		return at, usagef("--server %s: it is no ADDRESS:PORT and no PORT", f.server)
	}
	return at, nil
}

// compare asks the handler, and shows what differs.
func (f *replayFlags) compare(ctx context.Context, out io.Writer, exchanges []*capture.Exchange, loaded *engine.Handler) error {
	var h core.Handler = loaded.Handler
	if p, ok := h.(core.PerWorker); ok {
		var err error
		if h, err = p.ForWorker(); err != nil {
			return err
		}
		if c, ok := h.(io.Closer); ok {
			defer c.Close()
		}
	}
	compared, different, unasked := 0, 0, 0
	dst := make([]byte, 0, core.MaxPayload6)
	for _, e := range exchanges {
		if ctx.Err() != nil {
			return errInterrupted
		}
		if e.Unasked() {
			unasked++
			continue
		}
		d := &core.Datagram{Data: e.Data, From: e.From, To: e.To, Time: e.Time}
		answer, failure := h.Reply(dst[:0:core.MaxPayload(e.From.Addr())], d)
		if failure != nil {
			answer = nil
		}
		compared++
		if e.Same(answer) {
			continue
		}
		if different++; different <= f.most {
			if err := show(out, e, answer, failure); err != nil {
				return err
			}
		}
	}
	if _, err := fmt.Fprintf(out, "%d requests: %d answered as recorded, %d differently, %d never reached the handler\n",
		len(exchanges), compared-different, different, unasked); err != nil {
		return err
	}
	if different > 0 {
		return fmt.Errorf("%d of %d replies differ from the recorded ones", different, compared)
	}
	return nil
}

// show shows one difference.
func show(out io.Writer, e *capture.Exchange, answer []byte, failure error) error {
	recorded := "silence"
	if !e.Silent {
		recorded = excerpt(e.Reply)
	}
	got := "silence"
	switch {
	case failure != nil:
		got = fmt.Sprintf("no reply: %q", failure.Error())
	case answer != nil:
		got = excerpt(answer)
	}
	_, err := fmt.Fprintf(out, "request %d at %s from %v: %s\n  recorded %s\n  got      %s\n",
		e.Number, e.Time.Format("2006-01-02T15:04:05.000000000Z07:00"), e.From, excerpt(e.Data), recorded, got)
	return err
}

// excerpt shows the beginning of a payload on one line.
func excerpt(data []byte) string {
	const most = 60
	if len(data) > most {
		return fmt.Sprintf("%+q... (%d bytes)", data[:most], len(data))
	}
	return fmt.Sprintf("%+q", data)
}
