package coap

import "encoding/binary"

// Message types (RFC 7252, section 3).
const (
	confirmable    = 0
	nonConfirmable = 1
	acknowledgment = 2
	reset          = 3
)

// Codes: a class in 3 bits and a detail in 5 (RFC 7252, section 12.1).
const (
	empty = 0

	get = 0<<5 | 1
	put = 0<<5 | 3

	changed                    = 2<<5 | 4
	valid                      = 2<<5 | 3
	content                    = 2<<5 | 5
	badRequest                 = 4 << 5 // and no detail
	badOption                  = 4<<5 | 2
	notFound                   = 4<<5 | 4
	methodNotAllowed           = 4<<5 | 5
	notAcceptable              = 4<<5 | 6
	preconditionFailed         = 4<<5 | 12
	requestEntityTooLarge      = 4<<5 | 13
	unsupportedFormat          = 4<<5 | 15
	proxyingNotSupported       = 5<<5 | 5
	payloadMarker         byte = 0xff
)

// maxOptions is how many options a message may have. A request has a handful, but 64 KiB of them fit a datagram, and
// finding its resource takes as many steps as there are options times resources.
const maxOptions = 64

// headerSize is the length of a message without token, options and payload, in bytes.
const headerSize = 4

// message is a message that was parsed; its slices are in the datagram.
type message struct {
	kind    byte
	code    byte
	id      uint16
	token   []byte
	options []byte
	payload []byte
}

// class is the first number of the code.
func (m *message) class() byte { return m.code >> 5 }

// parseHeader reads the first four bytes. A message of another version than 1 is none.
func parseHeader(b []byte) (m message, ok bool) {
	if len(b) < headerSize || b[0]>>6 != 1 {
		return m, false
	}
	return message{kind: b[0] >> 4 & 3, code: b[1], id: binary.BigEndian.Uint16(b[2:])}, true
}

// parseRest reads what lies behind the header, and says whether it is well-formed (RFC 7252, section 3): a token of up
// to 8 bytes, options, and behind a marker a payload that is not empty. An empty message has none of them.
func (m *message) parseRest(b []byte) bool {
	length, rest := int(b[0]&15), b[headerSize:]
	if m.code == empty {
		return length == 0 && len(rest) == 0
	}
	if length > 8 || length > len(rest) {
		return false
	}
	m.token, rest = rest[:length], rest[length:]
	m.options = rest
	count := 0
	for all := (optionReader{rest: rest}); ; {
		switch _, end := all.next(); end {
		case more:
			if count++; count > maxOptions {
				return false
			}
		case done:
			m.options = rest[:len(rest)-len(all.rest)]
			if len(all.rest) > 0 {
				m.payload = all.rest[1:]
			}
			return len(all.rest) != 1 // a marker with nothing behind it
		case broken:
			return false
		}
	}
}

// Options (RFC 7252, section 5.10; RFC 7959, section 6). Whoever does not understand one with an odd number must not
// act on the message.
const (
	ifMatch       = 1
	uriHost       = 3
	etag          = 4
	ifNoneMatch   = 5
	uriPort       = 7
	uriPath       = 11
	contentFormat = 12
	uriQuery      = 15
	accept        = 17
	block2        = 23
	size2         = 28
	proxyURI      = 35
	proxyScheme   = 39
	size1         = 60
)

// option is one of a message's.
type option struct {
	number int
	value  []byte
}

// uint is the value as a number in as few bytes as it takes, or more (RFC 7252, section 3.2).
func (o option) uint() (n uint32) {
	for _, b := range o.value {
		n = n<<8 | uint32(b)
	}
	return n
}

// optionReader walks through options.
type optionReader struct {
	rest   []byte // what follows; the payload marker at the end, if there is one
	number int
}

// state says whether next returned an option.
type state uint8

const (
	more state = iota
	done
	broken
)

// next returns the next option. Numbers are written as differences, and both these and lengths in 4 bits, or in 8 or 16
// more behind them (RFC 7252, section 3.1).
func (r *optionReader) next() (o option, s state) {
	if len(r.rest) == 0 || r.rest[0] == payloadMarker {
		return o, done
	}
	first := r.rest[0]
	r.rest = r.rest[1:]
	delta, ok := r.extended(first >> 4)
	if !ok {
		return o, broken
	}
	length, ok := r.extended(first & 15)
	if !ok || length > len(r.rest) {
		return o, broken
	}
	if r.number += delta; r.number > 65535 {
		return o, broken
	}
	o = option{r.number, r.rest[:length]}
	r.rest = r.rest[length:]
	return o, more
}

func (r *optionReader) extended(nibble byte) (n int, ok bool) {
	switch {
	case nibble < 13:
		return int(nibble), true
	case nibble == 13 && len(r.rest) >= 1:
		n = int(r.rest[0]) + 13
		r.rest = r.rest[1:]
		return n, true
	case nibble == 14 && len(r.rest) >= 2:
		n = int(binary.BigEndian.Uint16(r.rest)) + 269
		r.rest = r.rest[2:]
		return n, true
	}
	return 0, false
}
