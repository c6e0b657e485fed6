package guard

import "github.com/retort-udp/retort/core"

// The bytes of headers that each datagram has on the wire: UDP's (RFC 768) and IP's without options
// (RFC 791, RFC 8200). Those of the link are left out, because they would allow more: they are the same
// for the reply, and a short frame is padded. The IP headers of a fragmented reply's further fragments
// are left out too: they are 20 bytes in 1,500.
const (
	headers4 = 20 + 8
	headers6 = 40 + 8
)

// ratioBits is where the point lies in a ratio.
const ratioBits = 16

// noRatio is more than the longest datagram is of the shortest.
const noRatio = 1 << 13

// budget is how many bytes may go out for each byte that came in, as a fixed-point number: what is not
// exact is rounded down.
type budget uint64

func newBudget(maxAmplification float64) budget {
	return budget(min(maxAmplification, noRatio) * (1 << ratioBits))
}

// reply returns the longest payload that may answer one of n bytes, of a peer with headers and most as
// its family has them. It is no less than n.
func (b budget) reply(n, headers, most int) int {
	out := (uint64(n+headers) * uint64(b)) >> ratioBits
	return int(min(out-uint64(headers), uint64(most)))
}

// family returns the headers of a peer's datagrams and their longest payload.
func family(is4 bool) (headers, most int) {
	if is4 {
		return headers4, core.MaxPayload4
	}
	return headers6, core.MaxPayload6
}
