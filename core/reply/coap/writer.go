package coap

import "encoding/binary"

// writer appends one response to out.
type writer struct {
	out  []byte
	last int // number of the last option
}

// begin writes the header and the token of the response to m.
func (w *writer) begin(m *message, code byte, id uint16) {
	kind := byte(acknowledgment) // the response is in the acknowledgment (RFC 7252, section 5.2.1)
	if m.kind == nonConfirmable {
		kind = nonConfirmable
	}
	w.out = append(w.out, 1<<6|kind<<4|byte(len(m.token)), code, byte(id>>8), byte(id))
	w.out = append(w.out, m.token...)
}

// option writes an option; they come in the order of their numbers, of which none is larger than 268.
func (w *writer) option(number int, value []byte) {
	delta := number - w.last
	w.last = number
	if delta < 13 {
		w.out = append(w.out, byte(delta<<4|len(value)))
	} else {
		w.out = append(w.out, byte(13<<4|len(value)), byte(delta-13))
	}
	w.out = append(w.out, value...)
}

// uint writes an option that is a number, in as few bytes as it takes.
func (w *writer) uint(number int, n uint32) {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	skip := 0
	for skip < 4 && b[skip] == 0 {
		skip++
	}
	w.option(number, b[skip:])
}

// tag writes an ETag.
func (w *writer) tag(t uint64) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], t)
	w.option(etag, b[:])
}
