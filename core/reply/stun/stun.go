// Package stun answers STUN Binding requests (RFC 8489): it tells a client behind a network address translator the
// address and port that its datagram came from. It is the "basic STUN server" of RFC 8489, section 12, which needs
// no credentials and keeps no state; requests without the magic cookie, of clients of RFC 3489, are answered too.
//
// A reply to the shortest request, of 20 bytes, has 32 bytes for an IPv4 peer and 44 for an IPv6 peer, 8 more with a
// fingerprint, 4 and the text with a software name. With headers that is an amplification of 1.25 over IPv4 and 1.35
// over IPv6, 1.42 and 1.47 with a fingerprint that was not asked for; the error for unknown attributes reaches 1.62
// and 1.77. A software name of up to 60 bytes keeps it all within 3.
package stun

import (
	"hash/crc32"

	"github.com/retort-udp/retort/core"
)

// The header (RFC 8489, section 5).
const (
	headerSize  = 20
	magicCookie = 0x2112A442
)

// Message types of the one method there is, Binding, in each class (RFC 8489, section 5).
const (
	bindingRequest    = 0x0001
	bindingIndication = 0x0011
	bindingSuccess    = 0x0101
	bindingError      = 0x0111
)

// classBits are where a message type has its class; both zero is a request, the upper one set an answer.
const (
	classBits   = 0x0110
	classAnswer = 0x0100
)

// fingerprintMask is XORed onto the checksum, lest the protocol multiplexed with STUN have CRC-32 in its last bytes as
// well (RFC 8489, section 14.7).
const fingerprintMask = 0x5354554e

// MaxSoftware is how many characters of UTF-8 a software name may have (RFC 8489, section 14.14: fewer than 128).
const MaxSoftware = 127

// Fingerprint says which replies end in a FINGERPRINT attribute.
type Fingerprint uint8

// The choices.
const (
	WhenAsked Fingerprint = iota // replies to requests that have one
	Always                       // all but those to clients of RFC 3489
	Never
)

// Handler answers Binding requests. The zero Handler answers all clients and names no software.
//
// Fill in the fields, or have Configure do it, before the first Reply. A Handler keeps no state.
type Handler struct {
	Software    string // for the SOFTWARE attribute, at most MaxSoftware characters; left out where there is no room
	Fingerprint Fingerprint
	NoClassic   bool // leave clients of RFC 3489 unanswered
}

var (
	_ core.Handler    = (*Handler)(nil)
	_ core.Classifier = (*Handler)(nil)
	_ core.Configurer = (*Handler)(nil)
)

// Reply implements core.Handler.
//
// A Binding request is answered with a success, or with the error 420 when it has attributes that must be
// understood and are not. Indications, answers and other methods get silence. What is no STUN message, has a
// fingerprint that does not fit, or more than 64 attributes, is malformed (RFC 8489, section 6.3: it is discarded without a word).
//
// Credentials are not wanted, so those that a request brings are not looked at.
func (h *Handler) Reply(dst []byte, d *core.Datagram) ([]byte, error) {
	m, ok := parse(d.Data)
	if !ok {
		return nil, core.ErrMalformed
	}
	if m.kind != bindingRequest || m.classic && h.NoClassic {
		return nil, nil
	}
	w := writer{out: dst, id: m.id, classic: m.classic}
	w.fingerprint = !m.classic && (h.Fingerprint == Always || h.Fingerprint == WhenAsked && m.fingerprint)
	if m.unknown > 0 {
		w.begin(bindingError)
		w.unknown(m)
	} else {
		w.begin(bindingSuccess)
		w.mapped(d.From)
	}
	if h.Software != "" && !m.classic && w.fits(len(h.Software)) {
		w.attribute(software, h.Software)
	}
	return w.end(), nil
}

// IsResponse says whether d is a STUN success or error, of whatever method.
func (h *Handler) IsResponse(d *core.Datagram) bool {
	m, ok := parseHeader(d.Data)
	return ok && m.kind&classAnswer != 0
}

// checksum is the value of a FINGERPRINT attribute that follows b.
func checksum(b []byte) uint32 { return crc32.ChecksumIEEE(b) ^ fingerprintMask }
