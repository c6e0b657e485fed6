package native

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"
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
