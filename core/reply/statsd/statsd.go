// Package statsd takes metrics in the text format of StatsD, with what DogStatsD adds to it, sums them up and answers
// nothing: the protocol has no answers, and nothing is amplified. A datagram is lines; each is a metric with its values:
//
//	api.hits:1|c|@0.1
//	queue.length:42|g
//	api.latency:12.5:14:9|ms|#route:home
//	users:alice|s
//
// Tags are read and do not tell metrics apart. Of sets only the values are counted, not how many of them differ. Events
// ("_e{…") and service checks ("_sc|…") are counted and not looked at. There is no interval after which anything begins
// anew: whoever wants rates takes differences.
//
// Each worker keeps its own metrics, in memory of a fixed size: a metric that comes when it is full is counted as being
// without room. A gauge that peers of several workers set has the value that came last; one that is changed by
// "+1" or "-1" changes in the worker that has the peer.
//
// As a guest a line costs up to 18,000 units of fuel, and each value behind its first about 5,000. So the default allows
// 550 lines in a datagram, or 1,900 values, which is more than an Ethernet frame has room for.
//
// The sums are there in three ways. A server counts the datagrams as silent, those without any good line as malformed.
// [Handler.Stats] has the rest, for whoever embeds the handler. And every ten seconds, unless that is configured
// otherwise, each worker to which metrics came says in its log how many, and in a line each what became of those that
// changed; it does so in the pause behind a batch, so a worker to which nothing comes says nothing until it ends.
package statsd

import (
	"bytes"
	"cmp"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/reply"
	"github.com/retort-udp/retort/core/reply/internal/settings"
	"github.com/retort-udp/retort/core/reply/internal/sink"
)

// The defaults and limits of a Handler.
const (
	DefaultEvery   = sink.DefaultEvery
	MaxEvery       = 24 * time.Hour
	DefaultMetrics = 1024
	MaxMetrics     = 1 << 16
)

// Metric is what became of the values of one metric.
type Metric struct {
	Name   string
	Kind   Kind
	Values uint64  // how many came
	Sum    float64 // of a Counter, each divided by its sample rate; of a Timer, as they came
	Last   float64 // of a Gauge
	Low    float64 // the least of a Timer
	High   float64 // the greatest of a Timer
	At     int64   // when the last one arrived, in nanoseconds since the Unix epoch
}

// Stats is what was counted.
type Stats struct {
	Metrics   []Metric // by name, and by kind
	Values    uint64   // those of Metrics
	Events    uint64   // events and service checks
	NoRoom    uint64   // values of metrics for which there was no room
	Malformed uint64   // lines that are no metric
}

// Handler sums up metrics. The zero Handler reports to nobody.
type Handler struct {
	Metrics int           // that a worker has room for, with 64 bytes of name each on average; 0: DefaultMetrics
	Every   time.Duration // between two reports of a worker; 0: DefaultEvery, negative: none

	line    func(string)
	mu      sync.Mutex
	workers map[*worker]struct{}
	ended   Stats // of workers that are closed
}

var (
	_ core.PerWorker  = (*Handler)(nil)
	_ core.Configurer = (*Handler)(nil)
	_ reply.Reporter  = (*Handler)(nil)
	_ core.Idler      = (*worker)(nil)
)

var errNoWorker = errors.New("statsd: Reply is for what ForWorker returns")

// Reply returns an error: a Handler counts by its workers, which share nothing.
func (h *Handler) Reply([]byte, *core.Datagram) ([]byte, error) { return nil, errNoWorker }

// ReportTo implements reply.Reporter.
func (h *Handler) ReportTo(line func(text string)) { h.line = line }

// Configure sets the fields of h from text with one setting a line; a line that begins with "#" is a comment:
//
//	metrics 4096   # that a worker has room for
//	report  1m     # the least time between two reports; 0s: none
//
// In the text itself a comment has a line of its own. An error names the line and leaves h as it was.
func (h *Handler) Configure(config []byte) error {
	metrics, every := h.Metrics, h.Every
	err := settings.Read(config, []settings.Key{
		{Name: "metrics", Set: func(v settings.Value) (err error) {
			metrics, err = v.Integer(1, MaxMetrics)
			return err
		}},
		{Name: "report", Set: func(v settings.Value) (err error) {
			if every, err = v.Duration(0, MaxEvery); every == 0 {
				every = -1
			}
			return err
		}},
	})
	if err == nil {
		h.Metrics, h.Every = metrics, every
	}
	return err
}

// ForWorker returns a Handler for one worker. Closing it leaves what it counted in Stats.
func (h *Handler) ForWorker() (core.Handler, error) {
	if h.Metrics < 0 || h.Metrics > MaxMetrics {
		return nil, errors.New("statsd: a worker has room for 1 to 65536 metrics")
	}
	w := &worker{handler: h, table: newTable(cmp.Or(h.Metrics, DefaultMetrics))}
	if h.line != nil {
		w.pace.Every = max(cmp.Or(h.Every, DefaultEvery), 0)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.workers == nil {
		h.workers = make(map[*worker]struct{})
	}
	h.workers[w] = struct{}{}
	return w, nil
}

// Stats returns what all workers counted. It may be called at any time; numbers of the same line may be apart by it.
func (h *Handler) Stats() Stats {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := []Stats{h.ended}
	for w := range h.workers {
		all = append(all, w.stats())
	}
	return sum(all)
}

// sum adds up what several workers counted.
func sum(all []Stats) (total Stats) {
	for _, s := range all {
		total.Values += s.Values
		total.Events += s.Events
		total.NoRoom += s.NoRoom
		total.Malformed += s.Malformed
		total.Metrics = append(total.Metrics, s.Metrics...)
	}
	slices.SortStableFunc(total.Metrics, func(a, b Metric) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind))
	})
	merged := total.Metrics[:0]
	for _, m := range total.Metrics {
		if n := len(merged); n > 0 && merged[n-1].Name == m.Name && merged[n-1].Kind == m.Kind {
			merged[n-1].merge(m)
		} else {
			merged = append(merged, m)
		}
	}
	total.Metrics = merged
	return total
}

// merge adds what another worker has of the same metric.
func (m *Metric) merge(o Metric) {
	m.Low, m.High = min(m.Low, o.Low), max(m.High, o.High)
	m.Values += o.Values
	m.Sum += o.Sum
	if o.At > m.At {
		m.At, m.Last = o.At, o.Last
	}
}

// worker counts what comes to one worker.
type worker struct {
	handler   *Handler
	table     table
	values    sink.Counter
	events    sink.Counter
	noRoom    sink.Counter
	malformed sink.Counter
	pace      sink.Pace
}

// Reply implements core.Handler. Empty lines mean nothing; a datagram without any good line is malformed.
func (w *worker) Reply(_ []byte, d *core.Datagram) ([]byte, error) {
	w.pace.Arrived(d.Time)
	now, good := d.Time.UnixNano(), false
	for rest, more := d.Data, true; more; {
		empty := 0
		for empty < len(rest) && rest[empty] == '\n' { // 64 KiB of them are a datagram, too
			empty++
		}
		rest = rest[empty:]
		var text []byte
		text, rest, more = cut(rest, '\n')
		if n := len(text); n > 0 && text[n-1] == '\r' {
			text = text[:n-1]
		}
		if len(text) > 0 && w.take(text, now) {
			good = true
		}
	}
	if !good {
		return nil, core.ErrMalformed
	}
	return nil, nil
}

// take counts one line, and says whether it is good.
func (w *worker) take(text []byte, now int64) bool {
	if text[0] == '_' && (bytes.HasPrefix(text, []byte("_e{")) || bytes.HasPrefix(text, []byte("_sc|"))) {
		w.events.Add(1)
		return true
	}
	l, ok := parseLine(text)
	if !ok {
		w.malformed.Add(1)
		return false
	}
	s := w.table.find(l.name, l.kind)
	for values, more := l.values, true; more; {
		var value []byte
		if value, values, more = cut(values, ':'); s == nil {
			w.noRoom.Add(1)
			continue
		}
		w.values.Add(1)
		s.add(value, l.rate, now)
	}
	return true
}

// Idle reports, when it is time.
func (w *worker) Idle() {
	if w.pace.Due() {
		w.report()
	}
}

// Close reports what is left.
func (w *worker) Close() error {
	if w.pace.Rest() {
		w.report()
	}
	h := w.handler
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, open := h.workers[w]; open {
		delete(h.workers, w)
		h.ended = sum([]Stats{h.ended, w.stats()})
	}
	return nil
}

func (w *worker) stats() Stats {
	s := Stats{Values: w.values.Load(), Events: w.events.Load(), NoRoom: w.noRoom.Load(), Malformed: w.malformed.Load()}
	for i := range w.table.slots {
		if m := &w.table.slots[i]; m.used.Load() && m.values.Load() > 0 {
			s.Metrics = append(s.Metrics, m.metric())
		}
	}
	return s
}
