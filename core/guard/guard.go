// Package guard decides which datagrams are answered, how long the reply may be, and when it is sent. The
// source of a UDP datagram can be forged, so a server that answers everybody can be turned against others,
// or against itself.
//
// A [Policy] is what an operator decides, a [Guard] is that policy in force, and each worker of a server has
// a [Worker] of it, which it asks about every datagram. Nothing here reads a clock, takes a lock or allocates
// while datagrams come, and the memory that it needs is the same whoever sends. What an operator cannot decide,
// [Guard.Explain] lists: the length of a pause, and the sizes of the tables.
//
// The words of this package: a peer is an address and port that datagrams come from, and an exchange one of its
// datagrams with our reply. A worker looks ahead: it meets the messages of a batch before it answers the first, and
// what it then knows of each is an acquaintance. A peer that it remembers has a place in the table of its peers; a
// reply that it withholds has a slot in its store. A prefix of peers has a bucket, which all workers fill, in a cell
// of the table of rates. A worker's own copy of a bucket is a tab, on which it notes what it owes; its till has all
// its tabs, and to settle one is to pay what is owed into the bucket. In a crowd there are not tabs enough, and datagrams
// of prefixes that have sent little pass them by.
package guard

import (
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/retort-udp/retort/core"
)

// Guard applies a Policy for all workers of a server.
type Guard struct {
	policy  Policy
	keys    keys
	workers atomic.Uint64 // that were made
	start   atomic.Pointer[time.Time]

	ports      [1 << 16 / 64]uint64 // a set: those of own
	own        []netip.AddrPort     // what the server listens on, and then Policy.Own
	listening  int                  // how many of them are the server's
	local      map[netip.Addr]struct{}
	broadcast  map[uint128]struct{}
	fewPorts   uint64               // a set: the ports of own modulo 64
	fewAddrs   [1 << 10 / 64]uint64 // a set: the addresses of broadcast modulo 1,024
	suspicious [1 << 16 / 64]uint64 // a set: the ports whose owners may be servers
	exchanges  [2]uint32            // how many in strict alternation a peer may have; the second if it is suspicious
	listed     prefixes
	kinds      [4]kind
	rates      *rates // nil: there is no limit
}

// New returns a Guard for a server that listens on the given addresses. A nil policy is the zero one. The
// error is what Validate says.
func New(p *Policy, listening ...netip.AddrPort) (*Guard, error) {
	if p == nil {
		p = new(Policy)
	}
	if err := p.Validate(listening...); err != nil {
		return nil, err
	}
	g := &Guard{
		policy: p.withDefaults(),
		keys:   newKeys(p.Seed),
		local:  make(map[netip.Addr]struct{}, len(p.Local)),
		listed: newPrefixes(p.Deny, p.Allow),

		listening: len(listening),
		broadcast: make(map[uint128]struct{}, len(knownBroadcast)+len(p.Broadcast)),
	}
	for _, a := range slices.Concat(listening, p.Own) {
		g.own = append(g.own, netip.AddrPortFrom(a.Addr().Unmap(), a.Port()))
		g.ports[a.Port()/64] |= 1 << (a.Port() % 64)
		g.fewPorts |= 1 << (a.Port() % 64)
	}
	for _, a := range p.Local {
		g.local[a.Unmap()] = struct{}{}
	}
	for _, a := range slices.Concat(knownBroadcast[:], p.Broadcast) {
		g.broadcast[wide(a)] = struct{}{}
		g.fewAddrs[wide(a).lo/64%16] |= 1 << (wide(a).lo % 64)
	}
	g.suspect()
	g.exchanges = [2]uint32{uint32(g.policy.ClientPortExchanges), uint32(g.policy.LowPortExchanges)}
	g.kinds = kinds(&g.policy)
	if g.policy.RateLimit != Off {
		g.rates = &rates{bucket: newBucket(g.policy.Rate, g.policy.Burst)}
	}
	return g, nil
}

// startOfTime is what the clock of a Guard shows when the first batch arrives. It is long behind the time 0, at which
// places in the tables seem to have been used last that never were, whatever batches of other workers arrived before.
const startOfTime = time.Hour

// began returns when the first batch arrived, given when one did. The workers share a clock that begins with it: a time
// since another is not moved by those who set the clock of the system, where the times have monotonic readings.
func (g *Guard) began(arrival time.Time) *time.Time {
	g.start.CompareAndSwap(nil, &arrival)
	return g.start.Load()
}

// knownBroadcast are the addresses of all hosts, and of all of the loopback network in both of its forms, of which
// the one with zeros is as old as RFC 919.
var knownBroadcast = [...]netip.Addr{
	netip.AddrFrom4([4]byte{255, 255, 255, 255}),
	netip.AddrFrom4([4]byte{127, 255, 255, 255}),
	netip.AddrFrom4([4]byte{127, 0, 0, 0}),
}

// knownServices are services whose servers answer whatever comes, or enough of it to take part in a loop:
// echo, daytime, qotd, chargen, time, dns, tftp, portmapper, ntp, snmp, cldap, ssdp, mdns and memcached. They
// are below the ports of clients anyway, unless an operator moves those.
var knownServices = [...]uint16{7, 13, 17, 19, 37, 53, 69, 111, 123, 161, 389, 1900, 5353, 11211}

// suspect fills in the ports whose owners may be servers.
func (g *Guard) suspect() {
	copy(g.suspicious[:], g.ports[:]) // another server like us is likely to have our port
	add := func(port uint16) { g.suspicious[port/64] |= 1 << (port % 64) }
	for port := range g.policy.ClientPorts {
		add(port)
	}
	for _, port := range knownServices {
		add(port)
	}
	for _, port := range g.policy.ServicePorts {
		add(port)
	}
}

// mayBeRefused says whether source could refuse what comes from there. It is a quick look that spares nearly all
// peers the thorough one.
func (g *Guard) mayBeRefused(addr uint128, port uint16) bool {
	return port == 0 || !addr.isOrdinary() || g.listed.some ||
		(g.fewPorts>>(port%64)|g.fewAddrs[addr.lo/64%16]>>(addr.lo%64))&1 != 0
}

// source says whether datagrams of m may be answered at all, by their addresses. Addr is their source as a number.
func (g *Guard) source(m *core.Message, addr uint128) Verdict {
	switch {
	case m.From.Port() == 0:
		return PortZero
	case addr.isNobody():
		return Unspecified
	case addr.isMulticast():
		return Multicast
	case g.isBroadcast(addr):
		return Broadcast
	case g.isOwn(m.From, m.To.Addr()):
		return Own
	case g.listed.denies(addr):
		return Denied
	case m.Group && !g.policy.AnswerGroup:
		return Group
	}
	return Admit
}

// has returns 1 when the port is in the set, and else 0.
func has(ports *[1 << 16 / 64]uint64, port uint16) uint64 {
	return ports[port/64] >> (port % 64) & 1
}

// isBroadcast says whether addr is that of all hosts of a network, as far as is known.
func (g *Guard) isBroadcast(addr uint128) bool {
	_, is := g.broadcast[addr]
	return is
}

// isOwn says whether peer is a name of one of our addresses. A listener on a wildcard address has every address
// of this host.
func (g *Guard) isOwn(peer netip.AddrPort, to netip.Addr) bool {
	if has(&g.ports, peer.Port()) == 0 {
		return false
	}
	from := peer.Addr().Unmap()
	for _, own := range g.own {
		if own.Port() != peer.Port() {
			continue
		}
		if own.Addr() == from {
			return true
		}
		if own.Addr().IsUnspecified() && (own.Addr().Is6() || from.Is4()) && g.isLocal(from, to) {
			return true
		}
	}
	return false
}

// isLocal says whether from is an address of this host, as far as can be told without asking it.
func (g *Guard) isLocal(from, to netip.Addr) bool {
	if from.IsLoopback() || from == to.Unmap() {
		return true
	}
	_, listed := g.local[from]
	return listed
}

// Prefix returns the prefix that an address shares its rate with. A log names it instead of the address.
func (g *Guard) Prefix(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := g.policy.Prefix6
	if addr.Is4() {
		bits = g.policy.Prefix4
	}
	prefix, _ := addr.Prefix(bits) // the zero Prefix for the zero Addr
	return prefix
}

// Warnings are what an operator should be told when a server starts, because it is less safe than it could
// be.
func (g *Guard) Warnings() (warnings []string) {
	if g.policy.LoopGuard == Off {
		warnings = append(warnings,
			"the loop guard is off: one forged datagram can make this server and another answer each other for ever")
	}
	if g.policy.RateLimit == Off && !g.onLoopback() {
		warnings = append(warnings, "the rate limit is off: forged requests can make this server flood their victim")
	}
	if most := g.policy.MaxAmplification; most > DefaultMaxAmplification && !g.onLoopback() {
		limit := "not limited"
		if g.kinds[0].budget != noBudget {
			limit = fmt.Sprintf("limited to %v times", most)
		}
		warnings = append(warnings, "the amplification is "+limit+": forged requests can make this server send their victim "+
			"more than whoever forges them has to send")
	}
	return warnings
}

// onLoopback says whether nobody but this host can reach the server.
func (g *Guard) onLoopback() bool {
	for _, a := range g.own[:g.listening] {
		if !a.Addr().IsLoopback() {
			return false
		}
	}
	return true
}
