package wasmhandler

import (
	"net"
	"net/netip"
	"strconv"
	"time"
)

// zones turns the zones of link-local peers into the numbers that the meta block has room for. A zone may be
// an interface's name, and asking the system for its number is slow, so the last few are remembered for a while:
// interfaces come and go.
type zones struct {
	known [8]zone
	next  int // to be forgotten
}

type zone struct {
	name  string
	index uint32
	asked time.Time
}

// zoneLife is how long a zone's number is believed, by the arrival of datagrams.
const zoneLife = 10 * time.Second

// index is the scope id of a, 0 when it has none or its interface is gone.
func (z *zones) index(a netip.Addr, now time.Time) uint32 {
	if a.Is4() { // as mostly, so that it takes no call
		return 0
	}
	return z.lookUp(a, now)
}

func (z *zones) lookUp(a netip.Addr, now time.Time) uint32 {
	name := a.Zone()
	if name == "" {
		return 0
	}
	for i := range z.known {
		if k := &z.known[i]; k.name == name && now.Sub(k.asked).Abs() < zoneLife {
			return k.index
		}
	}
	found := zone{name: name, index: askIndex(name), asked: now}
	z.known[z.next] = found
	z.next = (z.next + 1) % len(z.known)
	return found.index
}

func askIndex(name string) uint32 {
	if n, err := strconv.ParseUint(name, 10, 32); err == nil {
		return uint32(n)
	}
	if i, err := net.InterfaceByName(name); err == nil {
		return uint32(i.Index)
	}
	return 0
}
