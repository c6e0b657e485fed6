package statsd

import (
	"bytes"
	"hash/maphash"
	"math"
	"math/bits"
	"sync/atomic"

	"github.com/retort-udp/retort/core/reply/internal/sink"
)

// nameRoom is how many bytes of names a table has for each of its metrics.
const nameRoom = 64

// table has the metrics of one worker, in memory of a fixed size. The worker writes, anybody reads: a slot is filled in
// before it is marked as used, and its numbers are atomic.
type table struct {
	slots []slot // a power of two, at least twice what they may hold
	left  int    // how many more metrics may come
	names []byte // all of them, one behind the other
	seed  maphash.Seed
}

// slot is one metric.
type slot struct {
	used    atomic.Bool
	hash    uint64
	kind    Kind
	name    []byte // in names
	changed bool   // since the worker's last report

	values sink.Counter
	sum    float // of counters and timers
	last   float // of gauges
	low    float // of timers
	high   float // of timers
	at     atomic.Int64
}

// float is a float64 that one goroutine writes and any may load.
type float struct{ bits atomic.Uint64 }

func (f *float) load() float64   { return math.Float64frombits(f.bits.Load()) }
func (f *float) store(v float64) { f.bits.Store(math.Float64bits(v)) }

// newTable returns a table for n metrics.
func newTable(n int) table {
	return table{
		slots: make([]slot, 1<<bits.Len(uint(2*n-1))),
		left:  n,
		names: make([]byte, 0, n*nameRoom),
		seed:  maphash.MakeSeed(),
	}
}

// find returns the metric's slot, a new one if need be; nil when there is no room for it.
func (t *table) find(name []byte, kind Kind) *slot {
	hash := t.hash(name, kind)
	mask := uint64(len(t.slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		s := &t.slots[i]
		if !s.used.Load() {
			return t.fill(s, name, kind, hash)
		}
		if s.hash == hash && s.kind == kind && bytes.Equal(s.name, name) {
			return s
		}
	}
}

func (t *table) fill(s *slot, name []byte, kind Kind, hash uint64) *slot {
	if t.left == 0 || cap(t.names)-len(t.names) < len(name) {
		return nil
	}
	t.left--
	from := len(t.names)
	t.names = append(t.names, name...)
	s.hash, s.kind, s.name = hash, kind, t.names[from:]
	s.used.Store(true)
	return s
}

// hash is of a seed that nobody knows, so that whoever sends cannot choose names that collide.
func (t *table) hash(name []byte, kind Kind) uint64 {
	return maphash.Bytes(t.seed, name) + uint64(kind)
}

// add takes one value. The count is the last thing it writes, so that whoever sees that sees the rest.
func (s *slot) add(value []byte, rate float64, now int64) {
	s.changed = true
	first := s.values.Load() == 0
	v, _ := number(value) // it was one, unless this is a set
	switch s.kind {
	case Counter:
		s.sum.store(s.sum.load() + v/rate)
	case Gauge:
		if value[0] == '+' || value[0] == '-' {
			v += s.last.load()
		}
		s.last.store(v)
	case Timer:
		s.sum.store(s.sum.load() + v)
		if first || v < s.low.load() {
			s.low.store(v)
		}
		if first || v > s.high.load() {
			s.high.store(v)
		}
	}
	s.at.Store(now)
	s.values.Add(1)
}

// metric returns a copy of the numbers.
func (s *slot) metric() Metric {
	return Metric{
		Name: string(s.name), Kind: s.kind, Values: s.values.Load(),
		Sum: s.sum.load(), Last: s.last.load(), Low: s.low.load(), High: s.high.load(), At: s.at.Load(),
	}
}
