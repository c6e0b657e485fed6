// Package wasmbin reads the binary format of WebAssembly modules (WebAssembly core specification, 5): numbers, names
// and vectors, and what a module's sections say of it. It believes nothing: what is read takes memory in proportion to
// the bytes that are there, whatever they announce.
package wasmbin

import (
	"errors"
	"fmt"
)

// ErrEnd says that the bytes ended before what they announced.
var ErrEnd = errors.New("unexpected end")

// A Reader takes the WebAssembly binary format apart. The first error sticks: after it, every method returns
// zero and nothing is left, so that a caller may read a whole record and look at Err once.
type Reader struct {
	Buf []byte
	Pos int // in Buf
	Err error
}

// Fail notes an error, if it is the first, and leaves nothing to be read.
func (r *Reader) Fail(err error) {
	if r.Err == nil {
		r.Err = err
	}
	r.Pos = len(r.Buf)
}

// Failf is Fail with a text.
func (r *Reader) Failf(format string, args ...any) { r.Fail(fmt.Errorf(format, args...)) }

// Left is how many bytes have not been read.
func (r *Reader) Left() int { return len(r.Buf) - r.Pos }

// Byte reads one byte.
func (r *Reader) Byte() byte {
	if r.Pos >= len(r.Buf) {
		r.Fail(ErrEnd)
		return 0
	}
	c := r.Buf[r.Pos]
	r.Pos++
	return c
}

// Take reads n bytes. They are not copied.
func (r *Reader) Take(n uint32) []byte {
	if uint64(n) > uint64(r.Left()) {
		r.Fail(ErrEnd)
		return nil
	}
	b := r.Buf[r.Pos : r.Pos+int(n)]
	r.Pos += int(n)
	return b
}

// U32 reads an unsigned LEB128 number of at most 32 bits, which takes at most five bytes.
func (r *Reader) U32() uint32 {
	var v uint64
	for shift := 0; shift < 35; shift += 7 {
		c := r.Byte()
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			if v > 1<<32-1 {
				break
			}
			return uint32(v)
		}
	}
	r.Failf("a number is longer than 32 bits")
	return 0
}

// Signed reads a signed LEB128 number of at most the given number of bits: 32, 33 or 64.
func (r *Reader) Signed(bits int) int64 {
	var v int64
	for shift := 0; shift < bits; shift += 7 {
		c := r.Byte()
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
	r.Failf("a number is longer than %d bits", bits)
	return 0
}

// Count reads the length of a vector. An element takes at least one byte, so that a length beyond what is
// Left is an error before anything is allocated for it.
func (r *Reader) Count() uint32 {
	n := r.U32()
	if uint64(n) > uint64(r.Left()) {
		r.Failf("%d elements announced in %d bytes", n, r.Left())
		return 0
	}
	return n
}

// Name reads a name: a vector of bytes.
func (r *Reader) Name() []byte { return r.Take(r.U32()) }

// Zero reads a reserved byte.
func (r *Reader) Zero() {
	if c := r.Byte(); c != 0 {
		r.Failf("reserved byte is %#x, not 0", c)
	}
}
