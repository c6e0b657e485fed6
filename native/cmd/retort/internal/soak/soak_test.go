package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestSoak: a short run passes. How much a process grows shows in a long one only.
func TestSoak(t *testing.T) {
	switch {
	case testing.Short():
		t.Skip("it takes seconds")
	case runtime.GOOS == "windows":
		t.Skip("Windows has neither hand-overs nor SIGTERM")
	}
	report := filepath.Join(t.TempDir(), "soak.txt")
	err := soak(t.Context(), options{
		time: 8 * time.Second, report: report, tree: filepath.Join("..", "..", "..", "..", ".."),
	})
	text, readErr := os.ReadFile(report)
	if err != nil || readErr != nil || !strings.Contains(string(text), "Verdict: PASS") {
		t.Errorf("%v, %v\n%s", err, readErr, text)
	}
}

// TestVerdict: whatever has gone wrong makes the verdict a bad one.
func TestVerdict(t *testing.T) {
	for name, spoil := range map[string]func(*result){
		"":                      func(*result) {},
		"a loss":                func(r *result) { r.clients[0].counts.Lost = 1 },
		"a wrong reply":         func(r *result) { r.clients[0].counts.Wrong = 1 },
		"a duplicate":           func(r *result) { r.clients[0].counts.Extra = 1 },
		"a client's error":      func(r *result) { r.clients[0].errors = []error{os.ErrInvalid} },
		"too many lost":         func(r *result) { r.clients[1].counts.Lost = 1300 },
		"too few lost":          func(r *result) { r.clients[1].counts.Lost = 700 },
		"no swap":               func(r *result) { r.churn.swaps = 0 },
		"a swap's error":        func(r *result) { r.churn.swapErrors = []error{os.ErrInvalid} },
		"a module not judged":   func(r *result) { r.churn.escaped = 1 },
		"no module":             func(r *result) { r.churn.tried = nil },
		"no capture":            func(r *result) { r.captured = 0 },
		"a capture too large":   func(r *result) { r.captured = 4 * captureSize },
		"a scrape in vain":      func(r *result) { r.sampleErrors = []error{os.ErrInvalid} },
		"growing goroutines":    func(r *result) { grow(r, func(s *sample, n int) { s.goroutines += 2 * n }) },
		"a server that is dead": func(r *result) { r.alive = os.ErrInvalid },
		"a panic":               func(r *result) { r.complaints = []string{"panic: x"} },
	} {
		r := good()
		spoil(r)
		var out strings.Builder
		passed, err := r.write(&out)
		if err != nil || passed != (name == "") {
			t.Errorf("%q: passed is %v, %v\n%s", name, passed, err, &out)
		}
	}
	if noProc != "" {
		return
	}
	for name, spoil := range map[string]func(*result){
		"growing memory":          func(r *result) { grow(r, func(s *sample, n int) { s.rss += n << 22 }) },
		"growing descriptors":     func(r *result) { grow(r, func(s *sample, n int) { s.descriptors += n }) },
		"a hand-over that failed": func(r *result) { r.handOverErrors = []error{os.ErrInvalid} },
		"a configuration":         func(r *result) { r.reloadErrors = []error{os.ErrInvalid} },
		"no good end":             func(r *result) { r.end = os.ErrInvalid },
	} {
		r := good()
		spoil(r)
		var out strings.Builder
		if passed, err := r.write(&out); err != nil || passed {
			t.Errorf("%q: passed is %v, %v\n%s", name, passed, err, &out)
		}
	}
}

// good returns a result with nothing wrong.
func good() *result {
	plain, lossy := &client{listener: "plain"}, &client{listener: "lossy", lossy: true}
	plain.counts.Sent, plain.counts.Answered = 1000, 1000
	lossy.counts.Sent, lossy.counts.Answered, lossy.counts.Lost = 10_000, 9000, 1000
	r := &result{
		clients: []*client{plain, lossy}, captured: captureSize, handOvers: 1, reloads: 1,
		churn: &churn{swaps: 1, refused: 1, tried: map[string]bool{"a": true}},
	}
	for range 60 {
		r.samples = append(r.samples, sample{pid: 1, rss: 50 << 20, descriptors: 40, goroutines: 40})
	}
	return r
}

func grow(r *result, by func(s *sample, n int)) {
	for n := range r.samples {
		by(&r.samples[n], n)
	}
}

// TestLongest: the samples that count are those of one process.
func TestLongest(t *testing.T) {
	got := longest([]sample{{pid: 1}, {pid: 2, rss: 1}, {pid: 2, rss: 2}, {pid: 3}})
	if len(got) != 2 || got[0].rss != 1 || got[1].rss != 2 {
		t.Errorf("%+v", got)
	}
	if got := longest(nil); got != nil {
		t.Errorf("of none: %+v", got)
	}
}
