package vectors

import (
	"net/netip"
	"time"

	"github.com/retort-udp/retort/core"
)

// state is what the directives up to a vector have said.
type state struct {
	from  netip.AddrPort
	to    netip.AddrPort // not valid: none was given
	time  time.Time
	limit int // negative: none was given
}

// newState returns what holds before the first directive.
func newState() *state {
	return &state{
		from:  netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 50000),
		time:  time.Date(2026, 11, 22, 13, 40, 0, 123456000, time.UTC),
		limit: -1,
	}
}

// local is the address that the datagram was sent to.
func (s *state) local() netip.AddrPort {
	const port = 1060
	switch {
	case s.to.IsValid():
		return s.to
	case s.from.Addr().Is4():
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)
	}
	return netip.AddrPortFrom(netip.IPv6Loopback(), port)
}

// room is how many bytes a reply may have.
func (s *state) room() int {
	if s.limit >= 0 {
		return s.limit
	}
	return core.MaxPayload(s.from.Addr())
}
