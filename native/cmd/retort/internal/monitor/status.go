package monitor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/retort-udp/retort/native/cmd/retort/internal/engine"
	"github.com/retort-udp/retort/wasmhandler"
)

// Status is what "retort status" shows.
type Status struct {
	Build     Build            `json:"build"`
	PID       int              `json:"pid"`
	Started   time.Time        `json:"started"`
	Ready     bool             `json:"ready"`
	Listeners []ListenerStatus `json:"listeners"`
	Handlers  []HandlerStatus  `json:"handlers"`
	Files     []Verdict        `json:"files,omitempty"`
	LogLost   uint64           `json:"log_lost"` // lines
}

// ListenerStatus is the status of one listener.
type ListenerStatus struct {
	Name       string            `json:"name"`
	Addresses  []string          `json:"addresses"`
	Workers    int               `json:"workers"`
	Handler    string            `json:"handler"`
	Received   uint64            `json:"received"`
	Replied    uint64            `json:"replied"`
	Unanswered map[string]uint64 `json:"unanswered"` // by reason, those that happened
	KernelLost uint64            `json:"kernel_lost"`
	Median     time.Duration     `json:"reply_latency_median_ns"`
	Slowest1   time.Duration     `json:"reply_latency_p99_ns"`
}

// HandlerStatus is the status of one handler.
type HandlerStatus struct {
	Name    string            `json:"name"`
	Version string            `json:"version,omitempty"`
	SHA256  string            `json:"sha256,omitempty"`
	Kind    string            `json:"kind"` // "built-in", "wasm" or "none"
	Swaps   uint64            `json:"swaps"`
	Faults  map[string]uint64 `json:"faults,omitempty"` // by cause, those that happened
}

// Status returns the status now.
func (m *Monitor) Status() Status {
	s := Status{Build: m.Build, PID: os.Getpid(), Started: m.started, Ready: m.ready.Load()}
	for _, l := range m.Engine.Listeners() {
		s.Listeners = append(s.Listeners, listenerStatus(l))
	}
	for _, slot := range m.Engine.Slots() {
		s.Handlers = append(s.Handlers, handlerStatus(slot))
	}
	if m.Verdicts != nil {
		s.Files = m.Verdicts()
	}
	if m.LogLost != nil {
		s.LogLost = m.LogLost()
	}
	return s
}

func listenerStatus(l *engine.Listener) ListenerStatus {
	counted := l.Stats()
	s := ListenerStatus{
		Name: name(l), Workers: len(l.Conns()), Handler: l.Slot().Name(),
		Received: counted.Received, Replied: counted.Replied, Unanswered: Unanswered(counted),
		KernelLost: counted.Losses.Kernel,
		Median:     counted.Latency.Quantile(0.5), Slowest1: counted.Latency.Quantile(0.99),
	}
	maps.DeleteFunc(s.Unanswered, func(_ string, n uint64) bool { return n == 0 })
	for _, a := range l.Addresses() {
		s.Addresses = append(s.Addresses, a.String())
	}
	return s
}

func handlerStatus(slot *engine.Slot) HandlerStatus {
	s := HandlerStatus{Name: slot.Name(), Kind: "none", Swaps: slot.Swaps()}
	h := slot.Current()
	if h == nil {
		return s
	}
	s.Version, s.SHA256, s.Kind = h.Version, h.SHA256, "built-in"
	if h.Module == nil {
		return s
	}
	s.Kind = "wasm"
	for cause, n := range slot.Stats().Faults {
		if n > 0 {
			if s.Faults == nil {
				s.Faults = make(map[string]uint64)
			}
			s.Faults[wasmhandler.Cause(cause).String()] = n
		}
	}
	return s
}

// AskStatus asks the server that listens on the local socket at path.
func AskStatus(ctx context.Context, path string) (*Status, error) {
	client := http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
		DisableKeepAlives: true,
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://retort/status", nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // that it speaks HTTP is nobody's concern
		}
		return nil, fmt.Errorf("no server answers at %s (it listens there with --status-socket): %w", path, err)
	}
	defer response.Body.Close()
	s := new(Status)
	if err := json.NewDecoder(io.LimitReader(response.Body, 16<<20)).Decode(s); err != nil {
		return nil, fmt.Errorf("the answer from %s: %w", path, err)
	}
	return s, nil
}

// WriteText shows the status to people.
func (s *Status) WriteText(out io.Writer) error {
	state := "ready"
	if !s.Ready {
		state = "ending"
	}
	fmt.Fprintf(out, "retort %s, process %d, %s since %s\n", s.Build.Version, s.PID, state, s.Started.Format(time.RFC3339))
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\nlistener\taddresses\tworkers\thandler\treceived\treplied\tunanswered\tp50\tp99")
	for _, l := range s.Listeners {
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%d\t%d\t%s\t%v\t%v\n", l.Name, strings.Join(l.Addresses, " "), l.Workers, l.Handler,
			l.Received, l.Replied, counts(l.Unanswered), l.Median, l.Slowest1)
	}
	fmt.Fprintln(table, "\nhandler\tkind\tversion\tsha256\tswaps\tfaults")
	for _, h := range s.Handlers {
		sum := h.SHA256
		if len(sum) > 12 {
			sum = sum[:12]
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%s\n", h.Name, h.Kind, orDash(h.Version), orDash(sum), h.Swaps, counts(h.Faults))
	}
	if len(s.Files) > 0 {
		fmt.Fprintln(table, "\nfile\tverdict")
		for _, f := range s.Files {
			verdict := "serves"
			if f.Refused != "" {
				verdict = "refused: " + f.Refused
			}
			fmt.Fprintf(table, "%s.wasm\t%s\n", f.Handler, verdict)
		}
	}
	if err := table.Flush(); err != nil || s.LogLost == 0 { // an error stays with the table's writer
		return err
	}
	_, err := fmt.Fprintf(out, "\nlog lines lost: %d\n", s.LogLost)
	return err
}

// counts shows counts by name.
func counts(by map[string]uint64) string {
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(by)) {
		parts = append(parts, fmt.Sprintf("%s=%d", what, by[what]))
	}
	return orDash(strings.Join(parts, " "))
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
