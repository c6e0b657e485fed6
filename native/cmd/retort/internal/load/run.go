package load

// The workers of a run together.

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"
)

// Run does what the options say and returns what came of it. When ctx ends it stops asking and reports on
// what there is; that is no error.
//
// A SilentError comes with a report on what was before, unless the server did not answer in the first place.
func Run(ctx context.Context, o Options) (*Report, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	c := newClock()
	if !o.Blind {
		if err := probe(ctx, &o, c); err != nil {
			return nil, err
		}
	}
	workers, err := hire(&o, c)
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, w := range workers {
			w.close()
		}
	}()
	err = work(ctx, &o, workers, c)
	return newReport(&o, workers, ctx.Err() != nil), err
}

func hire(o *Options, c clock) (workers []*worker, err error) {
	for i := range o.Threads {
		w, err := newWorker(o, i, c)
		if err != nil {
			for _, w := range workers {
				w.close()
			}
			return nil, err
		}
		workers = append(workers, w)
	}
	return workers, nil
}

// work lets the workers run, and returns when all have ended. When one fails all of them stop.
func work(ctx context.Context, o *Options, workers []*worker, c clock) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	start := c.now()
	var watch, work sync.WaitGroup
	if o.Progress != nil {
		watching, done := context.WithCancel(context.Background())
		watch.Go(func() { watchProgress(watching, o, workers, start, c) })
		defer watch.Wait()
		defer done()
	}
	failures := make([]error, len(workers))
	for i, w := range workers {
		work.Go(func() {
			if failures[i] = w.run(ctx, start); failures[i] != nil {
				cancel()
			}
		})
	}
	work.Wait()
	for _, err := range failures {
		if err != nil {
			return err // the others would say the same
		}
	}
	return nil
}

// Progress is how far a run is.
type Progress struct {
	Elapsed  time.Duration // of measuring
	Total    time.Duration // how long that is meant to take
	Sent     uint64
	Answered uint64
	Lost     uint64
	Rate     float64 // right replies a second, since the last Progress
}

func watchProgress(ctx context.Context, o *Options, workers []*worker, start int64, c clock) {
	ticker := time.NewTicker(o.ProgressEvery)
	defer ticker.Stop()
	var last Progress
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		p := Progress{Elapsed: time.Duration(c.now()-start) - o.Warmup, Total: o.Duration}
		if p.Elapsed <= 0 {
			continue
		}
		for _, w := range workers {
			p.Sent += w.sent.Load()
			p.Answered += w.answered.Load()
			p.Lost += w.lost.Load()
		}
		p.Rate = float64(p.Answered-last.Answered) / (p.Elapsed - last.Elapsed).Seconds()
		last = p
		o.Progress(p)
	}
}

// SilentError says that a server answers nothing, or nothing any longer.
type SilentError struct {
	Server  netip.AddrPort
	Since   time.Duration // of silence
	Lost    int           // requests in that time
	Foreign uint64        // datagrams from others in that time, when it never answered
	Cause   error         // the network's last word; nil if it had none
}

func (e *SilentError) Error() string {
	s := fmt.Sprintf("%v has not answered for %v, nor any of %d requests",
		e.Server, e.Since.Round(time.Millisecond), e.Lost)
	if e.Foreign > 0 {
		s += fmt.Sprintf("; %d datagrams came from elsewhere: it may answer from an address that was not asked",
			e.Foreign)
	}
	if e.Cause != nil {
		s += fmt.Sprintf("; the network said: %v", e.Cause)
	}
	return s
}

func (e *SilentError) Unwrap() error { return e.Cause }

// WrongError says that a server answers, but not what was expected.
type WrongError struct {
	Server netip.AddrPort
	Expect Expectation
	Reply  []byte
}

func (e *WrongError) Error() string {
	const most = 80
	reply, dots := e.Reply, ""
	if len(reply) > most {
		reply, dots = reply[:most], " and so on"
	}
	return fmt.Sprintf("%v replied %q%s, which is not the reply that is expected (%s)", e.Server, reply, dots, e.Expect)
}
