package stun

import "encoding/binary"

// Attribute types (RFC 8489, section 18.3, and RFC 3489, section 11.2). Those below 0x8000 must be understood.
const (
	mappedAddress          = 0x0001
	changeRequest          = 0x0003 // of RFC 3489, and of RFC 5780
	username               = 0x0006
	messageIntegrity       = 0x0008
	errorCode              = 0x0009
	unknownAttributes      = 0x000A
	realm                  = 0x0014
	nonce                  = 0x0015
	messageIntegritySHA256 = 0x001C
	passwordAlgorithm      = 0x001D
	userhash               = 0x001E
	xorMappedAddress       = 0x0020
	software               = 0x8022
	fingerprint            = 0x8028
	optional               = 0x8000 // the first type that one may ignore
)

// message is what a request says, as far as it concerns the reply.
type message struct {
	kind        uint16
	id          []byte // the 16 bytes behind the length: magic cookie and transaction id
	attributes  []byte
	classic     bool // it has no magic cookie: its client is of RFC 3489
	fingerprint bool // it had a fingerprint, which was right
	unknown     int  // how many attributes there are that must be understood and are not
}

// parseHeader reads the header; attributes is what lies behind it.
func parseHeader(b []byte) (m message, ok bool) {
	if len(b) < headerSize || b[0]&0xc0 != 0 {
		return m, false
	}
	if size := int(binary.BigEndian.Uint16(b[2:])); size%4 != 0 || size != len(b)-headerSize {
		return m, false
	}
	return message{
		kind:       binary.BigEndian.Uint16(b),
		id:         b[4:headerSize],
		attributes: b[headerSize:],
		classic:    binary.BigEndian.Uint32(b[4:]) != magicCookie,
	}, true
}

// maxAttributes is how many attributes a request may have. It has a handful, but 16,000 fit a datagram.
const maxAttributes = 64

// parse reads a whole message. Attributes behind MESSAGE-INTEGRITY are ignored but for the two that may stand there
// (RFC 8489, section 14.5); a fingerprint must be right and the last of all (section 14.7).
func parse(b []byte) (m message, ok bool) {
	if m, ok = parseHeader(b); !ok {
		return m, false
	}
	protected, count := false, 0
	for rest := m.attributes; len(rest) > 0; {
		a, next, ok := nextAttribute(rest)
		if count++; !ok || count > maxAttributes {
			return m, false
		}
		at := len(b) - len(rest)
		rest = next
		switch {
		case a.kind == fingerprint && !m.classic:
			if len(a.value) != 4 || len(rest) > 0 || binary.BigEndian.Uint32(a.value) != checksum(b[:at]) {
				return m, false
			}
			m.fingerprint = true
		case protected:
		case m.protects(a):
			protected = true
		case m.strange(a):
			m.unknown++
		}
	}
	return m, true
}

// attribute is one of a message's.
type attribute struct {
	kind  uint16
	value []byte
}

// nextAttribute splits the first attribute off b. Values are padded to a multiple of 4 bytes (RFC 8489, section 14);
// in RFC 3489 their lengths are such multiples.
func nextAttribute(b []byte) (a attribute, rest []byte, ok bool) {
	if len(b) < 4 {
		return a, nil, false
	}
	a.kind = binary.BigEndian.Uint16(b)
	n := int(binary.BigEndian.Uint16(b[2:]))
	b = b[4:]
	padded := (n + 3) &^ 3
	if padded > len(b) {
		return a, nil, false
	}
	a.value = b[:n]
	return a, b[padded:], true
}

// protects says whether attributes behind a are to be ignored.
func (m *message) protects(a attribute) bool {
	return !m.classic && (a.kind == messageIntegrity || a.kind == messageIntegritySHA256)
}

// strange says whether a must be understood and is not. The attributes of credentials are, but not looked at.
//
// Clients of RFC 3489 send a CHANGE-REQUEST even when it asks for no change. One that does ask wants its answer from
// another address, and there is none.
func (m *message) strange(a attribute) bool {
	switch a.kind {
	case username, messageIntegrity:
		return false
	case realm, nonce, messageIntegritySHA256, passwordAlgorithm, userhash:
		return m.classic
	case changeRequest:
		return !m.classic || len(a.value) != 4 || binary.BigEndian.Uint32(a.value) != 0
	}
	return a.kind < optional
}

// appendUnknown appends the types of the attributes that m.unknown counts, in order.
func (m *message) appendUnknown(dst []byte) []byte {
	for rest, left := m.attributes, m.unknown; left > 0; {
		a, next, ok := nextAttribute(rest)
		if !ok {
			break
		}
		if m.strange(a) {
			dst = binary.BigEndian.AppendUint16(dst, a.kind)
			left--
		}
		rest = next
	}
	return dst
}
