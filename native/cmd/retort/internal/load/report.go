package load

// What a run found.

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Report is what a run found. Its JSON form keeps its names; times are in nanoseconds.
type Report struct {
	Target    string  `json:"target"`
	Loop      string  `json:"loop"`      // "closed" or "open"
	Transport string  `json:"transport"` // "linux" or "portable"
	GSO       bool    `json:"gso"`
	Threads   int     `json:"threads"`
	Sockets   int     `json:"sockets"`
	Window    int     `json:"window,omitempty"`       // of a closed loop
	Offered   float64 `json:"offered_rate,omitempty"` // of an open loop, requests a second
	Size      int     `json:"size"`                   // of a request, in bytes
	Expect    string  `json:"expect"`

	Elapsed     time.Duration `json:"elapsed_ns"` // of measuring, as long as requests were sent
	Interrupted bool          `json:"interrupted"`

	// Rate is right replies a second while requests were sent. Idle is the share of that time in which
	// the threads found nothing to do but wait; at 0 the figures may be those of the load generator, and not
	// of the server.
	Rate float64 `json:"rate"`
	Idle float64 `json:"idle"`

	Counts
	Unsent uint64 `json:"unsent"` // requests of an open loop that were due and found no room

	// Errors counts what the network said, such as that nobody listens; Problem is the last of it.
	Errors  uint64 `json:"errors"`
	Problem string `json:"problem,omitempty"`

	Latency Latency `json:"latency_ns"`
}

// Latency is the distribution of the time from when a request was due to when its right reply was received.
// Each value is right to three digits.
type Latency struct {
	Min  time.Duration `json:"min"`
	Mean time.Duration `json:"mean"`
	P50  time.Duration `json:"p50"`
	P90  time.Duration `json:"p90"`
	P99  time.Duration `json:"p99"`
	P999 time.Duration `json:"p999"`
	Max  time.Duration `json:"max"`
}

func newReport(o *Options, workers []*worker, interrupted bool) *Report {
	r := &Report{
		Target:      o.Target.String(),
		Loop:        "closed",
		Transport:   "portable",
		GSO:         o.GSO,
		Threads:     o.Threads,
		Sockets:     o.Sockets,
		Window:      o.Window,
		Size:        o.Size,
		Expect:      o.Expect.String(),
		Interrupted: interrupted,
	}
	if o.Rate > 0 {
		r.Loop, r.Window, r.Offered = "open", 0, o.Rate
	}
	if workers[0].network.thread() {
		r.Transport = "linux"
	}
	latencies := hdrhistogram.New(1, maxLatency, digits)
	var completed uint64
	var idle int64
	for _, w := range workers {
		r.Counts.add(w.counts())
		r.Elapsed = max(r.Elapsed, time.Duration(w.stopped-w.mark))
		r.Unsent += w.unsent
		r.Errors += w.problems
		if w.problem != nil {
			r.Problem = w.problem.Error()
		}
		completed += w.completed
		idle += w.idle
		latencies.Merge(w.latencies)
	}
	if r.Elapsed > 0 {
		r.Rate = float64(completed) / r.Elapsed.Seconds()
		r.Idle = float64(idle) / float64(r.Elapsed) / float64(o.Threads)
	}
	r.Latency = newLatency(latencies)
	return r
}

func newLatency(h *hdrhistogram.Histogram) Latency {
	if h.TotalCount() == 0 {
		return Latency{}
	}
	at := func(percent float64) time.Duration { return time.Duration(h.ValueAtPercentile(percent)) }
	return Latency{
		Min:  time.Duration(h.Min()),
		Mean: time.Duration(h.Mean()),
		P50:  at(50),
		P90:  at(90),
		P99:  at(99),
		P999: at(99.9),
		Max:  time.Duration(h.Max()),
	}
}

// WriteJSON writes the report as one line.
func (r *Report) WriteJSON(out io.Writer) error { return json.NewEncoder(out).Encode(r) }

// WriteText writes the report for people.
func (r *Report) WriteText(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	// An error stays with the table's writer, and Flush returns it.
	row := func(name, format string, args ...any) {
		_, _ = fmt.Fprintf(table, name+"\t"+format+"\n", args...)
	}
	row("asked", "%s, %s", r.Target, r.how())
	ended := ""
	if r.Interrupted {
		ended = ", interrupted"
	}
	row("replies", "%.0f a second in %v%s", r.Rate, r.Elapsed.Round(time.Millisecond), ended)
	row("latency", "p50 %v, p90 %v, p99 %v, p99.9 %v, max %v",
		round(r.Latency.P50), round(r.Latency.P90), round(r.Latency.P99), round(r.Latency.P999), round(r.Latency.Max))
	row("requests", "%d sent, %d answered, %d wrong, %d lost", r.Sent, r.Answered, r.Wrong, r.Lost)
	if r.Late+r.Extra+r.Foreign > 0 {
		row("besides", "%d late, %d extra, %d foreign", r.Late, r.Extra, r.Foreign)
	}
	if r.Unsent > 0 {
		row("unsent", "%d requests were due and could not be sent: the rate is too high for %d sockets or this machine",
			r.Unsent, r.Sockets)
	}
	if r.Errors > 0 {
		row("errors", "%d, the last: %s", r.Errors, cmp.Or(r.Problem, "unknown"))
	}
	row("generator", "idle for %.0f%% of the time", 100*r.Idle)
	return table.Flush()
}

// how describes the load.
func (r *Report) how() string {
	load := fmt.Sprintf("%d outstanding", r.Window)
	if r.Loop == "open" {
		load = fmt.Sprintf("%.0f requests a second", r.Offered)
	}
	s := fmt.Sprintf("%s on %d sockets, %d bytes each", load, r.Sockets, r.Size)
	if r.GSO {
		s += ", sent as bursts"
	}
	return s
}

// round cuts a duration to three digits or so.
func round(d time.Duration) time.Duration {
	for unit := time.Duration(1); ; unit *= 10 {
		if d < 1000*unit {
			return d.Round(unit)
		}
	}
}
