package guard

import "sync/atomic"

// A write to memory that other workers write to costs as much as all the rest that a guard does for a datagram. So
// a worker has a copy of each bucket that it fills, and pays what is owed into the shared table when something comes
// for that prefix and it is more than a share of a bucket, or the copy is old; or when the place of the copy is
// needed. It looks at what others have paid at these moments too.

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

	// One in so many tabs that are dry when another prefix needs their place is paid, so many times over. They
	// make no difference to this worker any more, but to others they may; and a flood of sources that come once
	// costs nobody a write to memory that is shared.
	dryPaid = 8
)

// till is a worker's side of the rates.
type till struct {
	tabs    [tabPairs]pair // first, where it begins with a cache line
	origins [tabPairs][2]origin
	bucket
	share int64 // ticks
	rates *rates
	key   uint64 // of draws that nobody else can compute
	now   int64  // ticks
}

func newTill(r *rates, key uint64) *till {
	return &till{bucket: r.bucket, share: r.size / shares, rates: r, key: key}
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

// look returns the tab of the prefix with the hash h; that of another if it has none.
func (t *till) look(h uint64) *tab {
	pair := &t.tabs[pairOf(h)]
	return &pair[pair.way(h)]
}

// lookAll looks for the tabs of all in row. What they will be opened with, where it has none, it fetches; the result
// depends on all that.
func (t *till) lookAll(row []acquaintance) (fetched uint64) {
	for i := range row {
		k := &row[i]
		k.tab = t.look(k.prefix)
		if k.tab.prefix != k.prefix {
			fetched += t.rates.fetch(k.prefix)
		}
	}
	return fetched
}

// isOpen says whether tab is that of the prefix with the hash h, and need not be settled yet.
func (t *till) isOpen(tab *tab, h uint64) bool {
	return tab.prefix == h && tab.owed <= t.share && uint64(t.now-tab.opened) <= uint64(t.share)
}

// tab returns the tab of the prefix with the hash h, settled if that is due. A prefix that has none is given that of
// another: of two the one that will be dry before the other.
func (t *till) tab(h uint64) *tab {
	pair := &t.tabs[pairOf(h)]
	way := pair.way(h)
	displaced := pair[way].prefix != h
	if displaced {
		way = pair.drier()
	}
	tab, from := &pair[way], &t.origins[pairOf(h)][way]
	if t.isOpen(tab, h) {
		return tab
	}
	if !displaced || !t.forgets(tab) {
		t.settle(tab, from, displaced)
	}
	cell, seen, level := t.rates.find(h, t.now)
	tab.prefix, tab.opened, tab.dry, tab.owed = h, t.now, t.now+level, 0
	from.cell, from.seen = cell, seen
	return tab
}

// isSpent says whether a tab that is displaced makes no difference to this worker any more.
func (t *till) isSpent(tab *tab) bool { return t.level(tab) == 0 && tab.owed*dryPaid <= t.share }

// forgets says whether what is owed on a tab that is displaced is not paid.
func (t *till) forgets(tab *tab) bool {
	return t.isSpent(tab) && fold(tab.prefix^uint64(t.now), t.key)%dryPaid != 0
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
func (t *till) settle(tab *tab, from *origin, displaced bool) {
	if tab.owed == 0 {
		return
	}
	if displaced && t.isSpent(tab) { // and is not forgotten: it pays for those that are
		tab.owed *= dryPaid
	} else if t.rates.swap(tab.prefix, from.cell, from.seen, t.level(tab), t.now) {
		return
	}
	t.rates.pay(tab.prefix, tab.owed, t.now)
}

// close pays everything.
func (t *till) close() {
	for i := range t.tabs {
		for way := range t.tabs[i] {
			t.settle(&t.tabs[i][way], &t.origins[i][way], false)
		}
	}
}
