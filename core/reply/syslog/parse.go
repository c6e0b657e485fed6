package syslog

import (
	"bytes"
	"unicode/utf8"
)

// Format is the shape of a message.
type Format uint8

// The formats. Bare is a message that has a priority and then anything: RFC 3164, section 4.3.2, has relays take it.
const (
	RFC5424 Format = iota
	RFC3164
	Bare
	formats // how many there are
)

// Message is what one message says about itself.
type Message struct {
	Facility uint8 // 0 to 23 (RFC 5424, table 1)
	Severity uint8 // 0, the worst, to 7 (table 2)
	Format   Format
}

// Parse reads a message; ok says whether it is one. What calls itself version 1 must be all that RFC 5424, section 6,
// says, to the last structured parameter.
func Parse(b []byte) (m Message, ok bool) {
	priority, b, ok := cutPriority(b)
	if !ok || len(b) == 0 {
		return m, false
	}
	m = Message{Facility: priority >> 3, Severity: priority & 7, Format: Bare}
	switch rest, versioned := bytes.CutPrefix(b, []byte("1 ")); {
	case versioned:
		m.Format = RFC5424
		return m, is5424(rest)
	case hasStamp3164(b):
		m.Format = RFC3164
	}
	return m, true
}

// cutPriority reads "<N>", N being facility times 8 plus severity, at most 191 and without zeros before it.
func cutPriority(b []byte) (n uint8, rest []byte, ok bool) {
	const longest, most = len("<191>"), 191
	end := bytes.IndexByte(b[:min(len(b), longest)], '>')
	if end < 2 || b[0] != '<' || b[1] == '0' && end != 2 {
		return 0, nil, false
	}
	value := 0
	for _, c := range b[1:end] {
		if !isDigit(c) {
			return 0, nil, false
		}
		value = value*10 + int(c-'0')
	}
	return uint8(value), b[end+1:], value <= most
}

// is5424 says whether b is what follows the version (RFC 5424, section 6): the timestamp, the host's name, the
// application's, a process id, a message id, the structured data, and then a message or nothing.
func is5424(b []byte) bool {
	stamp, b, ok := bytes.Cut(b, []byte(" "))
	if !ok || !isNil(stamp) && !isStamp5424(stamp) {
		return false
	}
	for _, most := range []int{255, 48, 128, 32} {
		var field []byte
		if field, b, ok = bytes.Cut(b, []byte(" ")); !ok || !isName(field, most) {
			return false
		}
	}
	b, ok = cutStructured(b)
	return ok && (len(b) == 0 || b[0] == ' ')
}

func isNil(field []byte) bool { return len(field) == 1 && field[0] == '-' }

// isName says whether a field has between 1 and most characters of printable ASCII.
func isName(field []byte, most int) bool {
	for _, c := range field {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return len(field) >= 1 && len(field) <= most
}

// maxElements is how many elements, and parameters of one, a message may have. It has a handful, but thousands fit a
// datagram.
const maxElements = 64

// cutStructured cuts off the structured data (RFC 5424, section 6.3): "-", or elements in brackets.
func cutStructured(b []byte) (rest []byte, ok bool) {
	if len(b) > 0 && b[0] == '-' {
		return b[1:], true
	}
	for count := 0; len(b) > 0 && b[0] == '['; count++ {
		if b, ok = cutElement(b[1:]); !ok || count == maxElements {
			return nil, false
		}
	}
	return b, ok
}

// cutElement cuts off an element behind its bracket, as in `id name="value" name="value"]`.
func cutElement(b []byte) (rest []byte, ok bool) {
	if b, ok = cutID(b); !ok {
		return nil, false
	}
	for count := 0; len(b) > 0 && b[0] == ' '; count++ {
		if b, ok = cutID(b[1:]); !ok || count == maxElements || len(b) < 2 || b[0] != '=' || b[1] != '"' {
			return nil, false
		}
		if b, ok = cutValue(b[2:]); !ok {
			return nil, false
		}
	}
	if len(b) == 0 || b[0] != ']' {
		return nil, false
	}
	return b[1:], true
}

// cutID cuts off an SD-NAME: 1 to 32 printable characters, up to one that ends a name.
func cutID(b []byte) (rest []byte, ok bool) {
	n := 0
	for n < len(b) && b[n] > ' ' && b[n] <= '~' && b[n] != '=' && b[n] != ']' && b[n] != '"' {
		n++
	}
	return b[n:], n >= 1 && n <= 32
}

// cutValue cuts off a value and the quotation mark behind it. In it ", \ and ] stand behind a backslash; a backslash
// before anything else is one (RFC 5424, section 6.3.3).
func cutValue(b []byte) (rest []byte, ok bool) {
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '\\':
			if i+1 < len(b) && (b[i+1] == '"' || b[i+1] == '\\' || b[i+1] == ']') {
				i++
			}
		case '"':
			return b[i+1:], utf8.Valid(b[:i])
		case ']':
			return nil, false
		}
	}
	return nil, false
}
