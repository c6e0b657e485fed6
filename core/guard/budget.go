package guard

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

// noRatio is more than the longest datagram is of the shortest, and so no limit.
const noRatio = 1 << 13

// noBudget is that of peers on loopback: what stays there amplifies nothing.
const noBudget = budget(noRatio << ratioBits)

// budget is how many bytes may go out for each byte that came in, as a fixed-point number: what is not
// exact is rounded down.
type budget uint64

func newBudget(maxAmplification float64) budget {
	return budget(min(maxAmplification, noRatio) * (1 << ratioBits))
}

// reply returns the longest payload that may answer one of n bytes. It is no less than n.
func (k *kind) reply(n int) int {
	out := (uint64(n) + uint64(k.headers)) * uint64(k.budget) >> ratioBits
	return int(min(out-uint64(k.headers), uint64(k.most)))
}
