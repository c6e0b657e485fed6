package meter

import (
	"errors"
	"fmt"
)

// errEnd says that the bytes ended before what they announced.
var errEnd = errors.New("unexpected end")

// A reader takes the WebAssembly binary format apart. The first error sticks: after it, every method returns
// zero and nothing is left, so that a caller may read a whole record and look at err once.
type reader struct {
	buf []byte
	pos int
	err error
}

// fail keeps the first error.
func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.pos = len(r.buf)
}

func (r *reader) failf(format string, args ...any) { r.fail(fmt.Errorf(format, args...)) }

// left is how many bytes have not been read.
func (r *reader) left() int { return len(r.buf) - r.pos }

// byte reads one byte.
func (r *reader) byte() byte {
	if r.pos >= len(r.buf) {
		r.fail(errEnd)
		return 0
	}
	c := r.buf[r.pos]
	r.pos++
	return c
}

// take reads n bytes. They are not copied.
func (r *reader) take(n uint32) []byte {
	if uint64(n) > uint64(r.left()) {
		r.fail(errEnd)
		return nil
	}
	b := r.buf[r.pos : r.pos+int(n)]
	r.pos += int(n)
	return b
}

// u32 reads an unsigned LEB128 number of at most 32 bits, which takes at most five bytes.
func (r *reader) u32() uint32 {
	var v uint64
	for shift := 0; shift < 35; shift += 7 {
		c := r.byte()
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			if v > 1<<32-1 {
				break
			}
			return uint32(v)
		}
	}
	r.failf("a number is longer than 32 bits")
	return 0
}

// signed reads a signed LEB128 number of at most the given number of bits: 32, 33 or 64.
func (r *reader) signed(bits int) int64 {
	var v int64
	for shift := 0; shift < bits; shift += 7 {
		c := r.byte()
		v |= int64(c&0x7f) << shift
		if c >= 0x80 {
			continue
		}
		if room := bits - shift; room < 7 {
			// The bits above the number's own must all equal its sign.
			if high := int8(c<<1) >> room; high != 0 && high != -1 {
				break
			}
		}
		if shift+7 < 64 {
			v = v << (57 - shift) >> (57 - shift)
		}
		return v
	}
	r.failf("a number is longer than %d bits", bits)
	return 0
}

// count reads the length of a vector. An element takes at least one byte, so that a length beyond what is
// left is an error before anything is allocated for it.
func (r *reader) count() uint32 {
	n := r.u32()
	if uint64(n) > uint64(r.left()) {
		r.failf("%d elements announced in %d bytes", n, r.left())
		return 0
	}
	return n
}

// name reads a name: a vector of bytes.
func (r *reader) name() []byte { return r.take(r.u32()) }

// zero reads a reserved byte.
func (r *reader) zero() {
	if c := r.byte(); c != 0 {
		r.failf("reserved byte is %#x, not 0", c)
	}
}

// beyond reports whether an index is out of range.
func beyond(i uint32, have int) bool { return uint64(i) >= uint64(have) }

// appendU32 appends v in unsigned LEB128, in as few bytes as it takes.
func appendU32(b []byte, v uint32) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

// appendSigned appends v in signed LEB128, in as few bytes as it takes.
func appendSigned(b []byte, v int64) []byte {
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

// appendName appends a name: its length and its bytes.
func appendName[T string | []byte](b []byte, name T) []byte {
	return append(appendU32(b, uint32(len(name))), name...)
}

// appendSection appends a section: its number, its length and its content.
func appendSection(b []byte, id byte, content []byte) []byte {
	b = append(b, id)
	b = appendU32(b, uint32(len(content)))
	return append(b, content...)
}
