package guard

// How many datagrams a prefix has answered. Each prefix has a leaky bucket: a datagram that is answered
// fills it by its weight, and it runs dry at the rate that the prefix may have. It is kept as one number,
// the time at which it will be dry (the generic cell rate algorithm, ITU-T I.371), so that nothing has to
// be done to it while nothing comes.
//
// All workers share one table of such buckets. A dry bucket need not be kept at all: whoever came once is
// forgotten after one weight, a millisecond at the default rate, and ten million sources that come once
// leave no more behind than those of the last millisecond. So the table is small and its error is too:
//
//   - A bucket that is not dry is only forgotten when eight fuller ones have their place in the same line.
//     Then that prefix begins anew, with an empty bucket. For that, tens of thousands must be above their
//     rate at once.
//   - An innocent prefix is taken for a busy one when both have the same line and tag: one in 2^31 for each
//     busy prefix.
//
// A worker looks at a bucket once a batch and pays into it once, at the end; so of W workers that a prefix
// is spread over, W-1 batches may be answered too many. They are owed: the bucket can be filled to twice
// its size.

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

const (
	rateLines = 1 << 15
	lineCells = 8 // what fills a cache line

	// A cell holds a tag and, in its lower bits, the time at which the bucket is dry, in ticks of 64 ns.
	// That clock goes round in 208 days. Since no bucket holds more than two minutes, a time that is
	// further ahead is one that has passed.
	tagBits  = 16
	timeBits = 64 - tagBits
	timeMask = 1<<timeBits - 1
	tick     = 64 * time.Nanosecond
)

// rates is the table that the workers share.
type rates struct {
	lines [rateLines][lineCells]atomic.Uint64
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

// place is where a prefix's bucket is, or would be.
type place struct {
	cell  *atomic.Uint64
	seen  uint64 // what was in it
	level int64
}

// find returns the place of the prefix with the hash h. One that has no bucket gets the place of the
// emptiest.
func (r *rates) find(h uint64, now int64) place {
	line := &r.lines[h%rateLines]
	tag := h >> timeBits
	for i := range line {
		if seen := line[i].Load(); seen>>timeBits == tag {
			return place{&line[i], seen, r.level(seen, now)}
		}
	}
	cell := &line[0]
	seen := cell.Load()
	least := r.level(seen, now)
	for i := 1; i < lineCells && least > 0; i++ {
		other := line[i].Load()
		if level := r.level(other, now); level < least {
			cell, seen, least = &line[i], other, level
		}
	}
	return place{cell: cell, seen: seen}
}

// pay adds to the bucket of the prefix with the hash h, which was found at p.
func (r *rates) pay(h uint64, p place, amount, now int64) {
	for {
		level := min(p.level+amount, r.brim)
		filled := h>>timeBits<<timeBits | uint64(now+level)&timeMask
		if p.cell.CompareAndSwap(p.seen, filled) {
			return
		}
		p = r.find(h, now) // another worker was there
	}
}

// tab is what a worker's batch owes for one prefix.
type tab struct {
	prefix uint64 // its hash
	batch  uint32 // of this batch; the tab of another is empty
	place  place  // as it was when the batch began
	owed   int64  // ticks
}

// tabs is how many prefixes a worker can keep apart in one batch before it has to pay early.
const tabs = 64

// till is a worker's side of the rates: it touches the table once for each prefix and batch.
type till struct {
	rates *rates
	now   int64 // ticks
	batch uint32
	tabs  [tabs]tab
	open  [tabs]uint8 // the tabs of this batch
	count int         // of them
}

// begin begins a batch that came at now, in nanoseconds.
func (t *till) begin(now int64) {
	t.batch++
	t.now = now / int64(tick)
}

// tab returns the tab of the prefix with the hash h.
func (t *till) tab(h uint64) *tab {
	i := h >> 32 % tabs
	tab := &t.tabs[i]
	if tab.batch == t.batch {
		if tab.prefix == h {
			return tab
		}
		t.pay(tab)
	} else {
		t.open[t.count] = uint8(i)
		t.count++
	}
	tab.prefix, tab.batch, tab.owed = h, t.batch, 0
	tab.place = t.rates.find(h, t.now)
	return tab
}

// level is what the bucket holds, with what is owed.
func (t *tab) level() int64 { return t.place.level + t.owed }

func (t *till) pay(tab *tab) {
	if tab.owed > 0 {
		t.rates.pay(tab.prefix, tab.place, tab.owed, t.now)
	}
}

// end ends the batch: it pays what is owed.
func (t *till) end() {
	for _, i := range t.open[:t.count] {
		t.pay(&t.tabs[i])
	}
	t.count = 0
}
