package native

import "net/netip"

// pktinfo is what a kernel tells about the way that a datagram came in.
type pktinfo struct {
	to    netip.Addr // the address in its header; IPv4 as such
	local netip.Addr // Linux, IPv4: the same, or the host's own when that is a broadcast or multicast address
	index uint32     // of the interface; 0 where it is not told
}
