package native

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/retort-udp/retort/core/guard"
)

// LocalAddrs returns the addresses of this host's interfaces, in order, link-local ones with their zone:
// what a guard.Policy's Local is for.
func LocalAddrs() ([]netip.Addr, error) {
	prefixes, err := localPrefixes()
	if err != nil {
		return nil, err
	}
	addrs := make([]netip.Addr, 0, len(prefixes))
	for _, p := range prefixes {
		addrs = append(addrs, p.addr)
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return slices.Compact(addrs), nil
}

// BroadcastAddrs returns the broadcast addresses of this host's IPv4 networks, in order: what a guard.Policy's
// Broadcast is for. Each network has two, the last of its addresses and the first, which RFC 1122 (section 3.3.6)
// knows as an old form; some systems give the first to a host, and then it is none if that is this one.
func BroadcastAddrs() ([]netip.Addr, error) {
	prefixes, err := localPrefixes()
	if err != nil {
		return nil, err
	}
	own := make(map[netip.Addr]bool, len(prefixes))
	for _, p := range prefixes {
		own[p.addr] = true
	}
	var all []netip.Addr
	for _, p := range prefixes {
		last, ok := p.broadcast()
		first := netip.PrefixFrom(p.addr, p.bits).Masked().Addr()
		for _, a := range []netip.Addr{first, last} {
			if ok && !own[a] {
				all = append(all, a)
			}
		}
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all), nil
}

// KnowHost tells a policy what it has to know of this host for a server that listens on the given addresses: its own
// addresses if any of these is a wildcard, and its broadcast addresses unless all are on loopback. An error means that
// the system does not tell, and that a server on a wildcard address would not know itself; others do without.
func KnowHost(p *guard.Policy, listening ...netip.AddrPort) (err error) {
	is := func(what func(netip.Addr) bool) bool {
		return slices.ContainsFunc(listening, func(a netip.AddrPort) bool { return what(a.Addr().Unmap()) })
	}
	if is(netip.Addr.IsUnspecified) {
		if p.Local, err = LocalAddrs(); err != nil {
			return fmt.Errorf("a server on a wildcard address must know its own ones, to tell itself from others: %w; "+
				"serve one address instead", err)
		}
	}
	if is(func(a netip.Addr) bool { return !a.IsLoopback() }) {
		if all, err := BroadcastAddrs(); err == nil {
			p.Broadcast = all
		}
	}
	return nil
}

// localPrefix is an address of an interface and how many bits of it name the network; netip.Prefix has no
// zone.
type localPrefix struct {
	addr netip.Addr
	bits int
}

func localPrefixes() ([]localPrefix, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list this host's interfaces: %w", err)
	}
	var all []localPrefix
	for _, i := range interfaces {
		addrs, err := i.Addrs()
		if err != nil {
			continue // it went away meanwhile, and its addresses with it
		}
		for _, a := range addrs {
			network, ok := a.(*net.IPNet)
			if !ok {
				continue
			}
			ip, ok := netip.AddrFromSlice(network.IP)
			if !ok {
				continue
			}
			ip = ip.Unmap()
			if needsZone(ip) {
				ip = ip.WithZone(i.Name)
			}
			bits, _ := network.Mask.Size()
			all = append(all, localPrefix{ip, bits})
		}
	}
	return all, nil
}

// broadcasts tells the IPv4 broadcast addresses of this host's networks from its own addresses. It
// belongs to one goroutine.
type broadcasts struct {
	known map[netip.Addr]bool // whether this one is a broadcast address
	read  time.Time           // when known was read from the system
}

// broadcastsAge is how old the knowledge must be for an address that is not in it to have it read again:
// an interface may be younger, and reading takes the system some time.
const broadcastsAge = time.Second

// has says whether ip, which a datagram was sent to, is a broadcast address. Now is the time.
func (b *broadcasts) has(ip netip.Addr, now time.Time) bool {
	if ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return true
	}
	is, known := b.known[ip]
	if known || !b.read.IsZero() && now.Sub(b.read) < broadcastsAge {
		return is
	}
	b.read = now
	prefixes, err := localPrefixes()
	if err != nil {
		return false
	}
	b.known = make(map[netip.Addr]bool, 2*len(prefixes))
	for _, p := range prefixes {
		if last, ok := p.broadcast(); ok {
			b.known[last] = true
		}
	}
	for _, p := range prefixes {
		b.known[p.addr] = false
	}
	return b.known[ip]
}

// broadcast returns the last address of p's network, unless that is too small for one (RFC 3021).
func (p localPrefix) broadcast() (netip.Addr, bool) {
	if !p.addr.Is4() || p.bits > 30 {
		return netip.Addr{}, false
	}
	ip := p.addr.As4()
	for bit := p.bits; bit < 32; bit++ {
		ip[bit/8] |= 0x80 >> (bit % 8)
	}
	return netip.AddrFrom4(ip), true
}
