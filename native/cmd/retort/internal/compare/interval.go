package main

import (
	"math"
	"slices"
)

// estimate is a median and what is known about the median of the distribution that the values were drawn
// from.
type estimate struct {
	median    float64
	low, high float64 // an interval that holds it
	coverage  float64 // with at least this probability; 0: there are too few values for an interval
}

// level is the probability that an interval is to have at least.
const level = 0.95

// estimateMedian returns the median of values, which may be in any order, with an interval from order
// statistics: of n values in order, from the k-th to the k-th from the end. Each value lies below the true
// median with probability 1/2, so the number of those that do is binomial, and the interval misses the median
// only when fewer than k, or more than n-k, do. K is the largest for which the probability of that is at most
// 5%: 6 for n = 21, where it is 2.7%. That holds for every distribution; nothing is assumed about its shape
// (W. J. Conover, Practical Nonparametric Statistics, chapter 3.2).
func estimateMedian(values []float64) estimate {
	n := len(values)
	if n == 0 {
		return estimate{median: math.NaN()}
	}
	sorted := slices.Sorted(slices.Values(values))
	e := estimate{median: (sorted[(n-1)/2] + sorted[n/2]) / 2}
	k, coverage := rank(n)
	if k > 0 {
		e.low, e.high, e.coverage = sorted[k-1], sorted[n-k], coverage
	}
	return e
}

// rank returns the rank of the value that begins the interval, counted from 1, and the probability that the
// interval holds the median; 0 and 0 when even the widest interval is too likely to miss it.
func rank(n int) (k int, coverage float64) {
	term := math.Pow(0.5, float64(n)) // the probability that exactly k values lie below the median
	for below := 0.0; ; k++ {
		below += term // at most k do
		if 2*below > 1-level {
			return k, coverage
		}
		coverage = 1 - 2*below
		term *= float64(n-k) / float64(k+1)
	}
}
