package server

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// Every duration lies in the bucket that it is put into, whose bounds are an eighth apart at most.
func TestBuckets(t *testing.T) {
	check := func(d time.Duration) {
		i := bucketOf(d)
		if i < 0 || i >= buckets {
			t.Fatalf("%d ns: bucket %d of %d", d, i, buckets)
		}
		if i == buckets-1 {
			if d < 1<<maxExponent {
				t.Errorf("%d ns is in the last bucket", d)
			}
			return
		}
		lower := time.Duration(0)
		if i > 0 {
			lower = upperBound(i-1) + 1
		}
		if d < lower || d > upperBound(i) {
			t.Errorf("%d ns is in the bucket of %d to %d ns", d, lower, upperBound(i))
		}
		if width := upperBound(i) - lower; width > max(lower, 8)/8 {
			t.Errorf("the bucket of %d to %d ns is wider than an eighth", lower, upperBound(i))
		}
	}
	for d := range time.Duration(5000) {
		check(d)
	}
	for exponent := range 63 {
		for _, d := range []time.Duration{1<<exponent - 1, 1 << exponent, 1<<exponent + 1} {
			check(d)
		}
	}
	if got := bucketOf(-time.Second); got != 0 {
		t.Errorf("a clock that went back: bucket %d", got)
	}
}

func TestQuantiles(t *testing.T) {
	var live histogram
	rng := rand.New(rand.NewPCG(9, 9))
	var all []time.Duration
	for range 10_000 {
		d := time.Duration(rng.ExpFloat64() * 1e5)
		all = append(all, d)
		live.observe(d, 1)
	}
	slices.Sort(all)
	var h Histogram
	live.addTo(&h)
	for _, q := range []float64{0, 0.001, 0.5, 0.9, 0.99, 0.999, 1} {
		want := all[max(int(q*float64(len(all))), 1)-1]
		got := h.Quantile(q)
		if got < want || got > want+want/8+1 {
			t.Errorf("quantile %v: %v, but it is %v", q, got, want)
		}
	}
	var sum time.Duration
	for _, d := range all {
		sum += d
	}
	if h.Count() != 10_000 || h.Sum != sum {
		t.Errorf("%d durations, %v in all; want 10000, %v", h.Count(), h.Sum, sum)
	}
	last, n := time.Duration(-1), uint64(0)
	for bound, count := range h.Buckets() {
		if bound <= last || count == 0 {
			t.Errorf("bucket %v (%d) after %v", bound, count, last)
		}
		last, n = bound, n+count
	}
	if n != h.Count() {
		t.Errorf("the buckets hold %d of %d", n, h.Count())
	}
}

func TestAnEmptyHistogram(t *testing.T) {
	var h Histogram
	if h.Count() != 0 || h.Quantile(0.5) != 0 {
		t.Errorf("%d durations, median %v", h.Count(), h.Quantile(0.5))
	}
	var live histogram
	live.observe(-time.Second, 3)
	live.observe(time.Hour, 2)
	live.addTo(&h)
	if h.Count() != 5 || h.Quantile(0.5) != 0 || h.Quantile(1) != 1<<maxExponent {
		t.Errorf("%d durations, median %v, longest %v", h.Count(), h.Quantile(0.5), h.Quantile(1))
	}
}
