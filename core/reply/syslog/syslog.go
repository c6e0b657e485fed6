// Package syslog takes log messages, in the format of RFC 5424 over UDP (RFC 5426) and in the older one that RFC 3164
// describes, counts them by severity and facility, and answers nothing: syslog has no answers, and nothing is amplified.
//
// The counts are there in three ways. A server counts the datagrams as silent, those that are no message as malformed.
// [Handler.Stats] has the rest, for whoever embeds the handler. And every ten seconds, unless that is configured
// otherwise, each worker to which messages came says in a line of the log what it has counted since it began; it does
// that in the pause behind a batch, so a worker to which nothing comes says nothing until it ends.
//
// As a guest a message costs some 20,000 units of fuel, whatever it has to say, and each byte of structured data up to
// 250: the default allows 40,000 bytes of that.
package syslog

import (
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/reply"
	"github.com/retort-udp/retort/core/reply/internal/settings"
	"github.com/retort-udp/retort/core/reply/internal/sink"
)

// DefaultEvery is how often a worker reports, at most.
const DefaultEvery = sink.DefaultEvery

// MaxEvery is the longest time between two reports.
const MaxEvery = 24 * time.Hour

// Stats is what was counted.
type Stats struct {
	Formats    [formats]uint64 // messages, by Format
	Severities [8]uint64       // messages, by severity
	Facilities [24]uint64      // messages, by facility
	Bytes      uint64          // of messages
	Malformed  uint64          // datagrams that were no message
}

// Messages returns how many there were.
func (s *Stats) Messages() (n uint64) {
	for _, f := range s.Formats {
		n += f
	}
	return n
}

// Handler counts messages. The zero Handler reports to nobody.
type Handler struct {
	Every time.Duration // between two reports of a worker; 0: DefaultEvery, negative: none

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

var errNoWorker = errors.New("syslog: Reply is for what ForWorker returns")

// Reply returns an error: a Handler counts by its workers, which share nothing.
func (h *Handler) Reply([]byte, *core.Datagram) ([]byte, error) { return nil, errNoWorker }

// ReportTo implements reply.Reporter.
func (h *Handler) ReportTo(line func(text string)) { h.line = line }

// Configure sets Every from a line of text, as in "report 1m", or "report 0s" for none; a line that begins with
// "#" is a comment. An error names the line.
func (h *Handler) Configure(config []byte) error {
	every := h.Every
	err := settings.Read(config, []settings.Key{{Name: "report", Set: func(v settings.Value) (err error) {
		if every, err = v.Duration(0, MaxEvery); every == 0 {
			every = -1
		}
		return err
	}}})
	if err == nil {
		h.Every = every
	}
	return err
}

// ForWorker returns a Handler for one worker. Closing it leaves what it counted in Stats.
func (h *Handler) ForWorker() (core.Handler, error) {
	w := &worker{handler: h}
	if h.line != nil {
		w.pace.Every = max(h.Every, 0)
		if h.Every == 0 {
			w.pace.Every = DefaultEvery
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.workers == nil {
		h.workers = make(map[*worker]struct{})
	}
	h.workers[w] = struct{}{}
	return w, nil
}

// Stats returns what all workers counted. It may be called at any time; counts of the same datagram may be apart by it.
func (h *Handler) Stats() Stats {
	h.mu.Lock()
	defer h.mu.Unlock()
	sum := h.ended
	for w := range h.workers {
		w.addTo(&sum)
	}
	return sum
}

// worker counts what comes to one worker.
type worker struct {
	handler    *Handler
	formats    [formats]sink.Counter
	severities [8]sink.Counter
	facilities [24]sink.Counter
	bytes      sink.Counter
	malformed  sink.Counter
	pace       sink.Pace
}

// Reply implements core.Handler.
func (w *worker) Reply(_ []byte, d *core.Datagram) ([]byte, error) {
	w.pace.Arrived(d.Time)
	m, ok := Parse(d.Data)
	if !ok {
		w.malformed.Add(1)
		return nil, core.ErrMalformed
	}
	w.formats[m.Format].Add(1)
	w.severities[m.Severity].Add(1)
	w.facilities[m.Facility].Add(1)
	w.bytes.Add(uint64(len(d.Data)))
	return nil, nil
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
		w.addTo(&h.ended)
	}
	return nil
}

func (w *worker) report() {
	var s Stats
	w.addTo(&s)
	w.handler.line(s.String())
}

func (w *worker) addTo(s *Stats) {
	for i := range w.formats {
		s.Formats[i] += w.formats[i].Load()
	}
	for i := range w.severities {
		s.Severities[i] += w.severities[i].Load()
	}
	for i := range w.facilities {
		s.Facilities[i] += w.facilities[i].Load()
	}
	s.Bytes += w.bytes.Load()
	s.Malformed += w.malformed.Load()
}

// severities are the names that RFC 5424, table 2, has, as syslog.conf writes them.
var severities = [8]string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}

// String returns a line as in "syslog: 3 messages, 210 bytes, 1 malformed; err 1, info 2".
func (s Stats) String() string {
	b := strconv.AppendUint([]byte("syslog: "), s.Messages(), 10)
	b = strconv.AppendUint(append(b, " messages, "...), s.Bytes, 10)
	b = strconv.AppendUint(append(b, " bytes, "...), s.Malformed, 10)
	b = append(b, " malformed"...)
	between := "; "
	for i, n := range s.Severities {
		if n > 0 {
			b = append(append(append(b, between...), severities[i]...), ' ')
			b = strconv.AppendUint(b, n, 10)
			between = ", "
		}
	}
	return string(b)
}
