package guard

import (
	"sync/atomic"
	"time"
)

// A write to memory that other workers write to costs as much as all the rest that a guard does for a datagram. So
// a worker has a copy of each bucket that it fills, and pays what is owed into the shared table when something comes
// for that prefix and it is more than a share of a bucket, or the copy is old; or when the place of the copy is
// needed. It looks at what others have paid at these moments too.
//
// In a crowd that would be at each datagram: there are more prefixes than copies, and each loses its copy before it
// comes again. So a datagram there that finds no copy, and no more than a share in its bucket, passes by. It is admitted
// and no copy is made; but one in eight of them, drawn at random, is charged for eight at once, in the shared table.
// What is charged is, in the mean, what was admitted. The draws can be lucky only as long as a bucket holds little:
// when it has come to more than a share, through whichever workers, nothing of its prefix passes by any more.

// tab is a worker's copy of the bucket of one prefix. Two of them fill a cache line.
type tab struct {
	prefix uint64 // its hash
	opened int64  // when the copy was made, in ticks
	dry    int64  // when the bucket will be dry
	owed   int64  // ticks that are not paid yet
}

// pair is the two tabs of which a prefix may have one.
type pair [2]tab

// origin is what a tab was copied from. It lies apart, since only opening and settling a tab need it.
type origin struct {
	cell *atomic.Uint64
	seen uint64 // what was in the cell
}

const (
	// A worker can keep so many prefixes apart before it has to pay. Each has two places.
	tabPairs = 1 << 10

	// shares is of how many parts of a bucket a worker may owe one before it pays. A copy is old when a bucket has
	// lost such a part since: at the defaults, after 15 milliseconds.
	shares = 64

	// drawn is of how many datagrams that pass by one pays for all. Where so many are more than a share of a bucket,
	// with bursts below 512, none passes by.
	drawn = 8

	// late is how long ago something was of late, in ticks: a pair is crowded while a tab was displaced of late that
	// had been opened of late.
	late = int64(time.Second / tick)
)

// till is a worker's side of the rates.
type till struct {
	tabs      [tabPairs]pair  // first, where it begins with a cache line
	displaced [tabPairs]int64 // when a tab of each pair was that had been opened of late, in ticks
	origins   [tabPairs][2]origin
	bucket
	rates *rates
	draws uint64 // their state
	key   uint64 // and their key
	now   int64  // ticks
}

// newTill returns a till whose draws nobody can tell who does not know their first state and their key.
func newTill(r *rates, draws, key uint64) *till {
	return &till{bucket: r.bucket, rates: r, draws: draws, key: key}
}

// begin begins a batch that came at now, in nanoseconds.
func (t *till) begin(now int64) { t.now = now / int64(tick) }

// pairOf returns which two tabs the prefix with the hash h may have.
func pairOf(h uint64) uint64 { return h >> 32 % tabPairs }

// way returns which of the two tabs is that of the prefix with the hash h; the first if neither is. Neither here nor in
// drier there is a branch that a processor would have to foresee.
func (p *pair) way(h uint64) (way int) {
	if p[1].prefix == h {
		way = 1
	}
	return way
}

// drier returns which of the two tabs will be dry before the other.
func (p *pair) drier() (way int) {
	if p[1].dry < p[0].dry {
		way = 1
	}
	return way
}

// lookAll looks for the tabs of all in row, and says which of those that have none pass by. What the tabs of the others
// will be opened with, it fetches; the result depends on all that.
func (t *till) lookAll(row []acquaintance) (fetched uint64) {
	rates, now := t.rates, t.now
	for i := range row {
		k := &row[i]
		h := k.prefix
		pair := &t.tabs[pairOf(h)]
		tab := &pair[pair.way(h)]
		k.tab, k.passes = tab, false
		if tab.prefix == h {
			continue
		}
		if t.isCrowded(h) && !rates.mayBeBusy(h, now) {
			k.passes = true
		} else {
			fetched += rates.fetch(h)
		}
	}
	return fetched
}

// isOpen says whether tab is that of the prefix with the hash h, and need not be settled yet.
func (t *till) isOpen(tab *tab, h uint64) bool {
	return tab.prefix == h && tab.owed <= t.share && uint64(t.now-tab.opened) <= uint64(t.share)
}

// wasLate says whether something that was then was of late.
func (t *till) wasLate(then int64) bool { return uint64(t.now-then) < uint64(late) }

// isCrowded says whether more prefixes than two need the tabs that the prefix with the hash h may have.
func (t *till) isCrowded(h uint64) bool { return t.wasLate(t.displaced[pairOf(h)]) }

// draw says whether a datagram that passes by pays for those that do not. It is the step of Wang Yi's wyrand; the number
// is 2^64 divided by the golden ratio.
func (t *till) draw() bool {
	t.draws += 0x9e3779b97f4a7c15
	return fold(t.draws, t.draws^t.key)%drawn == 0
}

// opens finds or opens the tab of a prefix, unless its datagram passes by. Then a tab that is old is settled for the
// last time, and is nobody's.
func (t *till) opens(k *acquaintance) bool {
	h := k.prefix
	pair := &t.tabs[pairOf(h)]
	way := pair.way(h)
	tab := &pair[way]
	if t.isOpen(tab, h) {
		k.tab = tab
		return true
	}
	has := tab.prefix == h
	if has { // first, for that may make it busy
		t.settle(tab, &t.origins[pairOf(h)][way])
	}
	k.passes = t.isCrowded(h) && !t.rates.isBusy(h, t.now)
	switch {
	case !k.passes:
		k.tab = t.open(h)
	case has:
		tab.prefix = 0
	}
	return !k.passes
}

// tab returns the tab of the prefix with the hash h, settled if that is due.
func (t *till) tab(h uint64) *tab {
	pair := &t.tabs[pairOf(h)]
	if tab := &pair[pair.way(h)]; t.isOpen(tab, h) {
		return tab
	}
	return t.open(h)
}

// open settles the tab of the prefix with the hash h, and opens it again. A prefix that has none is given that of
// another: of two the one that will be dry before the other.
func (t *till) open(h uint64) *tab {
	i := pairOf(h)
	pair := &t.tabs[i]
	way := pair.way(h)
	if pair[way].prefix != h {
		way = pair.drier()
		if t.lump > 0 && t.wasLate(pair[way].opened) {
			t.displaced[i] = t.now
		}
	}
	tab, from := &pair[way], &t.origins[i][way]
	t.settle(tab, from)
	cell, seen, level := t.rates.find(h, t.now)
	tab.prefix, tab.opened, tab.dry = h, t.now, t.now+level
	from.cell, from.seen = cell, seen
	return tab
}

// level returns what the bucket holds. A time that is further ahead than it can be is from before the clock went
// backwards.
func (t *till) level(tab *tab) int64 {
	level := tab.dry - t.now
	if uint64(level) > uint64(t.brim) {
		return 0
	}
	return level
}

// charge fills the bucket by an amount, from the level that it has.
func (t *till) charge(tab *tab, level, amount int64) {
	tab.dry = t.now + min(level+amount, t.brim)
	tab.owed += amount
}

// settle pays what is owed. While no other worker has been at the cell, the copy is the truth.
func (t *till) settle(tab *tab, from *origin) {
	if tab.owed != 0 && !t.rates.swap(tab.prefix, from.cell, from.seen, t.level(tab), t.now) {
		t.rates.pay(tab.prefix, tab.owed, t.now)
	}
	tab.owed = 0
}

// close pays everything.
func (t *till) close() {
	for i := range t.tabs {
		for way := range t.tabs[i] {
			t.settle(&t.tabs[i][way], &t.origins[i][way])
		}
	}
}
