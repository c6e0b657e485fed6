package coap

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"time"
)

// How long a message id means the same message (RFC 7252, section 4.8.2).
const (
	exchangeLifetime = 247 * time.Second
	nonLifetime      = 145 * time.Second
)

// ways is how many entries one message may be in.
const ways = 4

// maxKept is how long a response is kept, in bytes, to be sent again. The responses to GET that are longer are made
// anew, which changes nothing; all others are shorter.
const maxKept = 64

// duplicates is a table of the messages that were answered of late. It has a fixed size: a message that comes when its
// places are taken takes that of the oldest.
type duplicates struct {
	entries []entry // ways for each hash
	mask    uint64  // of the hash
}

// entry is one message that was answered. A duplicate is the same message again, byte for byte, from the same peer
// (RFC 7252, section 4.2): whoever uses an id again for another message, too early, is answered nevertheless.
type entry struct {
	at     int64 // when it arrived, in nanoseconds since the Unix epoch; 0: the entry is free
	digest uint64
	peer   netip.AddrPort
	length int8 // of the response in kept; -1: that is made anew
	kept   [maxKept]byte
}

// newDuplicates returns a table of at least n entries; for 0, one that remembers nothing.
func newDuplicates(n int) duplicates {
	if n == 0 {
		return duplicates{}
	}
	sets := 1 << bits.Len(uint((n-1)/ways))
	return duplicates{entries: make([]entry, sets*ways), mask: uint64(sets - 1)}
}

// find returns the message's entry and true when it is a duplicate, or else the entry that it may have, nil if the
// table has none at all.
func (t *duplicates) find(peer netip.AddrPort, message []byte, now, lifetime int64) (e *entry, again bool) {
	if len(t.entries) == 0 {
		return nil, false
	}
	sum := digest(message)
	set := t.entries[(fold(sum^uint64(peer.Port()), digestAddress(peer.Addr()))&t.mask)*ways:][:ways]
	oldest := &set[0]
	for i := range set {
		e := &set[i]
		if e.digest == sum && e.at != 0 && e.peer == peer && now >= e.at && now-e.at <= lifetime {
			return e, true
		}
		if e.at < oldest.at {
			oldest = e
		}
	}
	oldest.at, oldest.digest, oldest.peer, oldest.length = 0, sum, peer, 0
	return oldest, false
}

// keep remembers what was answered.
func (e *entry) keep(response []byte, now int64) {
	if e == nil {
		return
	}
	e.at, e.length = now, -1
	if len(response) <= maxKept {
		e.length = int8(copy(e.kept[:], response))
	}
}

// digest is a hash of b: quick, and without a key, for only the peer itself can send it what collides.
func digest(b []byte) uint64 {
	h := uint64(len(b)) ^ 0x9e3779b97f4a7c15
	for ; len(b) >= 8; b = b[8:] {
		h = fold(h^binary.LittleEndian.Uint64(b), 0xe7037ed1a0b428db)
	}
	var last [8]byte
	copy(last[:], b)
	return fold(h^binary.LittleEndian.Uint64(last[:]), 0x8ebc6af09c88c6e3)
}

func digestAddress(a netip.Addr) uint64 {
	b := a.As16()
	return fold(binary.LittleEndian.Uint64(b[:])^0xa0761d6478bd642f, binary.LittleEndian.Uint64(b[8:])^0xe7037ed1a0b428db)
}

// fold multiplies to 128 bits and folds the halves together, the step of Wang Yi's wyhash.
func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}
