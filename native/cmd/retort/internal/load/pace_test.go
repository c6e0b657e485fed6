package load_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/retort-udp/retort/native/cmd/retort/internal/load"
)

// However many workers share a timetable, together they have each of its requests once, at its time, and
// none of another's.
func TestPaceIsShared(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 300 {
		rate := math.Pow(10, rng.Float64()*6)
		total := 1 + rng.IntN(2000)
		// Half a period less than total periods, so that rounding does not decide.
		duration := int64((float64(total) - 0.5) / rate * 1e9)
		start := rng.Int64N(1 << 40)
		limit := uint64(0)
		if rng.IntN(2) == 0 {
			limit = 1 + rng.Uint64N(uint64(total))
			total = min(total, int(limit))
		}
		workers := 1 + rng.IntN(5)
		seen := make(map[int64]int)
		for i := range workers {
			p := load.NewPace(start, rate, duration, limit, i, workers)
			for left := p.Left(); left > 0; left-- {
				at, ok := p.Due(0)
				if !ok || p.Left() != left {
					t.Fatalf("%d are left, and due says %v", p.Left(), ok)
				}
				k := math.Round(float64(at-start) / 1e9 * rate)
				if off := float64(at-start) - k*1e9/rate; math.Abs(off) > 2 {
					t.Fatalf("rate %v: a request is due %v ns beside its time", rate, off)
				}
				seen[int64(k)]++
				p.Issue(1)
			}
			if _, ok := p.Due(0); ok || p.Left() != 0 || p.Ready(math.MaxInt64, 10) != 0 {
				t.Fatal("there are requests left after the last")
			}
		}
		if len(seen) != total {
			t.Fatalf("rate %v for %d ns: %d requests, want %d", rate, duration, len(seen), total)
		}
		for k, n := range seen {
			if n != 1 || k < 0 || k >= int64(total) {
				t.Fatalf("request %d of %d was made %d times", k, total, n)
			}
		}
	}
}

func TestPaceReady(t *testing.T) {
	p := load.NewPace(1000, 1e6, 10_000, 0, 0, 1) // ten requests, one every 1000 ns from 1000 on
	for _, tt := range []struct {
		now  int64
		most int
		want int
	}{{0, 5, 0}, {999, 5, 0}, {1000, 5, 1}, {1999, 5, 1}, {2000, 5, 2}, {4000, 2, 2}, {1 << 40, 100, 10}} {
		if got := p.Ready(tt.now, tt.most); got != tt.want {
			t.Errorf("at %d, %d are ready, want %d", tt.now, got, tt.want)
		}
	}
	p.Issue(3)
	if got := p.Ready(4000, 5); got != 1 {
		t.Errorf("after three were issued, %d are ready at 4000, want 1", got)
	}
}
