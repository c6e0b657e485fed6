// Package monitor shows what a running server does: Prometheus metrics and health over HTTP, and the same counts to
// "retort status" over a local socket. It reads what the engine has counted anyway, when it is asked; nothing of it is
// on a datagram's way.
package monitor

import (
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/retort-udp/retort/core/guard"
	"github.com/retort-udp/retort/core/server"
	"github.com/retort-udp/retort/native/cmd/retort/internal/engine"
	"github.com/retort-udp/retort/wasmhandler"
)

// bounds are the upper bounds of the histograms that are shown, in seconds. The counted ones are much finer; each of
// their buckets goes into the one here that holds its upper bound.
var bounds = []float64{
	1e-7, 2e-7, 5e-7, 1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.5, 1,
}

// collector is a prometheus.Collector that asks the engine each time. The labels are what the operator named:
// listeners, handlers, reasons. Clients are never among them: a forged source would make a new series.
type collector struct {
	engine   *engine.Engine
	verdicts func() []Verdict
	capture  func() (written, missed uint64, ok bool)
	logLost  func() uint64
}

// desc describes a metric.
func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("retort_"+name, help, labels, nil)
}

// The metrics.
var (
	descReceived      = desc("received_datagrams_total", "Datagrams that were received.", "listener")
	descReceivedBytes = desc("received_bytes_total", "Payload bytes that were received.", "listener")
	descReplies       = desc("replies_total", "Replies that were given to the socket.", "listener")
	descReplyBytes    = desc("reply_bytes_total", "Payload bytes of replies.", "listener")
	descUnanswered    = desc("unanswered_datagrams_total",
		"Datagrams without a reply, by reason: the handler's silence, its errors, and what the guard refused.", "listener", "reason")
	descCodes = desc("handler_codes_total", "Datagrams on which the handler returned a code of its own.", "listener", "code")
	descLost  = desc("lost_datagrams_total",
		"Datagrams that were lost at the socket, by direction and reason; in/kernel is a full receive buffer.",
		"listener", "direction", "reason")
	descWithheld = desc("withheld_replies_total", "Replies that were withheld to see whether a loop ends.", "listener")
	descReleased = desc("released_replies_total", "Withheld replies that were sent after all.", "listener")
	descSlipped  = desc("slipped_replies_total", "Replies that were sent above the rate.", "listener")
	descReply    = desc("reply_latency_seconds", "Time from the arrival of a batch until a reply of it was sent.", "listener")
	descHandling = desc("handler_latency_seconds", "Time that the handler took, of one datagram in 256.", "listener")
	descWorkers  = desc("listener_workers", "Sockets and workers of the listener.", "listener")

	descHandler = desc("handler_info", "Which handler is in place; always 1.", "handler", "version", "sha256", "kind")
	descSwaps   = desc("handler_swaps_total", "Times that the handler was replaced while it served.", "handler")
	descFaults  = desc("handler_faults_total", "Faults of a WebAssembly handler, by cause; each cost one datagram.", "handler", "cause")
	descFuel    = desc("handler_fuel_total", "Fuel that a WebAssembly handler used, estimated from one call in 16.", "handler")
	descResets  = desc("handler_resets_total", "Instances that were put back to their first state: in place, or made anew.", "handler", "how")
	descGated   = desc("handler_gated_datagrams_total",
		"Datagrams that a WebAssembly handler never saw: their source had caused faults, or the handler was paused.", "handler", "reason")
	descChecks = desc("handler_self_tests_total", "Self-tests after a fault, by result.", "handler", "result")
	descGuest  = desc("handler_log_lines_total", "Lines that a WebAssembly handler logged: written, or too many.", "handler", "fate")

	descVerdict = desc("dropin_accepted", "Whether the file of a handler in the directory is fit to serve: 1 or 0.", "handler")
	descCapture = desc("capture_requests_total", "Requests for the capture: written, or missed.", "fate")
	descLogLost = desc("log_lost_lines_total", "Lines of this server's log that were lost, because standard error took too long.")
)

// Describe implements prometheus.Collector. What there is depends on the listeners, so it is left open.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	for _, l := range c.engine.Listeners() {
		collectListener(to, name(l), l)
	}
	for _, s := range c.engine.Slots() {
		collectSlot(to, s)
	}
	if c.verdicts != nil {
		for _, v := range c.verdicts() {
			accepted := 0.0
			if v.Refused == "" {
				accepted = 1
			}
			to <- prometheus.MustNewConstMetric(descVerdict, prometheus.GaugeValue, accepted, v.Handler)
		}
	}
	if c.capture != nil {
		if written, missed, ok := c.capture(); ok {
			count(to, descCapture, written, "written")
			count(to, descCapture, missed, "missed")
		}
	}
	if c.logLost != nil {
		count(to, descLogLost, c.logLost())
	}
}

// name is what a listener is called: its name, or its first address.
func name(l *engine.Listener) string {
	if l.Name() != "" {
		return l.Name()
	}
	return l.Addresses()[0].String()
}

// count sends a counter.
func count(to chan<- prometheus.Metric, d *prometheus.Desc, n uint64, labels ...string) {
	to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
}

func collectListener(to chan<- prometheus.Metric, name string, l *engine.Listener) {
	s := l.Stats()
	count(to, descReceived, s.Received, name)
	count(to, descReceivedBytes, s.ReceivedBytes, name)
	count(to, descReplies, s.Replied, name)
	count(to, descReplyBytes, s.RepliedBytes, name)
	for reason, n := range Unanswered(s) {
		count(to, descUnanswered, n, name, reason)
	}
	for code, n := range s.Codes {
		count(to, descCodes, n, name, strconv.Itoa(int(code)))
	}
	count(to, descCodes, s.OtherCodes, name, "other")
	for _, lost := range []struct {
		direction, reason string
		n                 uint64
	}{
		{"in", "truncated", s.Losses.Truncated}, {"in", "kernel", s.Losses.Kernel},
		{"out", "unreachable", s.Losses.Unreachable}, {"out", "too_long", s.Losses.TooLong},
		{"out", "no_buffer", s.Losses.NoBuffer}, {"out", "forbidden", s.Losses.Forbidden}, {"out", "other", s.Losses.Unsent},
	} {
		count(to, descLost, lost.n, name, lost.direction, lost.reason)
	}
	count(to, descWithheld, s.Withheld, name)
	count(to, descReleased, s.Released, name)
	count(to, descSlipped, s.Slipped, name)
	to <- histogram(descReply, &s.Latency, name)
	to <- histogram(descHandling, &s.Handling, name)
	to <- prometheus.MustNewConstMetric(descWorkers, prometheus.GaugeValue, float64(len(l.Conns())), name)
}

// Unanswered returns the datagrams that got no reply, by reason; every reason is there.
func Unanswered(s server.Stats) map[string]uint64 {
	reasons := map[string]uint64{
		"silent": s.Silent, "malformed": s.Malformed, "fault": s.Faults, "panic": s.Panics, "oversize": s.Oversize,
		"code": s.OtherCodes,
	}
	for _, n := range s.Codes {
		reasons["code"] += n
	}
	for v, n := range s.Refused {
		if v := guard.Verdict(v); v != guard.Admit {
			reasons["refused_"+strings.ReplaceAll(v.String(), "-", "_")] += n
		}
	}
	return reasons
}

// histogram returns a histogram with bounds.
func histogram(d *prometheus.Desc, h *server.Histogram, labels ...string) prometheus.Metric {
	cumulative := make(map[float64]uint64, len(bounds))
	var total uint64
	for upper, n := range h.Buckets() {
		total += n
		for _, b := range bounds {
			if upper.Seconds() <= b {
				cumulative[b] += n
			}
		}
	}
	return prometheus.MustNewConstHistogram(d, total, time.Duration(h.Sum).Seconds(), cumulative, labels...)
}

func collectSlot(to chan<- prometheus.Metric, slot *engine.Slot) {
	count(to, descSwaps, slot.Swaps(), slot.Name())
	h := slot.Current()
	if h == nil {
		return
	}
	kind := "built-in"
	if h.Module != nil {
		kind = "wasm"
	}
	to <- prometheus.MustNewConstMetric(descHandler, prometheus.GaugeValue, 1, slot.Name(), h.Version, h.SHA256, kind)
	s := slot.Stats()
	if h.Module == nil && s == (wasmhandler.Stats{}) {
		return
	}
	for cause, n := range s.Faults {
		count(to, descFaults, n, slot.Name(), strings.ReplaceAll(wasmhandler.Cause(cause).String(), " ", "_"))
	}
	count(to, descFuel, s.Fuel, slot.Name())
	count(to, descResets, s.Resets, slot.Name(), "in_place")
	count(to, descResets, s.Restarts, slot.Name(), "anew")
	count(to, descResets, s.Failures, slot.Name(), "failed")
	count(to, descGated, s.Silenced, slot.Name(), "source")
	count(to, descGated, s.Paused, slot.Name(), "paused")
	count(to, descChecks, s.Checks-min(s.Unfit, s.Checks), slot.Name(), "passed")
	count(to, descChecks, s.Unfit, slot.Name(), "failed")
	count(to, descGuest, s.LogLines, slot.Name(), "written")
	count(to, descGuest, s.LogDropped, slot.Name(), "dropped")
}
