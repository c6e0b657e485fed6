package server

import (
	"iter"
	"math/bits"
	"sync/atomic"
	"time"
)

// A duration falls into a bucket by its highest bit and the subBits bits below it, so that a bucket is
// at most an eighth as wide as its lower bound is large. The last bucket takes all that is longer
// than about 2^36 ns, or 69 s.
const (
	subBits     = 3
	maxExponent = 36
	buckets     = (maxExponent-subBits+1)<<subBits + 1
)

// Histogram counts durations in buckets whose width grows with their value: a quantile is right to an
// eighth of itself.
type Histogram struct {
	Sum    time.Duration // of all that was counted
	counts [buckets]uint64
}

// Count returns how many durations were counted.
func (h *Histogram) Count() (n uint64) {
	for _, c := range h.counts {
		n += c
	}
	return n
}

// Quantile returns an upper bound, an eighth above at most, of the smallest duration that the fraction
// q of all durations does not exceed: Quantile(0.5) is the median. It is 0 when nothing was counted.
func (h *Histogram) Quantile(q float64) time.Duration {
	n := h.Count()
	if n == 0 {
		return 0
	}
	rank := uint64(q * float64(n))
	rank = min(max(rank, 1), n)
	var seen uint64
	for i, c := range h.counts {
		if seen += c; seen >= rank {
			return upperBound(i)
		}
	}
	return upperBound(buckets - 1)
}

// Buckets yields the upper bound of each bucket that counted something, with its count.
func (h *Histogram) Buckets() iter.Seq2[time.Duration, uint64] {
	return func(yield func(time.Duration, uint64) bool) {
		for i, c := range h.counts {
			if c > 0 && !yield(upperBound(i), c) {
				return
			}
		}
	}
}

// bucketOf returns the index of the bucket for d; less than nothing counts as nothing.
func bucketOf(d time.Duration) int {
	v := uint64(max(d, 0))
	exponent := bits.Len64(v) - 1
	if exponent < subBits {
		return int(v)
	}
	if exponent >= maxExponent {
		return buckets - 1
	}
	shift := exponent - subBits
	return (shift+1)<<subBits + int(v>>shift) - 1<<subBits
}

// upperBound returns the largest duration of bucket i, or where the last one begins.
func upperBound(i int) time.Duration {
	if i == buckets-1 {
		return 1 << maxExponent
	}
	if i < 1<<subBits {
		return time.Duration(i)
	}
	shift := i>>subBits - 1
	return time.Duration(i&(1<<subBits-1)+1<<subBits+1)<<shift - 1
}

// histogram is a Histogram that one goroutine writes while others read.
type histogram struct {
	sum    atomic.Int64
	counts [buckets]atomic.Uint64
}

func (h *histogram) observe(d time.Duration, n uint64) {
	d = max(d, 0)
	h.sum.Add(int64(d) * int64(n))
	h.counts[bucketOf(d)].Add(n)
}

func (h *histogram) addTo(to *Histogram) {
	to.Sum += time.Duration(h.sum.Load())
	for i := range h.counts {
		to.counts[i] += h.counts[i].Load()
	}
}
