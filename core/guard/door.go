package guard

import "math/bits"

// Who gets a place when all four of a set are taken. A flood of sources that come once must neither push out those that
// come again nor keep out a loop that begins meanwhile, so a newcomer is turned away the first time, and gets a place
// when it comes again while a doorkeeper still knows it. That is from TinyLFU (Einziger, Friedman and Manes 2017), but
// that this doorkeeper is a table and not a Bloom filter: who is turned away takes the place of somebody who was
// before, and there is nothing to reset. A loop that begins has a place from its second datagram on while a few thousand
// others come between two of it, and from its tenth or so, seldom its fiftieth, while 100,000 do.
//
// What somebody can gain who forges sources:
//
//   - One that comes once is turned away, but in one case of 256, in which its fingerprint is somebody else's. That is
//     also the only way in for a loop when so many come between two of its datagrams that the doorkeeper forgets it.
//   - One that comes twice takes a place from another that has had no exchanges. Each place of a set is harder to get
//     than the one before, so that one is left for long enough to a loop that is slower than the flood. Of 30,000 such
//     datagrams between two of its own a loop makes some nine more exchanges, and of 100,000 some fifty.
//   - One that comes more often looks like a loop that begins, and keeps its place like one: as long as a withheld reply
//     would wait for it. Those that are fast lose it soon, and if there are enough of them a fast loop may have to wait for
//     that, a few exchanges as a rule and some hundreds at worst. But as many slow ones as the table has places, each with
//     a datagram every second or two, fill it as so many clients would, and loops that begin live for about a thousand
//     exchanges more.
//   - Nobody pushes out a peer that has had exchanges and goes on but those that come again: these do it in one case
//     of 128 after its first exchange, and so on to one of 1,024 after four, and of a set only to the one with the fewest.
const (
	doorPrints = 48 << 10 // fingerprints of those that were turned away

	// A newcomer that comes again may get the first place of a set in three of four tries, the second in three of 16,
	// the third in three of 64, and any in the rest. These are the bits of a draw that say whether to go one further.
	wayBits = 2

	oldTimerBits = 4 // with so many exchanges nobody is harder to push out than with one more
)

// doorkeeper knows those that were turned away lately. A fingerprint is a byte.
type doorkeeper [doorPrints]uint8

// knows says whether it has seen the newcomer with the hash h lately, and that it has seen it now.
func (d *doorkeeper) knows(h uint64) bool {
	seen, print := &d[h>>32*doorPrints>>32], uint8(h>>32)
	if *seen == print {
		return true
	}
	*seen = print
	return false
}

// contended returns the place in a full set that a newcomer gets when it comes again, or nil: that of a peer that has had
// no exchanges, or no longer goes on, and once in a while that of one that does.
func (t *peers) contended(s *set, h uint64) *peer {
	draw := fold(h^uint64(t.now), t.keys[0]) // nobody else can compute it
	way := min(bits.TrailingZeros64(draw)/wayBits, tableWays-1)
	if p := &s[way]; p.held == 0 && (p.count == 0 || uint64(t.now-p.last) > uint64(p.patience())) {
		return p
	}
	if way < tableWays-1 {
		return nil
	}
	p := s.leastWorth()
	if p == nil || draw>>(64-min(p.count, oldTimerBits)) != 0 {
		return nil
	}
	return p
}
