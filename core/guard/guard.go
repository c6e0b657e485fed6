// Package guard decides which datagrams are answered. The source of a UDP datagram can be forged, so a
// server that answers everybody can be turned against others, or against itself.
package guard

import (
	"net/netip"

	"github.com/retort-udp/retort/core"
)

// Policy is what an operator decides. The zero Policy is the safe default.
type Policy struct {
	// Local lists the addresses of this host, link-local ones with their zone. A server on a
	// wildcard address needs them to know itself under every name; loopback addresses need not be
	// listed.
	Local []netip.Addr
}

// Verdict is why a datagram is answered or not.
type Verdict uint8

// The verdicts, in the order in which they are tested.
const (
	Admit       Verdict = iota // answer it
	PortZero                   // from port 0, which nobody can receive on (RFC 768)
	Unspecified                // from 0.0.0.0 or ::, which is no host
	Multicast                  // from a multicast address, which is never a source (RFC 1112, RFC 4291)
	Broadcast                  // from 255.255.255.255, which is never a source (RFC 1122, section 3.2.1.3)
	Own                        // from an address that this server listens on: it would answer itself
	Response                   // an answer, says the handler: answering answers never ends

	Verdicts // how many there are
)

var verdictNames = [Verdicts]string{
	Admit:       "admit",
	PortZero:    "port-zero",
	Unspecified: "unspecified-source",
	Multicast:   "multicast-source",
	Broadcast:   "broadcast-source",
	Own:         "own-address",
	Response:    "response",
}

// String returns a name that is fit for logs and metrics, such as "port-zero".
func (v Verdict) String() string {
	if v < Verdicts {
		return verdictNames[v]
	}
	return "unknown"
}

// Guard applies a Policy. It is read-only once made, so that workers share one.
type Guard struct {
	ports [1 << 16 / 64]uint64 // a set: the ports that the server listens on
	own   []netip.AddrPort
	local map[netip.Addr]struct{}
}

// New returns a Guard for a server that listens on the given addresses. A nil policy is the zero one.
func New(p *Policy, listening ...netip.AddrPort) *Guard {
	if p == nil {
		p = new(Policy)
	}
	g := &Guard{local: make(map[netip.Addr]struct{}, len(p.Local))}
	for _, a := range listening {
		g.own = append(g.own, netip.AddrPortFrom(a.Addr().Unmap(), a.Port()))
		g.ports[a.Port()/64] |= 1 << (a.Port() % 64)
	}
	for _, a := range p.Local {
		g.local[a.Unmap()] = struct{}{}
	}
	return g
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// Admit says whether h may answer d. It does not allocate.
func (g *Guard) Admit(d *core.Datagram, h core.Handler) Verdict {
	from := d.From.Addr().Unmap()
	switch {
	case d.From.Port() == 0:
		return PortZero
	case from.IsUnspecified():
		return Unspecified
	case from.IsMulticast():
		return Multicast
	case from == broadcast:
		return Broadcast
	case g.listensOn(d.From.Port()) && g.isOwn(from, d):
		return Own
	}
	if c, ok := core.As[core.Classifier](h); ok && c.IsResponse(d) {
		return Response
	}
	return Admit
}

func (g *Guard) listensOn(port uint16) bool {
	return g.ports[port/64]&(1<<(port%64)) != 0
}

// isOwn says whether from is a name of one of our listeners, given that the port is one of theirs.
// A listener on a wildcard address has every address of this host.
func (g *Guard) isOwn(from netip.Addr, d *core.Datagram) bool {
	for _, own := range g.own {
		if own.Port() != d.From.Port() {
			continue
		}
		if own.Addr() == from {
			return true
		}
		if own.Addr().IsUnspecified() && (own.Addr().Is6() || from.Is4()) && g.isLocal(from, d) {
			return true
		}
	}
	return false
}

// isLocal says whether from is an address of this host, as far as can be told without asking it.
func (g *Guard) isLocal(from netip.Addr, d *core.Datagram) bool {
	if from.IsLoopback() || from == d.To.Addr().Unmap() {
		return true
	}
	_, listed := g.local[from]
	return listed
}
