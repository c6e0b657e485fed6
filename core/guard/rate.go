package guard

// How many datagrams a prefix has answered. Each prefix has a leaky bucket: a datagram that is answered
// fills it by its weight, and it runs dry at the rate that the prefix may have. It is kept as one number,
// the time at which it will be dry (the generic cell rate algorithm, ITU-T I.371), so that nothing has to
// be done to it while nothing comes.
//
// All workers share one table of such buckets. A dry bucket need not be kept at all: whoever came once is
// forgotten after one weight, a millisecond at the default rate, and ten million sources that come once
// leave no more behind than those of the last millisecond. So the table is small, as it should be: it shares
// a processor's second cache with everything else. Its error is small too:
//
//   - A bucket that is not dry is only forgotten when eight fuller ones have their place in the same line.
//     Then that prefix begins anew, with an empty bucket. For that, tens of thousands must be above their
//     rate at once.
//   - An innocent prefix is taken for a busy one when both have the same line and tag: one in 2^32 for each
//     busy prefix.
//   - The clock of the table goes round in 13 days. A prefix that comes back exactly then, and whose cell
//     nobody took meanwhile, finds its bucket full: one in half a million at the defaults, and for two seconds
//     at most.
//
// A worker fills a copy of a bucket and pays into the table when it owes a part of one, as till.go says. So of W
// workers that a prefix is spread over, W-1 may each answer a batch and the 64th part of a bucket too many.
// They are owed: a bucket can be filled to twice its size.

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

const (
	rateLines = 1 << 12
	lineCells = 8

	// A cell holds a tag and, in its lower bits, the time at which the bucket is dry, in ticks of 64 ns.
	// Since no bucket holds more than two minutes, a time that is further ahead is one that has passed.
	tagBits  = 20
	timeBits = 64 - tagBits
	timeMask = 1<<timeBits - 1
	tick     = 64 * time.Nanosecond
)

// line is the buckets that share a cache line.
type line [lineCells]atomic.Uint64

// rates is the table that the workers share.
type rates struct {
	lines [rateLines]line
	bucket
}

// bucket is what all buckets have in common, in ticks.
type bucket struct {
	weight int64 // of a datagram
	edge   int64 // up to here nothing is refused
	size   int64 // from here on everything is
	brim   int64 // and this is all that is remembered
}

// newBucket returns buckets for so many datagrams a second and at once. Weights are whole ticks, so that
// a rate is exact to 1 in 15,625 at the default and to 1 in 16 at a million.
func newBucket(rate, burst int) bucket {
	weight := max(int64(time.Second)/int64(rate)/int64(tick), 1)
	size := weight * int64(burst)
	return bucket{weight: weight, edge: size / 2, size: size, brim: 2 * size}
}

// refuses says whether a datagram that finds its bucket at level is refused. From the edge on that is a
// matter of chance, ever more likely, so that no rhythm gets more than its share.
func (b *bucket) refuses(level int64, draws *rand.PCG) bool {
	if level < b.edge {
		return false
	}
	if level >= b.size {
		return true
	}
	draw := draws.Uint64() >> 32
	return draw*uint64(b.size-b.edge)>>32 < uint64(level-b.edge)
}

// level returns what the bucket in a cell holds at the time now.
func (b *bucket) level(cell uint64, now int64) int64 {
	level := int64((cell - uint64(now)) & timeMask)
	if level > b.brim {
		return 0
	}
	return level
}

// fetch reads what there is of the prefix with the hash h, so that the processor has it at hand.
func (r *rates) fetch(h uint64) uint64 { return r.lines[h/lineCells%rateLines][0].Load() }

// find returns the cell of the prefix with the hash h, what is in it and the level of its bucket. A prefix that
// has no bucket gets the cell of the emptiest in its line: its own, if that is dry, where it is found at once
// the next time.
func (r *rates) find(h uint64, now int64) (cell *atomic.Uint64, seen uint64, level int64) {
	line := &r.lines[h/lineCells%rateLines]
	own := &line[h%lineCells]
	seen = own.Load()
	if seen^h <= timeMask {
		return own, seen, r.level(seen, now)
	}
	for i := range line {
		if other := line[i].Load(); other^h <= timeMask {
			return &line[i], other, r.level(other, now)
		}
	}
	if r.level(seen, now) > 0 {
		own, seen = r.emptiest(line, now)
	}
	return own, seen, 0
}

// emptiest returns the cell of a line that is missed least, and what is in it.
func (r *rates) emptiest(line *line, now int64) (cell *atomic.Uint64, seen uint64) {
	least := r.brim + 1
	for i := range line {
		other := line[i].Load()
		if level := r.level(other, now); level < least {
			cell, seen, least = &line[i], other, level
		}
	}
	return cell, seen
}

// swap fills the bucket of the prefix with the hash h to level, unless something else is in its cell than was seen
// there.
func (r *rates) swap(h uint64, cell *atomic.Uint64, seen uint64, level, now int64) bool {
	filled := h&^timeMask | uint64(now+min(level, r.brim))&timeMask
	return cell.CompareAndSwap(seen, filled)
}

// pay adds to the bucket of a prefix when another worker has been at its cell.
func (r *rates) pay(h uint64, amount, now int64) {
	for {
		cell, seen, level := r.find(h, now)
		if r.swap(h, cell, seen, level+amount, now) {
			return
		}
	}
}
