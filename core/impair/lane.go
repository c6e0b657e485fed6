package impair

import (
	"container/heap"
	"net/netip"
	"sync"
	"time"
)

// HoldTime is how long a datagram waits for another one to overtake it or to be swapped with.
const HoldTime = 50 * time.Millisecond

// maxWaiting is how many datagrams may be on their way in one direction. More are lost, as they would be on a wire
// that takes no more.
const maxWaiting = 8192

// parcel is a datagram on its way.
type parcel struct {
	data     []byte
	from, to netip.AddrPort // the peer, and the address that it asked
	group    bool
	stray    bool // it leaves from the wrong port

	due   time.Time
	order uint64 // of those that are due at once
	index int    // in the lane
}

// lane is one direction: datagrams that wait until they are due. It is safe for concurrent use.
type lane struct {
	fates *fates
	wake  chan struct{} // holds something when there may be news for who waits

	mu      sync.Mutex
	waiting parcels
	added   uint64
	behind  *parcel   // waits to be overtaken
	partner *parcel   // waits to be swapped
	free    []*parcel // for use again
	stats   Stats
}

func newLane(f *fates) *lane { return &lane{fates: f, wake: make(chan struct{}, 1)} }

// add sends a datagram on its way, or what becomes of it, and reports whether there was room.
func (l *lane) add(p parcel, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.fates.next()
	l.stats.Datagrams++
	if f.lost {
		l.stats.Lost++
		return true
	}
	if len(l.waiting) >= maxWaiting-1 { // it may be two
		return false
	}
	sent := l.copy(p)
	whole := len(sent.data)
	sent.data = f.damage(sent.data)
	if len(sent.data) < whole {
		l.stats.Truncated++
	}
	if f.corrupt >= 0 && len(sent.data) > 0 {
		l.stats.Corrupted++
	}
	if sent.stray = f.wrongPort; sent.stray {
		l.stats.Strayed++
	}
	if f.duplicate {
		l.stats.Duplicated++
		double := l.copy(*sent)
		l.push(double, now.Add(f.again))
	}
	due := now.Add(f.delay)
	overtaken, partner := l.behind, l.partner
	l.behind, l.partner = nil, nil
	switch {
	case partner != nil:
		l.stats.Swapped += 2
		sent.data, partner.data = partner.data, sent.data
	case f.swap:
		l.partner = sent
		due = due.Add(HoldTime)
	case f.reorder && overtaken == nil:
		l.behind = sent
		due = due.Add(HoldTime)
	}
	if partner != nil { // the first still leaves first: one peer of both sees them swapped, too
		l.push(l.take(partner), due)
	}
	l.push(sent, due)
	if overtaken != nil {
		l.stats.Reordered++
		l.push(l.take(overtaken), due)
	}
	l.rouse()
	return true
}

// copy returns a parcel of its own with p's content.
func (l *lane) copy(p parcel) *parcel {
	c := new(parcel)
	if n := len(l.free); n > 0 {
		c, l.free = l.free[n-1], l.free[:n-1]
	}
	data := append(c.data[:0], p.data...)
	*c = p
	c.data = data
	return c
}

// push has p arrive when it is due.
func (l *lane) push(p *parcel, due time.Time) {
	p.due, p.order = due, l.added
	l.added++
	heap.Push(&l.waiting, p)
}

// take takes p out again.
func (l *lane) take(p *parcel) *parcel { return heap.Remove(&l.waiting, p.index).(*parcel) }

// pop appends at most n parcels that are due at now to got, or that are there at all. It returns when the next
// one will be due, and the zero time if there is none.
func (l *lane) pop(got []*parcel, n int, now time.Time, all bool) ([]*parcel, time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for ; n > 0 && len(l.waiting) > 0 && (all || !l.waiting[0].due.After(now)); n-- {
		p := heap.Pop(&l.waiting).(*parcel)
		if p == l.behind {
			l.behind = nil // nobody came to overtake it
		}
		if p == l.partner {
			l.partner = nil
		}
		got = append(got, p)
	}
	if len(l.waiting) == 0 {
		return got, time.Time{}
	}
	return got, l.waiting[0].due
}

// giveBack has parcels used again.
func (l *lane) giveBack(used []*parcel) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.free = append(l.free, used...)
}

// rouse tells who waits that there is something new.
func (l *lane) rouse() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// parcels is a heap of what is due first.
type parcels []*parcel

func (p parcels) Len() int { return len(p) }

func (p parcels) Less(i, j int) bool {
	if c := p[i].due.Compare(p[j].due); c != 0 {
		return c < 0
	}
	return p[i].order < p[j].order
}

func (p parcels) Swap(i, j int) {
	p[i], p[j] = p[j], p[i]
	p[i].index, p[j].index = i, j
}

func (p *parcels) Push(x any) {
	x.(*parcel).index = len(*p)
	*p = append(*p, x.(*parcel))
}

func (p *parcels) Pop() any {
	last := (*p)[len(*p)-1]
	*p = (*p)[:len(*p)-1]
	return last
}
