package load

// What is asked, and which reply is right.

import (
	"bytes"
	"fmt"
)

// IDSize is how many bytes of a request are its id. Requests are printable ASCII, id included, because
// servers print them and some programs know nothing else.
const IDSize = 8

// An id has 48 bits, six in each byte: the number of the socket, and which of its requests it is.
const (
	socketBits = 12
	digitBits  = 6
	digitZero  = '0' // digits are '0' to 'o'
)

// filler is what a request has behind its id.
const filler = '.'

// putID writes the id of request number sequence of a socket into b, which has IDSize bytes.
func putID(b []byte, sequence uint64, socket int) {
	id := sequence<<socketBits | uint64(socket)
	_ = b[IDSize-1]
	for i := IDSize - 1; i >= 0; i-- {
		b[i] = digitZero + byte(id&(1<<digitBits-1))
		id >>= digitBits
	}
}

// parseID reads what putID wrote. It returns ok false for what putID never writes.
func parseID(b []byte) (sequence uint64, socket int, ok bool) {
	if len(b) < IDSize {
		return 0, 0, false
	}
	var id uint64
	for _, c := range b[:IDSize] {
		digit := c - digitZero
		if digit >= 1<<digitBits {
			return 0, 0, false
		}
		id = id<<digitBits | uint64(digit)
	}
	return id >> socketBits, int(id & (1<<socketBits - 1)), true
}

// newRequests returns room for n requests of size bytes, one behind the other, complete but for their ids.
func newRequests(n, size int) []byte { return bytes.Repeat([]byte{filler}, n*size) }

// judge knows the right replies of a run.
type judge struct {
	expect Expectation
	ids    bool   // replies carry ids
	want   []byte // Length: the reply; Echo: the request, but for its id
}

func newJudge(o *Options) judge {
	j := judge{expect: o.Expect, ids: o.identified()}
	switch o.Expect {
	case Length:
		j.want = fmt.Appendf(nil, "Your data was %d bytes long", o.Size)
	case Echo:
		j.want = newRequests(1, o.Size)
	}
	return j
}

// right says whether a reply has the right size and content, whichever request it answers.
func (j *judge) right(reply []byte) bool {
	switch {
	case j.expect == Any:
		return true
	case !j.ids:
		return bytes.Equal(reply, j.want)
	}
	return len(reply) == len(j.want) && bytes.Equal(reply[IDSize:], j.want[IDSize:])
}

// most is the size of the longest reply that has to be told from a right one. Of a longer one its beginning
// is enough.
func (j *judge) most() int { return len(j.want) + 1 }
