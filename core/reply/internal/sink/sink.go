// Package sink is what handlers share that only count: counters that one worker writes and anybody reads, and lines
// that say now and then what was counted.
package sink

import (
	"sync/atomic"
	"time"
)

// Counter counts what one goroutine sees; any may Load it. It costs no locked instruction.
type Counter struct{ n atomic.Uint64 }

// Add adds n. It is for the one goroutine.
func (c *Counter) Add(n uint64) { c.n.Store(c.n.Load() + n) }

// Load returns the count.
func (c *Counter) Load() uint64 { return c.n.Load() }

// DefaultEvery is how often a worker says what it has counted, at most.
const DefaultEvery = 10 * time.Second

// Pace says when it is time for a report. Its clock is the arrival of datagrams, so it needs none of its own, and a
// worker to which nothing comes says nothing.
type Pace struct {
	Every   time.Duration // 0: never
	now     time.Time     // of the last datagram
	last    time.Time     // of the last report, or of the first datagram
	changed bool          // there were datagrams since the last report
}

// Arrived notes a datagram.
func (p *Pace) Arrived(at time.Time) {
	p.now, p.changed = at, true
	if p.last.IsZero() || at.Before(p.last) { // the clock was set back
		p.last = at
	}
}

// Due says whether there is something to report and the last report was long enough ago; it is as if reported then.
func (p *Pace) Due() bool { return p.now.Sub(p.last) >= p.Every && p.Rest() }

// Rest says whether anything was not reported yet, at the end; it is as if reported then.
func (p *Pace) Rest() bool {
	if p.Every == 0 || !p.changed {
		return false
	}
	p.last, p.changed = p.now, false
	return true
}
