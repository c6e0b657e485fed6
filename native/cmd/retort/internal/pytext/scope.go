package pytext

import (
	"net"
	"net/netip"
	"strconv"
)

// Scope returns the scope id of addr: the number of the interface that its zone names, or 0 when there is
// no zone or no such interface. It asks the operating system when the zone is a name.
func Scope(addr netip.Addr) uint32 {
	zone := addr.Zone()
	if zone == "" {
		return 0
	}
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(n)
	}
	i, err := net.InterfaceByName(zone)
	if err != nil {
		return 0
	}
	return uint32(i.Index)
}
