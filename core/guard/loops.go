package guard

// How a loop ends. Two servers that answer each other pass on the datagrams that they were given and make
// none, so one datagram that is not passed on ends the loop. But an honest client that asks, waits for the
// answer and asks again looks the same from here. So each peer may have a number of exchanges in strict
// alternation with us, and then one reply is withheld: computed and kept for a moment.
//
//   - Whoever has other questions on their way goes on, and gets that reply together with the next. He has
//     lost nothing, and his count starts anew.
//   - Whoever waited for exactly this reply says nothing, and gets it late. Then the reply to his very next
//     datagram is withheld in the same way, for he is doubted; and if he does not go on without that one
//     either, it is lost: an honest client asks again, and a loop is over.
//
// It takes two for the sake of clients that send several requests at once, and the next when all of them are
// answered. They have others on their way but for the last of each burst, and from here that is hard to tell from the
// first. A reply is withheld after a gap that is as long as any of late: the first of a burst comes after a
// pause in which its client waited for us. (A loop's gaps are all alike; if they are not, it lives for a little longer.)
// Where the way there delays some datagrams more than others that may be the last all the same. But when its reply comes
// late its client has waited for nothing else, so what he says next is the first of a burst; unless something has held
// up the rest of the last one for even longer.
//
// Two datagrams of a peer in one batch are the same proof for free: both arrived before any reply of that
// batch had left. A pause starts the count anew too.
//
// Apart from that, a datagram that repeats our last reply to its sender, however long ago that was, is dropped
// at once. That ends the loops that have come to a fixed point, however many datagrams go round in them.
//
// Several datagrams that go round between us and one peer are, from here, a client with as many requests on their
// way: whatever would end the one would have the other wait for ever. Only the rate of the peer's prefix bounds them,
// and ends those that are fast, for each refusal takes one out. On loopback there is no rate unless the policy says so,
// and they go on; but only who may forge on this host can begin them there.

import (
	"math/bits"
	"time"

	"github.com/retort-udp/retort/core"
)

const (
	// pause ends an uninterrupted exchange. It is longer than the round trip of a loop is; one that is
	// slower yet hurts nobody.
	pause = 2 * time.Second

	// A withheld reply waits for this many times the longest recent gap between two datagrams of its
	// peer, and a little longer, for a peer may be held up; but not for longer than a pause. Clients
	// repeat a lost question later than that. The first of two, which is sent all the same, waits for less; but
	// the rest of its burst should have arrived by then.
	patienceGaps  = 4
	patience      = 50 * time.Millisecond
	firstPatience = 10 * time.Millisecond
	longestFirst  = 500 * time.Millisecond

	// gapFades is how slowly the longest gap is forgotten: a peer that sends in bursts must not forget within one
	// how long it waits between two. With each datagram goes a part of so many of what it is longer than the last
	// gap. When half of its further exchanges are over it is a part of fadesAtLast: then its longest gap was one
	// that does not come again.
	gapFades    = 64
	fadesAtLast = 8

	// likeLongest is the part of the longest gap that another may be shorter, and count as one like it.
	likeLongest = 16

	// mostFurther keeps a loop with a client's port below 70,000 datagrams.
	mostFurther = 1 << 12
)

// furtherExchanges is how many exchanges a peer may have at most beyond its limit, until there is a good moment to
// withhold a reply, and room for it: many peers may come to their limits at the same moment, and they have to go on
// for a while to take turns. At the default a loop with a service is below 1,000 datagrams, counted both ways, from when it
// has a place in the table: while a flood of sources fills that, from its second or third datagram on (see door.go).
func furtherExchanges(limit uint32) uint32 { return min(limit/4-limit/100, mostFurther) }

// arrived notes a datagram of a peer, with its payload. It returns the withheld reply that the datagram releases,
// or nil.
//
// When returned is true the datagram says what we said last, and must not be answered.
func (t *peers) arrived(k *acquaintance, payload []byte) (release *slot, returned bool) {
	p := k.place
	if p == nil || p.tag != tagOf(k.pair) {
		p = t.find(k.pair)
		k.place = p
		if p == nil {
			return nil, false
		}
	}
	gap := uint64(t.now - p.last)
	together := gap == 0 && p.batch == t.batch
	p.last, p.batch = t.now, t.batch
	wasAnswered := p.state&answered != 0
	p.state &^= answered // until we know

	if p.reply != 0 && sameLength(p.reply, len(payload)) && !together && t.keys.payload(payload) == p.reply {
		p.reply = 0 // an honest client that means it will say it again
		p.restart()
		return nil, true
	}
	if gap > uint64(pause) {
		p.gap = 0
		p.restart()
		t.store.drop(p)
		return nil, false
	}
	t.gap = uint32(gap >> gapShift)
	p.noteGap(t.gap)
	if p.held != 0 {
		p.restart()
		return t.store.take(p), false
	}
	p.count++
	if together || !wasAnswered {
		p.restart()
	}
	return nil, false
}

// restart begins a peer's exchanges anew: it has shown that it is no loop.
func (p *peer) restart() {
	p.count = 0
	p.state &^= doubted
}

// isRipe says whether this is the moment to withhold a reply to a peer that has had its exchanges: whether it is doubted,
// or its last datagram came after a gap that was about as long as any of late.
func (p *peer) isRipe(gap, limit uint32) bool {
	if p.state&doubted != 0 || p.isOverdue(limit) || gap >= p.gap-p.gap/likeLongest {
		return true
	}
	if p.count > limit+furtherExchanges(limit)/2 {
		p.gap -= (p.gap - gap) / fadesAtLast
	}
	return false
}

// isOverdue says whether p must have no more exchanges, but for the one with which it is doubted.
func (p *peer) isOverdue(limit uint32) bool { return p.count >= limit+furtherExchanges(limit) }

// gapShift turns nanoseconds into the unit of peer.gap. A pause is some two million of them.
const gapShift = 10

func (p *peer) noteGap(gap uint32) {
	if gap >= p.gap {
		p.gap = gap
		return
	}
	p.gap -= (p.gap - gap) / gapFades
}

// keep withholds a reply to m from p, who sent it, until it has waited for long enough. Echo says that the reply repeats
// its request. It returns false when there is no room.
func (t *peers) keep(p *peer, m *core.Message, reply []byte, echo bool) bool {
	wait := p.patience()
	if p.state&doubted == 0 {
		wait = min(wait-int64(patience-firstPatience), int64(longestFirst))
	}
	return t.store.keep(p, m, reply, echo, t.now+wait)
}

// patience returns how long p is waited for at most, in nanoseconds: one that goes on has said something by then.
func (p *peer) patience() int64 {
	return min(int64(p.gap)<<gapShift*patienceGaps+int64(patience), int64(pause))
}

// takeLate takes one of the replies that are due, and doubts its peer.
func (t *peers) takeLate() *slot {
	slot := t.store.take(t.store.slots[bits.TrailingZeros64(t.store.due)].owner)
	p := slot.owner
	p.state |= answered
	if p.count > 0 { // else it has shown meanwhile that it is no loop
		p.state |= doubted
	}
	p.last = t.now // the next gap begins here
	p.reply = 0
	if !slot.echo {
		p.reply = t.keys.payload(slot.payload)
	}
	return slot
}
