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
//
// In a crowd, which is where a worker has not got a copy for each of the prefixes that come, a bucket that holds no more
// than its 64th part is charged for one datagram in eight, eightfold, at random. So it holds what was admitted in the
// mean only, while it holds so little. At the defaults it takes two such draws until each datagram is charged by itself:
//
//   - Until then 16 datagrams at once are answered in the mean, by all workers together, and one time in 40,000 it is more
//     than a hundred. That begins again when a bucket has run dry down to its 64th part.
//   - It never holds more than its 64th part and eight datagrams too many. So a burst that comes with bad luck is at the
//     edge, from which on chance refuses, a twentieth earlier at most.
//   - None of it adds up. However datagrams come, in the mean they are charged for what they are; n of those that pass by
//     with a standard deviation of the root of 7n.
//
// What is in the table above that part, by whichever worker, counts from a prefix's first datagram on. Of copies that are
// displaced nothing is lost, and faults are charged to copies only.

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

const (
	rateLines  = 1 << 12
	lineCells  = 8
	busyGroups = 1 << 11 // of two lines: few enough for a processor's first cache

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
	busy  [busyGroups]atomic.Int64 // until when a bucket in each group may hold more than a share, in ticks
	bucket
}

// bucket is what all buckets have in common, in ticks.
type bucket struct {
	weight int64 // of a datagram
	edge   int64 // up to here nothing is refused
	size   int64 // from here on everything is
	brim   int64 // and this is all that is remembered
	share  int64 // what a worker may owe, and what one holds at most whose datagrams pass by
	lump   int64 // what the datagram that is drawn pays for those that pass by; 0: none passes by
}

// newBucket returns buckets for so many datagrams a second and at once. Weights are whole ticks, so that
// a rate is exact to 1 in 15,625 at the default and to 1 in 16 at a million.
func newBucket(rate, burst int) bucket {
	weight := max(int64(time.Second)/int64(rate)/int64(tick), 1)
	size := weight * int64(burst)
	b := bucket{weight: weight, edge: size / 2, size: size, brim: 2 * size, share: size / shares}
	if lump := drawn * weight; lump <= b.share {
		b.lump = lump
	}
	return b
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

// busyUntil returns what is noted of the group of the prefix with the hash h.
func (r *rates) busyUntil(h uint64) *atomic.Int64 { return &r.busy[h/lineCells%busyGroups] }

// mayBeBusy says whether the bucket of the prefix with the hash h may hold more than a share, or is in a group with one
// that may. Few are, and few write to what it looks at, so it is much faster than to look for the bucket.
func (r *rates) mayBeBusy(h uint64, now int64) bool { return r.busyUntil(h).Load() > now+r.share }

// isBusy says whether the bucket of the prefix with the hash h holds more than a share.
func (r *rates) isBusy(h uint64, now int64) bool {
	if !r.mayBeBusy(h, now) {
		return false
	}
	_, _, level := r.find(h, now)
	return level > r.share
}

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
	dry := now + min(level, r.brim)
	if r.lump > 0 && level > r.share {
		r.noteBusy(h, dry)
	}
	return cell.CompareAndSwap(seen, h&^timeMask|uint64(dry)&timeMask)
}

// noteBusy notes that the bucket of the prefix with the hash h holds more than a share until it is nearly dry. That is
// noted before it does, so that there is no moment at which another worker sees it do so and not be busy.
func (r *rates) noteBusy(h uint64, dry int64) {
	for until := r.busyUntil(h); ; {
		noted := until.Load()
		if noted >= dry || until.CompareAndSwap(noted, dry) {
			return
		}
	}
}

// pay adds to the bucket of a prefix, whatever other workers do to it, and returns its level then.
func (r *rates) pay(h uint64, amount, now int64) int64 {
	for {
		cell, seen, level := r.find(h, now)
		if r.swap(h, cell, seen, level+amount, now) {
			return level + amount
		}
	}
}
