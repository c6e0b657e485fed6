package abitest

import (
	"cmp"
	"slices"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/wasmhandler"
)

// sumFuel sums up the fuel of the figures.
func (s *suite) sumFuel() {
	var fuel []uint64
	for _, f := range s.report.Figures {
		if f.Fuel > 0 {
			fuel = append(fuel, f.Fuel)
		}
	}
	if len(fuel) == 0 {
		return
	}
	slices.Sort(fuel)
	limit := cmp.Or(s.options.Config.Fuel, wasmhandler.DefaultFuel)
	if s.report.Kind == Command {
		limit = cmp.Or(s.options.Config.StartFuel, wasmhandler.DefaultStartFuel)
	}
	s.report.Fuel = &Spread{fuel[0], fuel[len(fuel)/2], fuel[len(fuel)-1], uint64(limit)}
}

// measure adds times to the figures of what did not fail.
func (s *suite) measure() {
	for i := range s.report.Figures {
		if f := &s.report.Figures[i]; !f.failed && s.ctx.Err() == nil {
			f.Nanos = s.time(text(f.Size))
		}
	}
}

// time returns how many nanoseconds one datagram takes: the median of a few runs, each long enough for the clock.
func (s *suite) time(request []byte) float64 {
	const runs = 7
	longRun := max(2*time.Millisecond, 3*tick())
	d := datagram(request)
	dst := make([]byte, 0, core.MaxPayload(d.From.Addr()))
	run := func(n int) time.Duration {
		start := time.Now()
		for range n {
			_, _ = s.handler.Reply(dst, d) // what it says is known
		}
		return time.Since(start)
	}
	n := 1
	for run(n) < longRun && n < 1<<20 {
		n *= 2
	}
	each := make([]float64, runs)
	for i := range each {
		each[i] = float64(run(n).Nanoseconds()) / float64(n)
	}
	slices.Sort(each)
	return each[runs/2]
}

// tick returns how far the clock moves at once: 15 ms on some Windows.
func tick() time.Duration {
	for start := time.Now(); ; {
		if d := time.Since(start); d > 0 {
			return d
		}
	}
}
