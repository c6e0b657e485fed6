package sink_test

import (
	"testing"
	"time"

	"github.com/retort-udp/retort/core/reply/internal/sink"
)

func TestPace(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	p := sink.Pace{Every: 10 * time.Second}
	if p.Due() || p.Rest() {
		t.Error("there is a report of nothing")
	}
	for _, tt := range []struct {
		after time.Duration
		due   bool
	}{{0, false}, {9 * time.Second, false}, {10 * time.Second, true}, {19 * time.Second, false}, {20 * time.Second, true},
		{-time.Hour, false}, {-time.Hour + 10*time.Second, true}} {
		p.Arrived(start.Add(tt.after))
		if got := p.Due(); got != tt.due {
			t.Errorf("after %v: %v", tt.after, got)
		}
		if tt.due && (p.Due() || p.Rest()) {
			t.Errorf("after %v: there are two reports", tt.after)
		}
	}
	p.Arrived(start)
	if !p.Rest() || p.Rest() {
		t.Error("what is left is not reported once")
	}
	never := sink.Pace{}
	never.Arrived(start)
	never.Arrived(start.Add(time.Hour))
	if never.Due() || never.Rest() {
		t.Error("there is a report that nobody wants")
	}
}

func TestCounter(t *testing.T) {
	var c sink.Counter
	c.Add(3)
	c.Add(4)
	if c.Load() != 7 {
		t.Error(c.Load())
	}
}
