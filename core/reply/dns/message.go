package dns

// maxKnown is how many names a message remembers for compression. What is written behind them is not compressed
// as well as it could be.
const maxKnown = 48

// message is a response that is being written. It never has more bytes than it may.
//
// A codec that works for everybody looks names up in a map while it packs a message, or packs them without
// compression. Here every name that a zone mentions is there once, so that to compress is to compare pointers, and
// a response is written without an allocation.
type message struct {
	buf   []byte
	limit int // of buf, room for the OPT record taken off
	body  int // where the question ends

	code          rcode
	authoritative bool
	truncated     bool
	counts        [3]uint16 // of records, by section

	known   int
	names   [maxKnown]*name
	offsets [maxKnown]uint16

	full bool // what was being written has not found room
}

// section is a part of a message that has records.
type section int

const (
	answers section = iota
	authority
	additional
)

// begin writes the header, to be completed by end, and the question. It returns false if there is no room for that.
func (m *message) begin(dst []byte, q *query) bool {
	m.limit = min(cap(dst), q.answers)
	if q.hasOPT {
		m.limit -= optSize
	}
	if headerSize+len(q.question) > m.limit {
		return false
	}
	m.buf = append(dst, q.data[:headerSize]...)
	m.buf = append(m.buf, q.question...)
	m.body = len(m.buf)
	return true
}

// end completes the message and returns it.
func (m *message) end(q *query) []byte {
	h := m.buf[:headerSize]
	h[2] = flagResponse | q.data[2]&(opcodeMask|flagRecursion)
	if m.authoritative {
		h[2] |= flagAuthoritative
	}
	if m.truncated {
		h[2] |= flagTruncated
	}
	h[3] = byte(m.code & 15)
	putWord(h[4:], 0)
	if q.question != nil {
		putWord(h[4:], 1)
	}
	if q.hasOPT {
		var flags byte
		if q.dnssecOK {
			flags = 0x80
		}
		m.counts[additional]++
		m.buf = append(m.buf, 0, 0, byte(typeOPT), ownSize>>8, ownSize&0xff, byte(m.code>>4), 0, flags, 0, 0, 0)
	}
	for i, n := range m.counts {
		putWord(h[6+2*i:], n)
	}
	return m.buf
}

// truncate takes all records out of the message and says so. A client must not use a part of what was meant for
// it (RFC 2181, section 9), so there is none.
func (m *message) truncate() {
	m.truncated = true
	m.buf = m.buf[:m.body]
	m.counts = [3]uint16{}
}

// add writes the records of a set, or none of them if there is no room for all. A nil owner is the name in the
// question.
func (m *message) add(s section, owner *name, set *rrset, ttl uint32) bool {
	start, known := len(m.buf), m.known
	for i := range set.records {
		m.record(owner, set, &set.records[i], ttl)
	}
	if m.full {
		m.buf, m.known, m.full = m.buf[:start], known, false
		return false
	}
	m.counts[s] += uint16(len(set.records))
	return true
}

func (m *message) record(owner *name, set *rrset, r *record, ttl uint32) {
	if owner != nil {
		m.name(owner, true)
	} else {
		m.word(0xc000 | headerSize)
	}
	m.word(uint16(set.rtype))
	m.word(classIN)
	m.word(uint16(ttl >> 16))
	m.word(uint16(ttl))
	length := len(m.buf)
	m.word(0)
	m.string(r.head)
	for _, n := range r.names {
		if n != nil {
			m.name(n, set.compress)
		}
	}
	m.string(r.tail)
	if !m.full {
		putWord(m.buf[length:], uint16(len(m.buf)-length-2))
	}
}

// name writes a name. When it is compressed, it ends in a pointer as soon as its rest is in the message already
// (RFC 1035, section 4.1.4).
func (m *message) name(n *name, compress bool) {
	for ; n.parent != nil; n = n.parent {
		if compress {
			if offset := m.find(n); offset != 0 {
				m.word(0xc000 | offset)
				return
			}
		}
		m.know(n, len(m.buf))
		m.string(n.label)
	}
	m.string("\x00")
}

// find returns where the message has the name n; 0 if that is not known.
func (m *message) find(n *name) uint16 {
	for i, known := range m.names[:m.known] {
		if known == n {
			return m.offsets[i]
		}
	}
	return 0
}

// know remembers that the name n is at offset. All offsets are below maxSize, and a pointer has 14 bits for them.
func (m *message) know(n *name, offset int) {
	if m.known < maxKnown {
		m.names[m.known], m.offsets[m.known] = n, uint16(offset)
		m.known++
	}
}

func (m *message) word(n uint16) {
	if m.full = m.full || len(m.buf)+2 > m.limit; !m.full {
		m.buf = append(m.buf, byte(n>>8), byte(n))
	}
}

func (m *message) string(s string) {
	if m.full = m.full || len(m.buf)+len(s) > m.limit; !m.full {
		m.buf = append(m.buf, s...)
	}
}

func putWord(b []byte, n uint16) { b[0], b[1] = byte(n>>8), byte(n) }
