package main

// Metrics, asked for as Prometheus does.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"sync"
	"time"
)

// scrapeEvery is how often. It is more often than anybody does: 15 seconds are usual.
const scrapeEvery = time.Second

// metricsAt is in the line that says where metrics are.
var metricsAt = regexp.MustCompile(`url=(http://\S+/metrics)`)

// scraper asks a server for its metrics until it is stopped.
type scraper struct {
	stop    context.CancelFunc
	running sync.WaitGroup
	scrapes int   // once it has stopped
	err     error // then: of the scrape that failed, and was the last
}

// scrape starts one. Log returns what the server has logged until now.
func scrape(ctx context.Context, log func() string) *scraper {
	ctx, stop := context.WithCancel(ctx)
	s := &scraper{stop: stop}
	s.running.Go(func() {
		tick := time.NewTicker(scrapeEvery)
		defer tick.Stop()
		for {
			if at := metricsAt.FindStringSubmatch(log()); at != nil { // the line may be on its way
				if s.err = scrapeOnce(ctx, at[1]); s.err != nil {
					return
				}
				s.scrapes++
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	})
	return s
}

func scrapeOnce(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

// end stops it, and returns why it has not asked.
func (s *scraper) end() error {
	if s == nil {
		return nil
	}
	s.stop()
	s.running.Wait()
	if s.err != nil && !errors.Is(s.err, context.Canceled) {
		return s.err
	}
	if s.scrapes == 0 {
		return fmt.Errorf("nobody asked for its metrics, which happens every %v", scrapeEvery)
	}
	return nil
}

// log is what a server logs, readable while it does.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
