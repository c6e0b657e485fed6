package statsd

import (
	"bytes"
	"strconv"
)

// Kind is what values of a metric mean.
type Kind uint8

// The kinds, and how a line says them.
const (
	Counter Kind = iota // c: they are added up, each divided by its sample rate
	Gauge               // g: the last one holds; with a sign it changes the one before
	Timer               // ms, and h and d, which are histograms and distributions: they are measured
	Set                 // s: they are members, of which each should count once
	kinds               // how many there are
)

// String returns "counter", "gauge", "timer" or "set".
func (k Kind) String() string { return [...]string{"counter", "gauge", "timer", "set"}[k] }

// MaxName is how long the name of a metric may be, in bytes.
const MaxName = 255

// maxNumber is how long a number may be, in bytes.
const maxNumber = 32

// line is what one line says.
type line struct {
	name   []byte
	values []byte // between colons, at least one
	kind   Kind
	rate   float64 // above 0, at most 1
}

// parseLine reads a line, as in "name:value|type|@rate" or, with what DogStatsD adds to it, "name:1:2:3|c|@0.5|#tag:x".
// The values are well-formed then, too.
func parseLine(b []byte) (l line, ok bool) {
	l.rate = 1
	head, rest, ok := cut(b, '|')
	if !ok {
		return l, false
	}
	if l.name, l.values, ok = cut(head, ':'); !ok || !isName(l.name) {
		return l, false
	}
	kind, rest, sections := cut(rest, '|')
	if l.kind, ok = kindOf(kind); !ok {
		return l, false
	}
	for sections {
		var section []byte
		section, rest, sections = cut(rest, '|')
		if !l.section(section) {
			return l, false
		}
	}
	for values := l.values; ; {
		value, rest, more := cut(values, ':')
		if !l.takes(value) {
			return l, false
		}
		if values = rest; !more {
			return l, true
		}
	}
}

// kindOf reads a type.
func kindOf(b []byte) (k Kind, ok bool) {
	switch string(b) {
	case "c":
		return Counter, true
	case "g":
		return Gauge, true
	case "ms", "h", "d":
		return Timer, true
	case "s":
		return Set, true
	}
	return 0, false
}

// section reads what stands behind the type: the sample rate, or tags, a timestamp, a container's id, other data of the
// origin, or a cardinality, which mean nothing here.
func (l *line) section(b []byte) bool {
	if len(b) == 0 {
		return false
	}
	switch b[0] {
	case '@':
		rate, ok := number(b[1:])
		l.rate = rate
		return ok && rate > 0 && rate <= 1
	case '#', 'T':
		return true
	}
	return bytes.HasPrefix(b, []byte("c:")) || bytes.HasPrefix(b, []byte("e:")) || bytes.HasPrefix(b, []byte("card:"))
}

// takes says whether a value is one of the line's kind.
func (l *line) takes(value []byte) bool {
	if l.kind == Set {
		return len(value) > 0
	}
	_, ok := number(value)
	return ok
}

// isName says whether b is printable ASCII. What ends a name is not in it.
func isName(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return len(b) >= 1 && len(b) <= MaxName
}

// number reads a decimal number, as in "-1.5" or "2e3": digits with perhaps a sign, a point among them, and an exponent
// of one or two digits. So it is finite.
//
// With up to 15 digits, and tens to a power of at most 22, the digits and the power are exact as float64, and so one
// multiplication or division rounds as it should (Clinger, "How to read floating point numbers accurately", 1990).
// That is what nearly all are; strconv does the rest.
func number(b []byte) (n float64, ok bool) {
	if len(b) == 0 || len(b) > maxNumber {
		return 0, false
	}
	at := 0
	negative := b[0] == '-'
	if negative || b[0] == '+' {
		at++
	}
	mantissa, count, exponent, point := uint64(0), 0, 0, false
	for ; at < len(b); at++ {
		c := b[at]
		if c == '.' && !point {
			point = true
			continue
		}
		if c < '0' || c > '9' {
			break
		}
		mantissa = mantissa*10 + uint64(c-'0') // meaningless from the 20th digit on, and not used then
		if count++; point {
			exponent--
		}
	}
	if count == 0 {
		return 0, false
	}
	if at < len(b) {
		tens, ok := power(b[at:])
		if !ok {
			return 0, false
		}
		exponent += tens
	}
	if count > 15 || exponent > 22 || exponent < -22 {
		n, err := strconv.ParseFloat(string(b), 64) // a string this short stays on the stack
		return n, err == nil
	}
	if n = float64(mantissa); exponent < 0 {
		n /= tens[-exponent]
	} else {
		n *= tens[exponent]
	}
	if negative {
		n = -n
	}
	return n, true
}

// tens are the powers of ten that are exact.
var tens = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17,
	1e18, 1e19, 1e20, 1e21, 1e22}

// power reads what stands behind a number, as in "e-12".
func power(b []byte) (n int, ok bool) {
	if b[0] != 'e' && b[0] != 'E' {
		return 0, false
	}
	b = b[1:]
	negative := len(b) > 0 && b[0] == '-'
	if negative || len(b) > 0 && b[0] == '+' {
		b = b[1:]
	}
	if len(b) < 1 || len(b) > 2 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	if negative {
		n = -n
	}
	return n, true
}

// cut splits b at the first separator, which is in neither part; found says whether there is one.
func cut(b []byte, separator byte) (before, behind []byte, found bool) {
	i := bytes.IndexByte(b, separator)
	if i < 0 {
		return b, nil, false
	}
	return b[:i], b[i+1:], true
}
