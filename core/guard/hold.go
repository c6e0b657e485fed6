package guard

import (
	"math/bits"
	"net/netip"
)

const (
	heldReplies = 64   // of one worker; each bit of store.used is one
	heldSize    = 1500 // bytes: what fits a datagram that is not fragmented
)

// store keeps withheld replies until they are released or lost.
type store struct {
	used   uint64 // a set of slots
	oldest int64  // no deadline is earlier
	counts *Counts
	slots  [heldReplies]slot
}

// slot is one withheld reply.
type slot struct {
	owner    *peer
	from     netip.AddrPort // whose address is this
	deadline int64
	size     int
	data     [heldSize]byte
}

// payload returns the reply. It is valid until the next one is withheld.
func (s *slot) payload() []byte { return s.data[:s.size:s.size] }

// keep withholds a reply from p, whose address is from, until deadline. What cannot be kept is lost.
func (s *store) keep(p *peer, from netip.AddrPort, reply []byte, deadline int64) {
	s.counts.Withheld++
	i := bits.TrailingZeros64(^s.used)
	if i == heldReplies || len(reply) > heldSize {
		s.lose(from)
		return
	}
	if s.used == 0 || deadline < s.oldest {
		s.oldest = deadline
	}
	s.used |= 1 << i
	slot := &s.slots[i]
	slot.owner, slot.from, slot.deadline = p, from, deadline
	slot.size = copy(slot.data[:], reply)
	p.held = uint8(i + 1)
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
		s.lose(s.slots[p.held-1].from)
		s.free(p)
	}
}

func (s *store) lose(from netip.AddrPort) {
	s.counts.Lost++
	s.counts.LostFrom = from
}

func (s *store) free(p *peer) {
	s.used &^= 1 << (p.held - 1)
	p.held = 0
}

// sweep loses what has waited for too long; every batch begins with it. One that comes earlier than the first
// deadline pays for one comparison.
func (s *store) sweep(now int64) {
	if s.used == 0 || uint64(s.oldest-now) <= uint64(pause) {
		return
	}
	s.oldest = now + int64(pause)
	for left := s.used; left != 0; left &= left - 1 {
		slot := &s.slots[bits.TrailingZeros64(left)]
		if slot.late(now) {
			s.drop(slot.owner)
			continue
		}
		s.oldest = min(s.oldest, slot.deadline)
	}
}

// clear loses everything.
func (s *store) clear() {
	for left := s.used; left != 0; left &= left - 1 {
		s.drop(s.slots[bits.TrailingZeros64(left)].owner)
	}
}
