package coap

import (
	"bytes"
	"strings"
)

// request is what a request's options say. Those that may stand several times stay in the message.
type request struct {
	message
	accepts     int // content format; -1: any
	format      int // content format of the payload; -1: not said
	block       block
	hasBlock    bool
	wantsSize   bool // of the whole representation
	ifMatch     bool
	ifNoneMatch bool
	proxy       bool
	path        uint64       // hash of its segments
	queries     int          // how many there are
	query       optionReader // before the first of them
	group       bool         // it was sent to a multicast address
	bad         bool         // there is an option that must be understood, and is not
}

// known says how long an option may be, in bytes, and whether it may stand more than once (RFC 7252, table 4; RFC 7959,
// table 1). An option that is not known, or is of another length, is taken as one that is not known.
func known(number int) (low, high int, repeats, ok bool) {
	switch number {
	case ifMatch:
		return 0, 8, true, true
	case uriHost, proxyScheme:
		return 1, 255, false, true
	case etag:
		return 1, 8, true, true
	case ifNoneMatch:
		return 0, 0, false, true
	case uriPort, contentFormat, accept:
		return 0, 2, false, true
	case uriPath, uriQuery:
		return 0, 255, true, true
	case block2:
		return 0, 3, false, true
	case size2:
		return 0, 4, false, true
	case proxyURI:
		return 1, 1034, false, true
	}
	return 0, 0, false, false
}

// readOptions reads the options of a well-formed message. One that stands more often than it may counts as one that is
// not known (RFC 7252, section 5.4.5). Options that are not known and need not be are ignored.
func (r *request) readOptions() {
	r.accepts, r.format = -1, -1
	last := -1
	for all := (optionReader{rest: r.options}); ; {
		before := all
		o, s := all.next()
		if s != more {
			return
		}
		low, high, repeats, ok := known(o.number)
		if !ok || len(o.value) < low || len(o.value) > high || o.number == last && !repeats {
			r.bad = r.bad || o.number%2 == 1
			continue
		}
		last = o.number
		switch o.number {
		case ifMatch:
			r.ifMatch = true
		case ifNoneMatch:
			r.ifNoneMatch = true
		case uriPath:
			r.path = addSegment(r.path, o.value)
		case uriQuery:
			if r.queries++; r.queries == 1 {
				r.query = before
			}
		case contentFormat:
			r.format = int(o.uint())
		case accept:
			r.accepts = int(o.uint())
		case block2:
			r.block, r.hasBlock = blockOf(o.uint()), true
		case size2:
			r.wantsSize = true
		case proxyURI, proxyScheme:
			r.proxy = true
		}
	}
}

// has says whether there is an option with this value.
func (m *message) has(number int, value []byte) bool {
	for all := (optionReader{rest: m.options}); ; {
		o, s := all.next()
		if s != more || o.number > number {
			return false
		}
		if o.number == number && bytes.Equal(o.value, value) {
			return true
		}
	}
}

// addSegment adds a segment to the hash of a path, which is 0 for that without any.
func addSegment(hash uint64, segment []byte) uint64 {
	return fold(hash^digest(segment), 0x9e3779b97f4a7c15)
}

// hashOf is the hash of a path as in "/sensors/light"; that of "/" has no segments.
func hashOf(path string) (hash uint64) {
	if path == "/" {
		return 0
	}
	for segment := range strings.SplitSeq(path[1:], "/") {
		hash = addSegment(hash, []byte(segment))
	}
	return hash
}

// asksFor says whether the request is for a path as in "/sensors/light". Each segment is an option of its own, so that
// one with a slash in it is another path (RFC 7252, section 5.10.1).
func (m *message) asksFor(path string) bool {
	for all := (optionReader{rest: m.options}); ; {
		o, s := all.next()
		if s != more || o.number > uriPath {
			return path == "" || path == "/" // the root has no segments, or an empty one
		}
		if o.number != uriPath {
			continue
		}
		if path == "" {
			return false
		}
		path = path[1:]
		end := 0
		for end < len(path) && path[end] != '/' {
			end++
		}
		if string(o.value) != path[:end] {
			return false
		}
		path = path[end:]
	}
}

// block is the value of a Block2 option (RFC 7959, section 2.2), without its flag "more".
type block struct {
	number   int
	exponent int // the size is 16 bytes shifted left by it; 7 is none
}

func blockOf(value uint32) block { return block{int(value >> 4), int(value & 7)} }

func (b block) size() int   { return 16 << b.exponent }
func (b block) offset() int { return b.number << (4 + b.exponent) }

// resized returns the block that begins at the same offset and is no larger than the exponent says.
func (b block) resized(exponent int) block {
	if exponent >= b.exponent {
		return b
	}
	return block{b.number << (b.exponent - exponent), exponent}
}

// value is what stands in the option.
func (b block) value(more bool) uint32 {
	v := uint32(b.number)<<4 | uint32(b.exponent)
	if more {
		v |= 8
	}
	return v
}
