package dns

// maxRecords is how many records a query may have: there is use for an OPT record, a signature, and the SOA record of
// one who asks for changes. More are work for us, and for nothing.
const maxRecords = 8

// query is what a request asks. Nothing in it outlives the request.
type query struct {
	data     []byte // the request
	question []byte // of it, from the name to the class; nil if there is none that can be read

	name   [maxName]byte        // in lower case, on the wire
	size   int                  // of name
	labels [maxLabels + 1]uint8 // where the labels begin in name, the root's too
	depth  int                  // how many labels there are, without the root
	rtype  rtype
	class  uint16

	hasOPT   bool
	answers  int   // bytes of answer that the client takes
	version  uint8 // of EDNS
	dnssecOK bool  // the DO bit, which a response repeats (RFC 3225, section 3)
}

// plausible says whether data may be a message, well-formed or not: it has a header, which counts no more questions
// and records than there are bytes, and if it counts none there is nothing behind it.
func plausible(data []byte) bool {
	if len(data) < headerSize {
		return false
	}
	total := 0
	for at := 4; at < headerSize; at += 2 {
		total += int(word(data[at:]))
	}
	if total == 0 {
		return len(data) == headerSize
	}
	return total <= len(data)
}

// parse reads a request of at least headerSize bytes. Its code is that of the response, unless it is noError. What
// could be read, the question and what EDNS says, belongs into a response with an error, too.
func (q *query) parse(data []byte) rcode {
	q.data = data
	q.answers = minSize
	wellFormed := q.read()
	switch {
	case data[2]&opcodeMask != 0: // whose messages may have another form
		return notImplemented
	case !wellFormed:
		return formatError
	}
	return noError
}

// read is strict: a message that ends early or late is no query, nor is one without one question (RFC 9619).
func (q *query) read() bool {
	questions, at, ok := word(q.data[4:]), headerSize, true
	records := int(word(q.data[6:])) + int(word(q.data[8:])) + int(word(q.data[10:]))
	if questions > 1 || records > maxRecords {
		return false
	}
	if questions == 1 {
		if at, ok = q.parseQuestion(); !ok {
			return false
		}
	}
	for section := 1; section <= 3; section++ {
		for range word(q.data[4+2*section:]) {
			if at, ok = q.parseRecord(at, section == 3); !ok {
				return false
			}
		}
	}
	return questions == 1 && at == len(q.data)
}

// parseQuestion returns where the question ends. Its name cannot be compressed, as nothing precedes it.
func (q *query) parseQuestion() (end int, ok bool) {
	rest := q.data[headerSize:]
	for {
		if q.size == len(rest) {
			return 0, false
		}
		n := int(rest[q.size])
		q.labels[q.depth] = uint8(q.size)
		if n > maxLabel || q.size+1+n >= len(rest) || q.size+1+n > maxName-min(n, 1) {
			return 0, false
		}
		lowerAll(q.name[q.size:], rest[q.size:q.size+1+n])
		q.size += 1 + n
		if n == 0 {
			break
		}
		q.depth++
	}
	if len(rest) < q.size+4 {
		return 0, false
	}
	q.question = rest[:q.size+4]
	q.rtype, q.class = rtype(word(rest[q.size:])), word(rest[q.size+2:])
	return headerSize + q.size + 4, true
}

// parseRecord returns where the record at a place ends. Of records only OPT matters, in the additional section.
func (q *query) parseRecord(at int, additional bool) (end int, ok bool) {
	start := at
	if at, ok = skipName(q.data, at); !ok || len(q.data)-at < 10 {
		return 0, false
	}
	fixed := q.data[at:]
	data := fixed[10:]
	size := int(word(fixed[8:]))
	if len(data) < size {
		return 0, false
	}
	if rtype(word(fixed)) == typeOPT && additional {
		if q.hasOPT || q.data[start] != 0 {
			return 0, false // RFC 6891, section 6.1.1
		}
		q.hasOPT = true // also in the response that complains of its options (RFC 6891, section 7)
		q.answers = min(max(int(word(fixed[2:])), minSize), maxSize)
		q.version = fixed[5]
		q.dnssecOK = fixed[6]&0x80 != 0
		if q.version == 0 && !wellFormedOptions(data[:size]) { // other versions may have others
			return 0, false
		}
	}
	return at + 10 + size, true
}

// skipName returns where the name at a place ends. A pointer is not followed: what it points to does not matter.
func skipName(data []byte, at int) (end int, ok bool) {
	for most := at + maxName; at < min(len(data), most); {
		switch n := int(data[at]); {
		case n == 0:
			return at + 1, true
		case n <= maxLabel:
			at += 1 + n
		case n >= 0xc0:
			return at + 2, at+2 <= len(data)
		default:
			return 0, false
		}
	}
	return 0, false
}

// wellFormedOptions says whether options fill their record. None of them is acted upon.
func wellFormedOptions(options []byte) bool {
	for len(options) > 0 {
		if len(options) < 4 {
			return false
		}
		size := int(word(options[2:]))
		if len(options) < 4+size {
			return false
		}
		options = options[4+size:]
	}
	return true
}

func word(b []byte) uint16 { return uint16(b[0])<<8 | uint16(b[1]) }

// lowerAll copies a name, or a part of one, to dst in lower case.
func lowerAll(dst, wire []byte) {
	for i, c := range wire {
		dst[i] = lower(c)
	}
}

// lower is c, or the small letter that it is equal to in names (RFC 4343). Length bytes are no letters.
func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
