package impair

import (
	"math/rand/v2"
	"time"
)

// fate is what befalls one datagram.
type fate struct {
	lost      bool
	duplicate bool
	reorder   bool
	swap      bool
	wrongPort bool
	truncate  float64       // of its length; below 0: it is not cut
	corrupt   float64       // of its bits; below 0: none is turned over
	delay     time.Duration // of the datagram
	again     time.Duration // of its duplicate
}

// fates draws what befalls the datagrams of one direction at one worker, one after the other.
type fates struct {
	faults          Faults
	swap, wrongPort float64
	seed            uint64
	n               uint64 // datagrams so far
}

// newFates returns the fates for a direction: 0 for requests, 1 for replies.
func newFates(s Settings, f Faults, worker, direction int) *fates {
	return &fates{faults: f, seed: s.Seed ^ uint64(worker)<<32 ^ uint64(direction)<<63}
}

// next draws for the next datagram. Each has a generator of its own, so that what was drawn for one says nothing about
// the others, whatever is drawn in between.
func (f *fates) next() fate {
	r := rand.New(rand.NewPCG(f.seed, f.n))
	f.n++
	happens := func(share float64) bool { return r.Float64() < share }
	place := func(share float64) float64 {
		where := r.Float64()
		if !happens(share) {
			return -1
		}
		return where
	}
	delay := func() time.Duration {
		d := f.faults.Delay + time.Duration((2*r.Float64()-1)*float64(f.faults.Jitter))
		return max(d, 0)
	}
	return fate{
		lost:      happens(f.faults.Loss),
		duplicate: happens(f.faults.Duplicate),
		reorder:   happens(f.faults.Reorder),
		swap:      happens(f.swap),
		wrongPort: happens(f.wrongPort),
		truncate:  place(f.faults.Truncate),
		corrupt:   place(f.faults.Corrupt),
		delay:     delay(),
		again:     delay(),
	}
}

// damage returns data as it arrives: cut, and with a bit turned over, in place.
func (f *fate) damage(data []byte) []byte {
	if f.truncate >= 0 {
		data = data[:int(f.truncate*float64(len(data)))]
	}
	if bit := int(f.corrupt * float64(8*len(data))); f.corrupt >= 0 && len(data) > 0 {
		data[bit/8] ^= 1 << (bit % 8)
	}
	return data
}
