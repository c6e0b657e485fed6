package guard

const (
	tableSets = 1 << 12
	tableWays = 4 // peers of a set
)

// peer is what is remembered of one. Two of them fill a cache line.
type peer struct {
	tag   uint32 // which of the peers that share this set; 0: nobody
	count uint32 // exchanges in strict alternation since the last that was not
	last  int64  // when its last datagram came, in nanoseconds
	reply uint64 // hash of our last reply to it, unless that was its own request; 0: none
	gap   uint32 // the longest time between two datagrams of late, in units of 1,024 ns
	batch uint16 // the number of the batch that its last datagram came in
	held  uint8  // the slot of its withheld reply, and 1; 0: none
	state uint8  // a set of the following
}

const (
	answered = 1 << iota // its last datagram was
	doubted              // its last withheld reply had to be sent late, because it had not gone on without
)

// set is the peers whose hashes share a place in the table.
type set [tableWays]peer

// sets is a table of peers, by their hashes.
type sets [tableSets]set

// peers is a worker's memory of its peers. A Conn's peers stay on one worker.
type peers struct {
	sets  sets
	store store
	door  doorkeeper
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

// tagOf returns the tag of the peer with the hash h.
func tagOf(h uint64) uint32 { return uint32(h>>32) | 1 }

// way returns which peer of the set has the tag; the first if none has. There is no branch that a processor would have
// to foresee.
func (s *set) way(tag uint32) (way uint) {
	if s[1].tag == tag {
		way = 1
	}
	if s[2].tag == tag {
		way = 2
	}
	if s[3].tag == tag {
		way = 3
	}
	return way
}

// look returns the place of the peer with the hash h; that of another if it has none.
func (all *sets) look(h uint64) *peer {
	set := &all[h%tableSets]
	return &set[set.way(tagOf(h))]
}

// find returns the place of the peer with the hash h. A newcomer is given one, or nil if it gets none this time.
func (t *peers) find(h uint64) *peer {
	if p := t.sets.look(h); p.tag == tagOf(h) {
		return p
	}
	set := &t.sets[h%tableSets]
	place := set.vacant(t.now)
	if place == nil && t.door.knows(h) {
		place = t.contended(set, h)
	}
	if place == nil {
		return nil
	}
	*place = peer{tag: tagOf(h), last: t.now}
	return place
}

// vacant returns a place that nobody needs, or nil. One whose reply is withheld keeps its place. The first places are
// the last that are taken, since they are those that newcomers get when all are.
func (s *set) vacant(now int64) *peer {
	longest := max(uint64(now-s[0].last), uint64(now-s[1].last), uint64(now-s[2].last), uint64(now-s[3].last))
	if longest <= uint64(pause) { // nobody is idle, as nearly always in a flood: one branch instead of four
		return nil
	}
	for i := tableWays - 1; i >= 0; i-- {
		if p := &s[i]; idle(p.last, now) && p.held == 0 {
			return p
		}
	}
	return nil
}

// leastWorth returns the peer of the set that is missed least: the one with the lowest count, or of several the one
// that has been silent for longest. It is nil when all of them have replies withheld.
func (s *set) leastWorth() (least *peer) {
	for i := range s {
		p := &s[i]
		if p.held == 0 && (least == nil || p.count < least.count || p.count == least.count && p.last < least.last) {
			least = p
		}
	}
	return least
}

// idle says whether there was a pause since last. A clock that goes backwards makes everybody idle.
func idle(last, now int64) bool { return uint64(now-last) > uint64(pause) }
