package main

import (
	"math"
	"math/rand/v2"
	"testing"
)

// The ranks are those of tables of the sign test, such as the one that textbooks print: the interval of the
// median at 95% for n values.
func TestRank(t *testing.T) {
	for _, tt := range []struct {
		n, k     int
		coverage float64
	}{
		{1, 0, 0},
		{5, 0, 0}, // the whole range holds it with 93.75% only
		{6, 1, 0.9688},
		{8, 1, 0.9922},
		{9, 2, 0.9609},
		{10, 2, 0.9785},
		{12, 3, 0.9614},
		{15, 4, 0.9648},
		{20, 6, 0.9586},
		{21, 6, 0.9734},
		{25, 8, 0.9567},
		{30, 10, 0.9572},
	} {
		k, coverage := rank(tt.n)
		if k != tt.k || math.Abs(coverage-tt.coverage) > 0.00005 {
			t.Errorf("%d values: rank %d with %.4f, want %d with %.4f", tt.n, k, coverage, tt.k, tt.coverage)
		}
	}
}

func TestEstimateMedian(t *testing.T) {
	if e := estimateMedian(nil); !math.IsNaN(e.median) || e.coverage != 0 {
		t.Errorf("of nothing: %+v", e)
	}
	for _, tt := range []struct {
		values            []float64
		median, low, high float64
	}{
		{[]float64{7}, 7, 0, 0},
		{[]float64{3, 1}, 2, 0, 0},
		{[]float64{5, 1, 9}, 5, 0, 0},
		{[]float64{6, 5, 4, 3, 2, 1}, 3.5, 1, 6},
		{[]float64{9, 8, 7, 6, 5, 4, 3, 2, 1}, 5, 2, 8},
	} {
		values := append([]float64(nil), tt.values...)
		e := estimateMedian(values)
		if e.median != tt.median || e.low != tt.low || e.high != tt.high || (e.coverage != 0) != (len(values) > 5) {
			t.Errorf("of %v: %+v", tt.values, e)
		}
		for i := range values {
			if values[i] != tt.values[i] {
				t.Fatalf("%v became %v", tt.values, values)
			}
		}
	}
}

// The interval holds the median as often as it says, whatever the distribution looks like.
func TestIntervalCovers(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for _, tt := range []struct {
		name   string
		draw   func() float64
		median float64
	}{
		{"uniform", rng.Float64, 0.5},
		{"exponential", rng.ExpFloat64, math.Ln2},
		{"heavy tails", func() float64 { return math.Tan(math.Pi * (rng.Float64() - 0.5)) }, 0},
	} {
		const n, draws = 21, 20_000
		_, want := rank(n)
		held := 0
		for range draws {
			values := make([]float64, n)
			for i := range values {
				values[i] = tt.draw()
			}
			if e := estimateMedian(values); e.low <= tt.median && tt.median <= e.high {
				held++
			}
		}
		// Five standard deviations: sqrt(0.973*0.027/20000) is 0.0011.
		if got := float64(held) / draws; math.Abs(got-want) > 0.006 {
			t.Errorf("%s: it holds the median in %.4f of all cases, not in %.4f", tt.name, got, want)
		}
	}
}
