package guard

import (
	"math/bits"
	"net/netip"

	"github.com/retort-udp/retort/core"
)

const (
	smallReplies  = 58   // that one worker may keep
	middleReplies = 2    // and these
	largeReplies  = 2    // and these, which may be as long as a reply can be
	smallSize     = 1500 // bytes: what fits a datagram that is not fragmented
	middleSize    = 4096 // bytes: what DNS makes of it

	replies  = smallReplies + middleReplies + largeReplies
	allSmall = 1<<smallReplies - 1 // the set of their slots
	notLarge = 1<<(smallReplies+middleReplies) - 1
	allSlots = 1<<replies - 1
)

// store keeps withheld replies until they are released or lost.
type store struct {
	used   uint64 // a set of slots: the larger ones lie behind the smaller ones
	due    uint64 // a set, of these: have waited for long enough, and are to be sent late
	oldest int64  // no deadline is earlier
	counts *Counts
	slots  [replies]slot
	small  [smallReplies][smallSize]byte
	middle [middleReplies][middleSize]byte
	large  [largeReplies][core.MaxPayload6]byte
}

// slot is one withheld reply.
type slot struct {
	owner    *peer
	message  core.Message // that it answers, without its data
	deadline int64
	payload  []byte // valid until the next reply is withheld
	echo     bool   // it repeats its request
}

// room returns the memory of slot i.
func (s *store) room(i int) []byte {
	switch {
	case i < smallReplies:
		return s.small[i][:]
	case i < smallReplies+middleReplies:
		return s.middle[i-smallReplies][:]
	}
	return s.large[i-smallReplies-middleReplies][:]
}

// keep withholds a reply to m from p, who sent it, until deadline. Echo says that the reply repeats its request. It
// returns false when there is no room.
func (s *store) keep(p *peer, m *core.Message, reply []byte, echo bool, deadline int64) bool {
	free := allSlots &^ s.used
	switch {
	case len(reply) > middleSize:
		free &^= notLarge
	case len(reply) > smallSize:
		free &^= allSmall
	}
	if free == 0 {
		return false
	}
	i := bits.TrailingZeros64(free)
	if s.used == 0 || deadline < s.oldest {
		s.oldest = deadline
	}
	s.counts.Withheld++
	s.used |= 1 << i
	s.slots[i] = slot{p, *m, deadline, append(s.room(i)[:0], reply...), echo}
	s.slots[i].message.Data, s.slots[i].message.Segment = nil, 0
	p.held = uint8(i + 1)
	return true
}

// refuse loses a reply to from for which there is no room.
func (s *store) refuse(from netip.AddrPort) {
	s.counts.Withheld++
	s.lose(from)
}

// take returns what is withheld from p, and frees its slot.
func (s *store) take(p *peer) *slot {
	slot := &s.slots[p.held-1]
	s.free(p)
	s.counts.Released++
	return slot
}

// late says whether the deadline is over. One that is further away than it can be was set before the clock
// went backwards.
func (s *slot) late(now int64) bool { return uint64(s.deadline-now) > uint64(pause) }

// drop loses what is withheld from p, if anything is.
func (s *store) drop(p *peer) {
	if p.held != 0 {
		s.lose(s.slots[p.held-1].message.From)
		s.free(p)
	}
}

func (s *store) lose(from netip.AddrPort) {
	s.counts.Lost++
	s.counts.LostFrom = from
}

func (s *store) free(p *peer) {
	s.used &^= 1 << (p.held - 1)
	s.due &= s.used
	p.held = 0
}

// sweep finds what has waited for long enough; every batch begins with it. The replies of peers that are doubted are
// lost, and the others due; but if that batch comes so late that it would begin a loop again that is over, these are lost
// too. One that comes earlier than the first deadline pays for one comparison.
func (s *store) sweep(now int64) {
	if s.used == 0 || uint64(s.oldest-now) <= uint64(pause) {
		return
	}
	s.oldest = now + int64(pause)
	for left := s.used; left != 0; left &= left - 1 {
		i := bits.TrailingZeros64(left)
		slot := &s.slots[i]
		switch {
		case !slot.late(now):
			s.oldest = min(s.oldest, slot.deadline)
		case slot.owner.state&doubted != 0 || now-slot.deadline > int64(pause):
			s.drop(slot.owner)
		default:
			s.due |= 1 << i
		}
	}
}

// clear loses everything.
func (s *store) clear() {
	for left := s.used; left != 0; left &= left - 1 {
		s.drop(s.slots[bits.TrailingZeros64(left)].owner)
	}
}
