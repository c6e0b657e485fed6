package hostile

import (
	"math/rand/v2"
	"slices"
)

// Mutants are n copies of a module with a few bytes changed, by chance that follows from seed: bits that flip,
// numbers that grow out of proportion, and pieces that move, are missing or come twice.
func Mutants(wasm []byte, seed uint64, n int) [][]byte {
	const header = 8 // the magic number and version: a module without them is refused before it is read
	chance := rand.New(rand.NewPCG(seed, 0))
	mutants := make([][]byte, n)
	for i := range mutants {
		m := slices.Clone(wasm)
		for range 1 + chance.IntN(2) {
			at := header + chance.IntN(len(m)-header)
			end := min(len(m), at+1+chance.IntN(8))
			switch chance.IntN(8) {
			case 0:
				m[at] = byte(chance.Uint32())
			case 1:
				m[at] = 0xff // as part of a number: more of it follows
			case 2:
				m = slices.Insert(m, at, 0xff, 0xff, 0xff, 0xff, 0x0f) // the largest number
			case 3:
				m = slices.Insert(m, at, m[at:end]...)
			case 4:
				if len(m)-(end-at) > header {
					m = slices.Delete(m, at, end)
				}
			case 5:
				from := header + chance.IntN(len(m)-header)
				copy(m[at:], m[from:min(len(m), from+8)])
			default:
				m[at] ^= 1 << chance.IntN(8)
			}
		}
		mutants[i] = m
	}
	return mutants
}
