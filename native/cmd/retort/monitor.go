package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"runtime/debug"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/retort-udp/retort/native"
	"github.com/retort-udp/retort/native/cmd/retort/internal/flagtype"
	"github.com/retort-udp/retort/native/cmd/retort/internal/monitor"
)

// defaultStatusSocket is where the packaged service has its socket.
const defaultStatusSocket = "/run/retort/status.sock"

// monitorFlags say who may ask a server how it is.
type monitorFlags struct {
	metrics string
	status  string
}

func (f *monitorFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.metrics, "metrics", "",
		"answer HTTP at `ADDRESS:PORT`: /metrics for Prometheus, /livez and /readyz")
	flags.StringVar(&f.status, "status-socket", "", "let \"retort status\" ask at the local socket `PATH`")
}

// watched is what answers questions while a server runs.
type watched struct {
	*monitor.Monitor
	listeners []func(context.Context) // each serves until its context ends
}

// watch opens what the flags ask for. It is closed by running it.
func (f *monitorFlags) watch(s *service) (*watched, error) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = new(debug.BuildInfo)
	}
	b := newBuild(info)
	w := &watched{Monitor: &monitor.Monitor{
		Engine: s.engine,
		Build:  monitor.Build{Version: b.Version, Commit: b.Commit, Go: b.Go, Wazero: b.Wazero},
		Log:    s.log,
	}}
	if s.dropins != nil {
		w.Verdicts = s.verdicts
	}
	if s.capture != nil {
		w.Capture = func() (written, missed uint64, ok bool) {
			written, missed = s.capture.Counts()
			return written, missed, true
		}
	}
	var opened []net.Listener
	if f.metrics != "" {
		l, err := s.life.streams.listen("metrics "+f.metrics, func() (net.Listener, error) { return net.Listen("tcp", f.metrics) })
		if err != nil {
			return nil, about("metrics", fmt.Errorf("--metrics: %w", err))
		}
		opened = append(opened, l)
		s.log.Info("metrics are here", "url", "http://"+l.Addr().String()+"/metrics")
		w.listeners = append(w.listeners, func(ctx context.Context) { w.Serve(ctx, l, w.Handler()) })
	}
	if f.status != "" {
		l, err := s.life.streams.listen("status "+f.status, func() (net.Listener, error) { return monitor.ListenStatus(f.status) })
		if err != nil {
			for _, o := range opened {
				_ = o.Close() // nobody has asked yet
			}
			return nil, about("status-socket", err)
		}
		w.listeners = append(w.listeners, func(ctx context.Context) { w.Serve(ctx, l, w.StatusHandler()) })
	}
	return w, nil
}

// run answers questions until it is told to stop.
func (w *watched) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for _, serve := range w.listeners {
		all.Go(func() { serve(ctx) })
	}
	return func() {
		cancel()
		all.Wait()
	}
}

// verdicts returns what became of the files in the directory of handlers.
func (s *service) verdicts() (list []monitor.Verdict) {
	for _, v := range s.dropins.dir.Verdicts() {
		verdict := monitor.Verdict{Handler: v.Name, SHA256: v.SHA256, When: v.Time}
		if v.Err != nil {
			verdict.Refused = v.Err.Error()
		}
		list = append(list, verdict)
	}
	return list
}

func newStatus() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status [SOCKET]",
		Short: "Show what a running server does",
		Long: `Status asks the server that was started with --status-socket SOCKET, and shows its listeners, its handlers and
what it has counted. Without SOCKET it is ` + defaultStatusSocket + `, where the packaged service has it.`,
		Example: `  retort server --status-socket /tmp/retort.sock
  retort status /tmp/retort.sock`,
		Args: cobra.MaximumNArgs(1),
		RunE: action(func(cmd *cobra.Command, args []string) error {
			path := defaultStatusSocket
			if len(args) > 0 {
				path = args[0]
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), 10*time.Second)
			defer cancel()
			s, err := monitor.AskStatus(ctx, path)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(s)
			}
			return s.WriteText(cmd.OutOrStdout())
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as one line of JSON")
	return cmd
}

func newHealthcheck() *cobra.Command {
	var (
		port    flagtype.Port
		message string
		timeout time.Duration
		silent  bool
	)
	cmd := &cobra.Command{
		Use:   "healthcheck [HOST|HOST:PORT]",
		Short: "Ask a server, and say by the exit code whether it answers",
		Long: `Healthcheck sends a real datagram, to 127.0.0.1 unless told otherwise, up to three times within --timeout. It ends
with exit code 0 when an answer comes, and 1 when none does: what containers and load balancers ask for.`,
		Example: `  retort healthcheck
  retort healthcheck 127.0.0.1:5353 --message ping --timeout 500ms`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: action(func(cmd *cobra.Command, args []string) error {
			host := loopback
			if len(args) > 0 {
				host = args[0]
			}
			addr, err := address(host, port)
			if err != nil {
				return err
			}
			if timeout <= 0 {
				return usagef("--timeout %v: it must be above 0", timeout)
			}
			return healthcheck(cmd, addr, []byte(message), timeout, silent)
		}),
	}
	addPort(cmd, &port)
	flags := cmd.Flags()
	flags.StringVar(&message, "message", "healthcheck", "payload of the request")
	flags.DurationVar(&timeout, "timeout", 3*time.Second, "how `LONG` to wait in all")
	flags.BoolVarP(&silent, "quiet", "q", false, "print nothing when all is well")
	return cmd
}

// healthcheck asks once, and twice more, within timeout.
func healthcheck(cmd *cobra.Command, addr string, message []byte, timeout time.Duration, silent bool) error {
	const tries = 3 // the waits are 1, 2 and 4 sevenths
	c, err := native.Dial(cmd.Context(), addr, native.ClientOptions{
		FirstWait: max(timeout/7, 1), MaxWait: timeout, Tries: tries, Jitter: -1,
	})
	if err != nil {
		return err
	}
	defer c.Close() // it only read, and what it sent is gone
	started := time.Now()
	answer, err := c.Ask(cmd.Context(), message)
	if err != nil || silent {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s answers %d bytes in %v\n",
		c.RemoteAddr(), len(answer.Data), time.Since(started).Round(time.Microsecond))
	return err
}
