// Package guard decides which datagrams are answered, how long the reply may be, and when it is sent. The
// source of a UDP datagram can be forged, so a server that answers everybody can be turned against others,
// or against itself.
//
// A [Policy] is what an operator decides, a [Guard] is that policy in force, and each worker of a server has
// a [Worker] of it, which it asks about every datagram. Nothing here reads a clock, takes a lock or allocates
// while datagrams come, and the memory that it needs is the same whoever sends.
package guard

import (
	"net/netip"
	"sync/atomic"

	"github.com/retort-udp/retort/core"
)

// Guard applies a Policy for all workers of a server.
type Guard struct {
	policy  Policy
	keys    keys
	workers atomic.Uint64 // that were made

	ports      [1 << 16 / 64]uint64 // a set: the ports that the server listens on
	own        []netip.AddrPort
	local      map[netip.Addr]struct{}
	suspicious [1 << 16 / 64]uint64 // a set: the ports whose owners may be servers
	listed     prefixes
	budget     budget
	rates      *rates  // nil: there is no limit
	mask4      uint128 // of the prefixes that share a rate
	mask6      uint128
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
	}
	for _, a := range listening {
		g.own = append(g.own, netip.AddrPortFrom(a.Addr().Unmap(), a.Port()))
		g.ports[a.Port()/64] |= 1 << (a.Port() % 64)
	}
	for _, a := range p.Local {
		g.local[a.Unmap()] = struct{}{}
	}
	g.suspect()
	g.budget = newBudget(g.policy.MaxAmplification)
	if g.policy.RateLimit != Off {
		g.rates = &rates{bucket: newBucket(g.policy.Rate, g.policy.Burst)}
		g.mask4, g.mask6 = mask(96+g.policy.Prefix4), mask(g.policy.Prefix6)
	}
	return g, nil
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

// source says whether d may be answered at all, by its addresses. Addr is its source as a number; one whose
// port is not suspicious is none of ours.
func (g *Guard) source(d *core.Datagram, addr uint128, suspicious bool) Verdict {
	switch {
	case d.From.Port() == 0:
		return PortZero
	case addr.isUnspecified():
		return Unspecified
	case addr.isMulticast():
		return Multicast
	case addr.isBroadcast():
		return Broadcast
	case suspicious && g.isOwn(d.From, d.To.Addr()):
		return Own
	case g.listed.denies(addr):
		return Denied
	}
	return Admit
}

func has(ports *[1 << 16 / 64]uint64, port uint16) bool {
	return ports[port/64]&(1<<(port%64)) != 0
}

// isOwn says whether peer is a name of one of our listeners. A listener on a wildcard address has every address
// of this host.
func (g *Guard) isOwn(peer netip.AddrPort, to netip.Addr) bool {
	if !has(&g.ports, peer.Port()) {
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

// exchanges returns how many exchanges in strict alternation a peer may have.
func (g *Guard) exchanges(suspicious bool) uint32 {
	if suspicious {
		return uint32(g.policy.LowPortExchanges)
	}
	return uint32(g.policy.ClientPortExchanges)
}

// limitsRate says whether the sources that are on loopback, or those that are not, have a rate.
func (g *Guard) limitsRate(loopback bool) bool {
	return g.rates != nil && (!loopback || g.policy.RateLimit == On)
}

// prefix returns the hash of the prefix that an address shares its rate with.
func (g *Guard) prefix(addr uint128) uint64 {
	if addr.is4() {
		return g.keys.number(addr.and(g.mask4))
	}
	return g.keys.number(addr.and(g.mask6))
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
	return warnings
}

// onLoopback says whether nobody but this host can reach the server.
func (g *Guard) onLoopback() bool {
	for _, a := range g.own {
		if !a.Addr().IsLoopback() {
			return false
		}
	}
	return true
}
