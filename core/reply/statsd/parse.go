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
	head, rest, ok := bytes.Cut(b, bar)
	if !ok {
		return l, false
	}
	if l.name, l.values, ok = bytes.Cut(head, colon); !ok || !isName(l.name) {
		return l, false
	}
	kind, rest, sections := bytes.Cut(rest, bar)
	if l.kind, ok = kindOf(kind); !ok {
		return l, false
	}
	for sections {
		var section []byte
		section, rest, sections = bytes.Cut(rest, bar)
		if !l.section(section) {
			return l, false
		}
	}
	for values := l.values; ; {
		value, rest, more := bytes.Cut(values, colon)
		if !l.takes(value) {
			return l, false
		}
		if values = rest; !more {
			return l, true
		}
	}
}

var bar, colon = []byte("|"), []byte(":")

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

// number reads a decimal number, as in "-1.5" or "2e3". What is none, or not finite, costs nothing here, while
// strconv.ParseFloat would make an error of it.
func number(b []byte) (n float64, ok bool) {
	if len(b) > maxNumber || !isNumber(b) {
		return 0, false
	}
	n, err := strconv.ParseFloat(string(b), 64) // a string this short stays on the stack
	return n, err == nil
}

// isNumber says whether b is digits with perhaps a sign, a point among them, and an exponent of one or two digits.
func isNumber(b []byte) bool {
	b = cutSign(b)
	whole := digits(b)
	b = b[whole:]
	fraction := 0
	if len(b) > 0 && b[0] == '.' {
		fraction = digits(b[1:])
		b = b[1+fraction:]
	}
	if whole+fraction == 0 {
		return false
	}
	if len(b) > 0 && (b[0] == 'e' || b[0] == 'E') {
		b = cutSign(b[1:])
		n := digits(b)
		return n == len(b) && (n == 1 || n == 2)
	}
	return len(b) == 0
}

func cutSign(b []byte) []byte {
	if len(b) > 0 && (b[0] == '+' || b[0] == '-') {
		return b[1:]
	}
	return b
}

// digits returns how many b begins with.
func digits(b []byte) (n int) {
	for n < len(b) && b[n] >= '0' && b[n] <= '9' {
		n++
	}
	return n
}
