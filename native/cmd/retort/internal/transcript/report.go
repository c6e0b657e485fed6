package transcript

import (
	"context"
	"log/slog"
	"time"
)

// Report tells log about lines that are lost, once in every at most, and once that out cannot be written any
// more; until ctx ends.
func (p *Printer) Report(ctx context.Context, log *slog.Logger, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var lost uint64
	var failed bool
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s := p.Stats()
		if s.Err != nil && !failed {
			failed = true
			log.Warn("standard output cannot be written; replies go on, unprinted", "error", s.Err)
		}
		if s.Lost > lost {
			log.Warn("standard output is too slow; replies go on, lines were lost", "lines", s.Lost-lost, "total", s.Lost)
			lost = s.Lost
		}
	}
}
