package main

import (
	"context"
	"sync"
	"time"

	"github.com/retort-udp/retort/native/cmd/retort/internal/load"
)

// A round is what clients ask before they look whether they are done: it bounds the load generator's runs.
const round = 10 * time.Minute

// client asks one listener.
type client struct {
	listener string
	how      string
	lossy    bool // loses on purpose
	options  load.Options
	counts   load.Counts
	rate     float64 // of the last round
	errors   []error
}

type clients struct{ all []*client }

// newClients returns clients for all listeners. One asks as fast as it is answered; the others share what processors
// there are with it, and so ask at a given rate. A reply that is late is no loss before a client of a real network
// would give up.
func newClients(ctx context.Context, s *server) (*clients, error) {
	const timeout = 5 * time.Second
	c := &clients{all: []*client{
		{listener: "echo", how: "64 requests at once, numbered", options: load.Options{Window: 64, Expect: load.Echo, Timeout: timeout}},
		{listener: "length", how: "500 requests a second", options: load.Options{Rate: 500, Size: 300, Expect: load.Length, Timeout: timeout, Portable: true}},
		{listener: "impaired", how: "500 requests a second, numbered", lossy: true,
			options: load.Options{Rate: 500, Expect: load.Echo, Timeout: timeout, Portable: true}},
	}}
	for _, one := range c.all {
		at, err := s.address(ctx, one.listener)
		if err != nil {
			return nil, err
		}
		one.options.Target, one.options.Blind = at, true
	}
	return c, nil
}

// ask asks for so long, and counts.
func (c *clients) ask(ctx context.Context, long time.Duration) {
	var all sync.WaitGroup
	for _, one := range c.all {
		all.Go(func() { one.ask(ctx, long) })
	}
	all.Wait()
}

func (c *client) ask(ctx context.Context, long time.Duration) {
	end := time.Now().Add(long)
	for rest := long; rest > 0 && ctx.Err() == nil; rest = time.Until(end) {
		c.options.Duration = min(rest, round)
		r, err := load.Run(ctx, c.options)
		if err != nil {
			c.errors = append(c.errors, err)
			return
		}
		c.rate = r.Rate
		c.counts = sum(c.counts, r.Counts)
	}
}

func sum(a, b load.Counts) load.Counts {
	return load.Counts{
		Sent: a.Sent + b.Sent, Answered: a.Answered + b.Answered, Wrong: a.Wrong + b.Wrong, Lost: a.Lost + b.Lost,
		Late: a.Late + b.Late, Extra: a.Extra + b.Extra, Foreign: a.Foreign + b.Foreign,
	}
}
