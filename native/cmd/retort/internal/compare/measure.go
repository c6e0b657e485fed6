package main

// The rounds.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/retort-udp/retort/native/cmd/retort/internal/load"
)

// result is all that was found of one server under one workload: one measurement a round.
type result struct {
	workload workload
	server   server
	rounds   []measurement
}

// measurement is a report, and the processor time that the server took for each reply; 0 where that is not
// known.
type measurement struct {
	*load.Report
	CPU time.Duration `json:"cpu_ns"`
}

// each returns what f finds in each round.
func (r *result) each(f func(measurement) float64) (list []float64) {
	for _, m := range r.rounds {
		list = append(list, f(m))
	}
	return list
}

// median is the median of what f finds in each round.
func (r *result) median(f func(measurement) float64) float64 { return estimateMedian(r.each(f)).median }

// measureAll goes through all workloads, rounds and servers. The results are in the order of workloads and
// servers.
func measureAll(ctx context.Context, b *bench, o options, servers []server) (results []result, err error) {
	rng := rand.New(rand.NewPCG(o.seed, 0))
	for _, w := range workloads(o.workloads) {
		first := len(results)
		for _, s := range servers {
			results = append(results, result{workload: w, server: s})
		}
		for round := range o.rounds {
			began := time.Now()
			for _, i := range rng.Perm(len(servers)) {
				r := &results[first+i]
				m, err := measure(ctx, b, o, w, r.server)
				if err != nil {
					return nil, err
				}
				r.rounds = append(r.rounds, m)
			}
			b.logf("%s, round %d of %d: %v", w.name, round+1, o.rounds, time.Since(began).Round(time.Millisecond))
		}
	}
	if len(results) == 0 {
		return nil, errors.New("no workload is left to measure with")
	}
	return results, nil
}

// tries is how often a measurement may fail in a row: a machine that stands still for seconds is no server's
// fault.
const tries = 5

// measure starts a server, loads it and stops it.
func measure(ctx context.Context, b *bench, o options, w workload, s server) (m measurement, err error) {
	for range tries {
		if m, err = measureOnce(ctx, b, o, w, s); err == nil || ctx.Err() != nil {
			break
		}
		b.logf("%s, once more: %v", s.name, err)
	}
	if ctx.Err() != nil {
		return m, context.Cause(ctx)
	}
	if err != nil {
		return m, fmt.Errorf("%s, %s: %w", s.name, w.name, err)
	}
	return m, nil
}

func measureOnce(ctx context.Context, b *bench, o options, w workload, s server) (measurement, error) {
	p, err := b.start(ctx, s)
	if err != nil {
		return measurement{}, err
	}
	defer p.stop()
	// The warm-up is a run of its own, so that processor time and replies are those of the same requests.
	l := w.load
	l.Target = p.addr
	if l.Duration = o.warmup; l.Duration > 0 {
		if _, err := p.load(ctx, l); err != nil {
			return measurement{}, err
		}
	}
	l.Duration = o.duration
	m, err := p.load(ctx, l)
	if err == nil && o.by == byCPU && m.CPU <= 0 {
		err = errors.New("this system does not tell how long a process has run: compare by speed")
	}
	return m, errors.Join(err, p.scraper.end())
}

// load loads the process.
func (p *process) load(ctx context.Context, l load.Options) (m measurement, err error) {
	before, known := cpuTime(p.cmd.Process.Pid)
	m.Report, err = load.Run(ctx, l)
	if err != nil {
		return m, fmt.Errorf("%w\n%s", err, &p.stderr)
	}
	switch {
	case m.Wrong+m.Extra+m.Foreign > 0:
		return m, fmt.Errorf("%d replies were wrong, %d extra, %d foreign", m.Wrong, m.Extra, m.Foreign)
	case m.Answered == 0:
		return m, errors.New("nothing was answered")
	}
	if after, ok := cpuTime(p.cmd.Process.Pid); ok && known {
		m.CPU = (after - before) / time.Duration(m.Answered+m.Late)
	}
	return m, nil
}

// single is one line of the file of -json.
type single struct {
	Workload string `json:"workload"`
	Server   string `json:"server"`
	Round    int    `json:"round"`
	measurement
}

func writeJSON(path string, results []result) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	encoder := json.NewEncoder(f)
	for _, r := range results {
		for round, m := range r.rounds {
			if err := encoder.Encode(single{r.workload.name, r.server.name, round, m}); err != nil {
				return err
			}
		}
	}
	return nil
}
