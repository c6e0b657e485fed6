package statsd

import "strconv"

// maxLines is how many metrics a report names: a log takes no more than some lines at once.
const maxLines = 50

// report says what was counted, in a line, and then what the metrics are that changed since the last report.
func (w *worker) report() {
	s := w.stats()
	w.handler.line(s.String())
	changed := 0
	for i := range w.table.slots {
		m := &w.table.slots[i]
		if !m.changed {
			continue
		}
		m.changed = false
		if changed++; changed <= maxLines {
			w.handler.line("statsd: " + m.metric().String())
		}
	}
	if changed > maxLines {
		w.handler.line("statsd: and " + strconv.Itoa(changed-maxLines) + " more that changed")
	}
}

// String returns a line as in "statsd: 2 metrics, 12 values, 1 events, 0 without room, 3 malformed lines".
func (s Stats) String() string {
	b := []byte("statsd: ")
	for i, part := range []struct {
		n    uint64
		what string
	}{
		{uint64(len(s.Metrics)), " metrics"}, {s.Values, " values"}, {s.Events, " events"}, {s.NoRoom, " without room"},
		{s.Malformed, " malformed lines"},
	} {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(strconv.AppendUint(b, part.n, 10), part.what...)
	}
	return string(b)
}

// String returns a line as in "timer api.latency: 3 values, sum 35.5, from 9 to 14".
func (m Metric) String() string {
	b := append([]byte(m.Kind.String()), ' ')
	b = append(append(b, m.Name...), ": "...)
	b = append(strconv.AppendUint(b, m.Values, 10), " values"...)
	number := func(what string, n float64) { b = strconv.AppendFloat(append(b, what...), n, 'g', -1, 64) }
	switch m.Kind {
	case Counter:
		number(", sum ", m.Sum)
	case Gauge:
		number(", last ", m.Last)
	case Timer:
		number(", sum ", m.Sum)
		number(", from ", m.Low)
		number(" to ", m.High)
	}
	return string(b)
}
