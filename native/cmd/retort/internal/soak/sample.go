package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// sample is what one look at the server has shown.
type sample struct {
	pid         int
	rss         int // bytes
	descriptors int
	goroutines  int
}

// sampler looks at the server every second.
type sampler struct {
	server  *server
	samples []sample
	errors  []error
}

// watch looks until ctx ends. While one process takes over from another a look may fall between them; it is left out.
func (s *sampler) watch(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		before := s.server.pid.Load()
		one, err := s.look(ctx)
		switch {
		case ctx.Err() != nil || before != s.server.pid.Load() || err == nil && one.pid != int(before):
		case err != nil:
			s.errors = append(s.errors, err)
		default:
			s.samples = append(s.samples, one)
		}
	}
}

func (s *sampler) look(ctx context.Context) (one sample, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	status, err := s.server.askCommand(ctx)
	if err != nil {
		return one, err
	}
	one.pid = status.PID
	if one.rss, one.descriptors, err = usage(one.pid); err != nil {
		return one, err
	}
	one.goroutines, err = s.scrape(ctx)
	return one, err
}

// scrape reads all metrics, and returns the number of goroutines.
func (s *sampler) scrape(ctx context.Context) (goroutines int, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.server.url, nil)
	if err != nil {
		return 0, err
	}
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("the metrics are %s", response.Status)
	}
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "go_goroutines "); ok {
			if goroutines, err = strconv.Atoi(value); err != nil {
				return 0, err
			}
		}
	}
	if goroutines == 0 {
		return 0, fmt.Errorf("the metrics do not tell go_goroutines")
	}
	return goroutines, lines.Err()
}

// longest returns the samples of the process that served the longest.
func longest(samples []sample) (most []sample) {
	for len(samples) > 0 {
		n := slices.IndexFunc(samples, func(s sample) bool { return s.pid != samples[0].pid })
		if n < 0 {
			n = len(samples)
		}
		if n > len(most) {
			most = samples[:n]
		}
		samples = samples[n:]
	}
	return most
}

// thirds returns the medians of a figure in the first and in the last third of samples, without the first tenth, in
// which a process warms up.
func thirds(samples []sample, figure func(sample) int) (first, last int) {
	samples = samples[len(samples)/10:]
	n := max(1, len(samples)/3)
	return median(samples[:n], figure), median(samples[len(samples)-n:], figure)
}

func median(samples []sample, figure func(sample) int) int {
	values := make([]int, len(samples))
	for i, s := range samples {
		values[i] = figure(s)
	}
	slices.Sort(values)
	return values[len(values)/2]
}
