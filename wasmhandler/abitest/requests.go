package abitest

import (
	"bytes"
	"math/rand/v2"
	"slices"

	"github.com/retort-udp/retort/core"
)

// sizes are those of requests, in bytes: the least and most that there can be, common ones, and the edges of what
// fits into a packet.
var sizes = []int{0, 1, 12, 32, 512, 1400, 1472, 9000, core.MaxPayload4, core.MaxPayload6}

func sizeRequests() (requests [][]byte) {
	for _, size := range sizes {
		requests = append(requests, text(size))
	}
	return requests
}

// text is a request of that many bytes that anybody can read.
func text(size int) []byte {
	const line = "The time is 2026-11-22 13:40:00.123456\n"
	return bytes.Repeat([]byte(line), size/len(line)+1)[:size]
}

// malformedCount is how many malformed requests a handler is asked.
func (s *suite) malformedCount() int {
	if s.options.Quick {
		return 100
	}
	return 2000
}

// known are the requests of the vectors.
func (s *suite) known() (requests [][]byte) {
	if s.options.Vectors == nil {
		return nil
	}
	for _, v := range s.options.Vectors.Vectors {
		requests = append(requests, v.Request.Bytes())
	}
	return requests
}

// malformed returns n requests by chance, which follow from the seed: bytes of any kind, runs of one byte, and
// requests that the handler knows, with changes. More begin with the same as fewer.
func (s *suite) malformed(n int) [][]byte {
	chance := rand.New(rand.NewPCG(s.options.Seed, 0))
	known := append(s.known(), text(38))
	requests := make([][]byte, n)
	for i := range requests {
		switch i % 4 {
		case 0:
			requests[i] = make([]byte, length(chance))
			fill(chance, requests[i])
		case 1:
			requests[i] = bytes.Repeat([]byte{byte(chance.Uint32())}, length(chance))
		default:
			requests[i] = mutate(chance, known[chance.IntN(len(known))])
		}
	}
	return requests
}

// length is a request's: mostly short, seldom as long as can be.
func length(chance *rand.Rand) int {
	most := []int{16, 64, 512, 1400}[chance.IntN(4)]
	if chance.IntN(100) == 0 {
		most = core.MaxPayload4
	}
	return chance.IntN(most + 1)
}

func fill(chance *rand.Rand, b []byte) {
	for i := range b {
		b[i] = byte(chance.Uint32())
	}
}

// mutate changes a request a little: it is cut, a piece of it comes twice, or some bytes are others.
func mutate(chance *rand.Rand, request []byte) []byte {
	b := slices.Clone(request)
	for range 1 + chance.IntN(3) {
		if len(b) == 0 {
			return b
		}
		at := chance.IntN(len(b))
		switch chance.IntN(5) {
		case 0:
			b = b[:at]
		case 1:
			if more := b[at:min(len(b), at+16)]; len(b)+len(more) <= core.MaxPayload4 {
				b = slices.Insert(b, at, slices.Clone(more)...)
			}
		case 2:
			b[at] ^= 1 << chance.IntN(8)
		case 3:
			b[at] = []byte{0, 0x7f, 0x80, 0xff}[chance.IntN(4)]
		case 4:
			fill(chance, b[at:min(len(b), at+4)])
		}
	}
	return b
}
