package wasmhandler

import (
	"encoding/binary"
	"math/rand/v2"
)

// random is what random_get hands out: a sequence for each call of a guest, that follows from Config.Seed, the
// worker, the datagram's number at that worker, and what was called. What one call draws has no part in what the
// next one gets, so that a datagram can be replayed alone, and no guest learns how much another datagram drew.
//
// What happens before the first datagram has one sequence for all workers and always the same, so that every
// instance begins in one state, whether it was started or copied from another.
type random struct {
	seed   uint64
	key    [3]uint64 // which sequence: the worker, the datagram's number, and what is called
	source rand.ChaCha8
	begun  bool // source has been set to key
}

// What is called, as the last part of a sequence's key.
const (
	drawAtStart = iota
	drawInReply
	drawInIsResponse
	drawInIdle
)

// use turns to another sequence. It costs next to nothing until something is drawn.
func (r *random) use(worker, number, what uint64) {
	r.key = [3]uint64{worker, number, what}
	r.begun = false
}

// Read implements io.Reader. It fills b and never fails.
func (r *random) Read(b []byte) (int, error) {
	if !r.begun {
		var key [32]byte
		binary.LittleEndian.PutUint64(key[0:], r.seed)
		for i, part := range r.key {
			binary.LittleEndian.PutUint64(key[8+8*i:], part)
		}
		r.source.Seed(key)
		r.begun = true
	}
	return r.source.Read(b)
}
