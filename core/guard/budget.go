package guard

// The bytes of headers that each datagram has on the wire: UDP's (RFC 768) and IP's without options
// (RFC 791, RFC 8200). Those of the link are left out, because they would allow more: they are the same
// for the reply, and a short frame is padded.
const (
	headers4 = 20 + 8
	headers6 = 40 + 8
)

// A reply that is longer than a packet of the Ethernet's 1,500 bytes leaves in fragments, each of which has a header of
// IP; in IPv6 one that says where it belongs comes with it. What they carry is a multiple of 8 bytes, but for the last.
const (
	packet    = 1500
	fragment4 = 20
	fragment6 = 40 + 8
)

// ratioBits is where the point lies in a ratio.
const ratioBits = 16

// noRatio is more than the longest datagram is of the shortest, and so no limit.
const noRatio = 1 << 13

// noBudget is that of peers on loopback: what stays there amplifies nothing.
const noBudget = budget(noRatio << ratioBits)

// anything is more bytes than any datagram has on the wire.
const anything = 1 << 17

// budget is how many bytes may go out for each byte that came in, as a fixed-point number: what is not
// exact is rounded down.
type budget uint64

func newBudget(maxAmplification float64) budget {
	return budget(min(maxAmplification, noRatio) * (1 << ratioBits))
}

// onWire returns how many bytes may go out for a datagram with a payload of n, with all headers.
func (k *kind) onWire(n int) uint64 {
	return (uint64(n) + uint64(k.headers)) * uint64(k.budget) >> ratioBits
}

// reply returns the longest payload that may answer one of n bytes. It is no less than n. Whether the request came in
// fragments nobody tells us, so it is taken to have one header; only a reply that is as long as its request may have as
// many as that.
func (k *kind) reply(n int) int {
	switch out := k.onWire(n); {
	case out <= packet:
		return int(out) - int(k.headers)
	case out >= anything:
		return int(k.most)
	default:
		return min(max(n, k.inFragments(int(out))), int(k.most))
	}
}

// inFragments returns the longest payload that takes so many bytes on the wire, which are more than a packet has.
func (k *kind) inFragments(bytes int) int {
	const udp = 8
	full := (packet - int(k.fragment)) &^ 7 // what one carries that is not the last
	each := full + int(k.fragment)
	carried := bytes/each*full + max(bytes%each-int(k.fragment), 0)
	return max(carried-udp, packet-int(k.headers))
}
