package guard

const (
	tableSets = 1 << 12
	tableWays = 4 // peers of a set

	// A newcomer to a full set takes the place of the peer with the lowest count in one of 64 tries
	// (these are the bits of a draw that must be 0), in one of 128 when that has had an exchange, and so
	// on to one of 1,024. So a flood of sources that come once pushes out itself, a loop that begins
	// under it is found after some sixty datagrams, and peers that are there for long keep nobody out for
	// ever.
	newcomerBits = 6
	oldTimerBits = 4
)

// peer is what is remembered of one. Two of them fill a cache line.
type peer struct {
	tag      uint32 // which of the peers that share this set; 0: nobody
	count    uint32 // exchanges in strict alternation since the last that was not
	last     int64  // when its last datagram came, in nanoseconds
	reply    uint64 // hash of our last reply to it, unless that was its own request; 0: none
	gap      uint32 // the longest time between two datagrams of late, in units of 1,024 ns
	batch    uint16 // the number of the batch that its last datagram came in
	held     uint8  // the slot of its withheld reply, and 1; 0: none
	answered bool   // its last datagram was
}

// peers is a worker's memory of its peers. A Conn's peers stay on one worker.
type peers struct {
	sets  [tableSets][tableWays]peer
	store store
	keys  keys
	now   int64 // when the batch came, in nanoseconds
	batch uint16
	gap   uint32 // before the last datagram of the peer that has arrived last, as in peer
}

// begin begins a batch that came at now.
func (t *peers) begin(now int64) {
	t.now = now
	t.batch++
	t.store.sweep(now)
}

// fetch reads what there is of the peer with the hash h, so that the processor has it at hand.
func (t *peers) fetch(h uint64) uint64 {
	set := &t.sets[h%tableSets]
	return uint64(set[0].tag) + uint64(set[tableWays/2].tag)
}

// tagOf returns the tag of the peer with the hash h.
func tagOf(h uint64) uint32 { return uint32(h>>32) | 1 }

// firstWay returns which way of its set the peer with the hash h gets rather than others. It and the next share a
// cache line, and while there is room every peer is in one of them.
func firstWay(h uint64) uint64 { return h / tableSets % 2 * (tableWays / 2) }

// find returns the place of the peer with the hash h, or nil when it gets none this time.
func (t *peers) find(h uint64) *peer {
	set, tag := &t.sets[h%tableSets], tagOf(h)
	first := firstWay(h)
	if p := ofTwo(set, first, tag); p.tag == tag {
		return p
	}
	if p := ofTwo(set, first^tableWays/2, tag); p.tag == tag {
		return p
	}
	return t.newcomer(set, h)
}

// ofTwo returns the peer in that way or in the next, whichever has the tag; the former if none has. There is no branch
// that a processor would have to foresee.
func ofTwo(set *[tableWays]peer, way uint64, tag uint32) *peer {
	return &set[(way|equal(set[(way|1)%tableWays].tag, tag))%tableWays]
}

// equal returns 1 when a and b are equal, and else 0.
func equal(a, b uint32) uint64 { return (uint64(a^b) - 1) >> 63 }

// newcomer returns a place for the peer with the hash h in its set, or nil when it gets none this time.
func (t *peers) newcomer(set *[tableWays]peer, h uint64) *peer {
	place := vacant(set, firstWay(h), t.now)
	if place == nil {
		draw := fold(h^uint64(t.now), t.keys[0]) // nobody else can compute it
		if draw>>(64-newcomerBits) != 0 {
			return nil
		}
		place = leastWorth(set)
		if place == nil || draw<<newcomerBits>>(64-min(place.count, oldTimerBits)) != 0 {
			return nil
		}
	}
	*place = peer{tag: tagOf(h), last: t.now}
	return place
}

// vacant returns the place of a set that nobody needs, or nil: first is the way that is liked best. One whose reply
// is withheld keeps its place.
func vacant(set *[tableWays]peer, first uint64, now int64) *peer {
	for i := range uint64(tableWays) {
		if p := &set[(first^i)%tableWays]; idle(p.last, now) && p.held == 0 {
			return p
		}
	}
	return nil
}

// leastWorth returns the peer of a set that is missed least: the one with the lowest count, or of several the one
// that has been silent for longest. It is nil when all of them have replies withheld.
func leastWorth(set *[tableWays]peer) (least *peer) {
	for i := range set {
		p := &set[i]
		if p.held == 0 && (least == nil || p.count < least.count || p.count == least.count && p.last < least.last) {
			least = p
		}
	}
	return least
}

// idle says whether there was a pause since last. A clock that goes backwards makes everybody idle.
func idle(last, now int64) bool { return uint64(now-last) > uint64(pause) }
