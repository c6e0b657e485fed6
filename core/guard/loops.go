package guard

// How a loop ends. Two servers that answer each other pass on the datagrams that they were given and make
// none, so one datagram that is not passed on ends the loop. But an honest client that asks, waits for the
// answer and asks again looks the same from here. So each peer may have a number of exchanges in strict
// alternation with us, and then one reply is withheld: computed and kept for a moment.
//
//   - Whoever has other questions on their way goes on, and gets that reply together with the next. He has
//     lost nothing, and his count starts anew.
//   - Whoever waited for exactly this reply says nothing. The reply is lost: an honest client asks again,
//     and a loop is over.
//
// Two datagrams of a peer in one batch are the same proof for free: both arrived before any reply of that
// batch had left. A pause starts the count anew too.
//
// Apart from that, a datagram that repeats our last reply to its sender, however long ago that was, is dropped
// at once. That ends the loops that have come to a fixed point, however many datagrams go round in them.
//
// Several datagrams that go round between us and one peer look like a client with as many requests on their
// way, and only the rate of the peer's prefix bounds them.

import (
	"math/rand/v2"
	"time"
)

const (
	// pause ends an uninterrupted exchange. It is longer than the round trip of a loop is; one that is
	// slower yet hurts nobody.
	pause = 2 * time.Second

	// A withheld reply waits for this many times the longest recent gap between two datagrams of its
	// peer, and a little longer, for a peer may be held up; but not for longer than a pause. Clients
	// repeat a lost question later than that.
	patienceGaps = 4
	patience     = 50 * time.Millisecond

	// gapFades is how slowly the longest gap is forgotten: by a part of so many with each datagram.
	gapFades = 64

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

// mostExchanges is how many exchanges a peer with a limit may have that is to have its reply withheld, while there
// is no room to keep that: many peers may come to their limits at the same moment, and they have to go on for a
// while to take turns.
func mostExchanges(limit uint32) uint32 { return limit + limit/16 }

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
}

// find returns the place of the peer with the hash h, or nil when it gets none this time.
func (t *peers) find(h uint64, now int64, draws *rand.PCG) *peer {
	set := &t.sets[h%tableSets]
	tag := uint32(h>>32) | 1
	for i := range set {
		if set[i].tag == tag {
			return &set[i]
		}
	}
	p := leastWorth(set, now)
	if p == nil {
		return nil
	}
	if p.tag != 0 && !idle(p.last, now) {
		bits := newcomerBits + min(p.count, oldTimerBits)
		if draws.Uint64()>>(64-bits) != 0 {
			return nil
		}
	}
	*p = peer{tag: tag, last: now}
	return p
}

// leastWorth returns the peer of a set that is missed least: one that is idle, or else the one with the
// lowest count, or of several the one that has been silent for longest. One whose reply is withheld keeps its
// place; when all do there is none.
func leastWorth(set *[tableWays]peer, now int64) (least *peer) {
	for i := range set {
		p := &set[i]
		switch {
		case p.held != 0:
		case p.tag == 0 || idle(p.last, now):
			return p
		case least == nil || p.count < least.count || p.count == least.count && p.last < least.last:
			least = p
		}
	}
	return least
}

// idle says whether there was a pause since last. A clock that goes backwards makes everybody idle.
func idle(last, now int64) bool { return uint64(now-last) > uint64(pause) }

// arrived notes a datagram of p, with its payload, in the given batch. It returns the withheld reply that
// the datagram releases, or nil.
//
// When returned is true the datagram says what we said last, and must not be answered.
func (t *peers) arrived(
	p *peer, payload []byte, k *keys, batch uint16, now int64,
) (release *slot, returned bool) {
	gap := uint64(now - p.last)
	together := gap == 0 && p.batch == batch
	p.last, p.batch = now, batch
	answered := p.answered
	p.answered = false // until we know

	if !together && p.reply != 0 && sameLength(p.reply, len(payload)) && k.payload(payload) == p.reply {
		p.reply, p.count = 0, 0 // an honest client that means it will say it again
		return nil, true
	}
	if gap > uint64(pause) {
		p.gap, p.count = 0, 0
		t.store.drop(p)
		return nil, false
	}
	p.noteGap(uint32(gap >> gapShift))
	if p.held != 0 {
		p.count = 0
		return t.store.take(p), false
	}
	if together || !answered {
		p.count = 0
	} else {
		p.count++
	}
	return nil, false
}

// gapShift turns nanoseconds into the unit of peer.gap. A pause is some two million of them.
const gapShift = 10

func (p *peer) noteGap(gap uint32) {
	if gap >= p.gap {
		p.gap = gap
		return
	}
	p.gap -= (p.gap - gap) / gapFades
}

// deadline is until when a reply that is withheld from p now may be released.
func (p *peer) deadline(now int64) int64 {
	return now + min(int64(p.gap)<<gapShift*patienceGaps+int64(patience), int64(pause))
}

// replied notes the reply that p is sent for a request.
func (p *peer) replied(request, reply []byte, k *keys) {
	p.answered = true
	if same(request, reply) {
		p.reply = 0 // nobody could tell it from the request again
		return
	}
	p.reply = k.payload(reply)
}

// same says whether two payloads are equal as far as they are hashed.
func same(a, b []byte) bool {
	n := len(a)
	if n != len(b) {
		return false
	}
	if n <= hashedFirst+hashedLast {
		return string(a) == string(b)
	}
	return string(a[:hashedFirst]) == string(b[:hashedFirst]) && string(a[n-hashedLast:]) == string(b[n-hashedLast:])
}
