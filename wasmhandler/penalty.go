package wasmhandler

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"time"
)

// DefaultFaultAllowance is what Config.FaultAllowance is when it is zero.
const DefaultFaultAllowance = 8

// The back-off of a source whose datagrams make the guest fault.
const (
	firstPenalty   = 100 * time.Millisecond // for the first fault beyond the allowance; each further one doubles it
	longestPenalty = time.Minute
	forgiveAfter   = 10 * time.Second // without a fault, and not being silenced, after which one fault is forgotten
)

// The table of a worker: sets of a few places each, 64 KiB together.
const (
	penaltySets = 256
	penaltyWays = 8
)

// penalties remembers which sources made a guest fault, and for how long nobody listens to them. It is one worker's,
// of fixed size, and its clock is the arrival of datagrams.
//
// A source is a prefix, /24 or /56, which one owner is taken to have: single addresses cost an attacker nothing. On
// loopback, where everybody has the same address, it is an address and a port. Addresses can be forged: whoever
// forges another's can silence that other here, for as long as he keeps causing faults and at most a minute
// longer. The alternative is to let him replace the guest without end, at everybody's cost.
//
// When all places of a set are taken, the source with the least to its name is forgotten: an attacker pays for a
// place in the table with as many faults as he wants others forgotten for.
type penalties struct {
	key       [2]uint64 // nobody else can compute which sources share a set
	allowance int32     // faults that are free; negative: all
	latest    int64     // no source is silenced from then on
	slots     *[penaltySets][penaltyWays]penalty
}

// penalty is what one source has to its name. Times are nanoseconds since the Unix epoch.
type penalty struct {
	source uint64 // a hash; 0: nobody
	faults int32  // not forgotten as of since
	since  int64  // of the last fault, or the end of the silence that it earned: faults are forgotten from then on
	from   int64  // of the last fault
}

// newPenalties returns the table of one worker. It is made at the first fault.
func newPenalties(seed uint64, worker int, allowance int) penalties {
	return penalties{
		key:       [2]uint64{seed ^ 0x9e3779b97f4a7c15, fold(seed^0xd1342543de82ef95, uint64(worker)*2+0xa0761d6478bd642f)},
		allowance: int32(max(-1, min(allowance, 1<<30))),
	}
}

// any says whether there may be a source that is silenced.
func (p *penalties) any() bool { return p.latest != 0 }

// silences says whether the source of a datagram is silenced.
func (p *penalties) silences(from netip.AddrPort, at time.Time) bool {
	if !p.any() {
		return false
	}
	now := at.UnixNano()
	if now >= p.latest {
		p.latest = 0
		return false
	}
	source := p.source(from)
	for i := range p.slots[source%penaltySets] {
		// A datagram that arrived before the last fault was waiting in the same batch, or the clock was set back.
		if s := &p.slots[source%penaltySets][i]; s.source == source {
			return now < s.since && now >= s.from
		}
	}
	return false
}

// charge notes that a datagram made the guest fault.
func (p *penalties) charge(from netip.AddrPort, at time.Time) {
	if p.allowance < 0 {
		return
	}
	if p.slots == nil {
		p.slots = new([penaltySets][penaltyWays]penalty)
	}
	now := at.UnixNano()
	s := p.slot(p.source(from), now)
	s.faults = min(s.left(now), p.allowance+maxDoublings) + 1
	s.from, s.since = now, now
	if beyond := s.faults - p.allowance; beyond > 0 {
		wait := min(firstPenalty<<(min(beyond, maxDoublings)-1), longestPenalty)
		s.since += int64(wait)
		p.latest = max(p.latest, s.since)
	}
}

// maxDoublings is so many that no more of them change anything.
const maxDoublings = 11

// slot returns the place of a source, which may have to take it from another.
func (p *penalties) slot(source uint64, now int64) *penalty {
	set := &p.slots[source%penaltySets]
	least := &set[0]
	for i := range set {
		s := &set[i]
		if s.source == source {
			return s
		}
		if s.left(now) < least.left(now) {
			least = s
		}
	}
	*least = penalty{source: source}
	return least
}

// left is how many faults are not forgotten now.
func (s *penalty) left(now int64) int32 {
	quiet := now - s.since
	if quiet < 0 { // silenced, or the clock was set back
		if now < s.from-int64(forgiveAfter) {
			return 0
		}
		return s.faults
	}
	return max(0, s.faults-int32(min(quiet/int64(forgiveAfter), 1<<30)))
}

// source hashes the prefix of an address, or on loopback the address with its port; it is never 0.
func (p *penalties) source(from netip.AddrPort) uint64 {
	addr := from.Addr().Unmap()
	b := addr.As16()
	hi, lo := binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	switch {
	case addr.IsLoopback():
		hi ^= uint64(from.Port()) << 16
	case addr.Is4():
		lo &^= 1<<8 - 1
	case addr.IsLinkLocalUnicast(): // all of a link's have one prefix
	default:
		hi, lo = hi&^(1<<8-1), 0
	}
	return fold(fold(hi^p.key[0], lo^p.key[1]), p.key[0]|1) | 1<<63
}

// fold multiplies to 128 bits and folds the halves together, as in Wang Yi's wyhash.
func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}
