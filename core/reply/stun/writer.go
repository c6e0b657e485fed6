package stun

import (
	"encoding/binary"
	"net/netip"
)

// Address families of MAPPED-ADDRESS (RFC 8489, section 14.1).
const (
	family4 = 1
	family6 = 2
)

// notUnderstood is the reason behind the error 420 (RFC 8489, section 14.8). RFC 3489, section 11.2.9, has no padding
// but blanks in the text.
const (
	notUnderstood        = "Unknown Attribute"
	notUnderstoodClassic = "Unknown Attribute   "
)

// writer appends one reply to out.
type writer struct {
	out         []byte
	id          []byte // of the request; a reply has the same
	classic     bool
	fingerprint bool
}

// begin writes the header; its length is set by end.
func (w *writer) begin(kind uint16) {
	w.out = binary.BigEndian.AppendUint16(w.out, kind)
	w.out = append(w.out, 0, 0)
	w.out = append(w.out, w.id...)
}

// end sets the length and appends the fingerprint, which is computed over a length that counts it already (RFC 8489,
// section 14.7).
func (w *writer) end() []byte {
	size := len(w.out) - headerSize
	if w.fingerprint {
		size += 8
	}
	binary.BigEndian.PutUint16(w.out[2:], uint16(size))
	if w.fingerprint {
		sum := checksum(w.out)
		w.head(fingerprint, 4)
		w.out = binary.BigEndian.AppendUint32(w.out, sum)
	}
	return w.out
}

// head writes the type and the length of an attribute.
func (w *writer) head(kind uint16, size int) {
	w.out = binary.BigEndian.AppendUint16(w.out, kind)
	w.out = binary.BigEndian.AppendUint16(w.out, uint16(size))
}

// pad fills up to a multiple of 4 bytes.
func (w *writer) pad() {
	for len(w.out)%4 != 0 {
		w.out = append(w.out, 0)
	}
}

// fits says whether an attribute of size bytes, and the fingerprint behind it, still fits the reply.
func (w *writer) fits(size int) bool {
	need := 4 + (size+3)&^3
	if w.fingerprint {
		need += 8
	}
	return len(w.out)+need <= cap(w.out)
}

func (w *writer) attribute(kind uint16, text string) {
	w.head(kind, len(text))
	w.out = append(w.out, text...)
	w.pad()
}

// mapped writes the peer's address: as XOR-MAPPED-ADDRESS (RFC 8489, section 14.2), because some translators rewrite
// whatever in a payload looks like an address of theirs, or as the MAPPED-ADDRESS of RFC 3489.
func (w *writer) mapped(peer netip.AddrPort) {
	kind := uint16(xorMappedAddress)
	mask := w.id
	if w.classic {
		var none [16]byte
		kind, mask = mappedAddress, none[:]
	}
	address := peer.Addr().Unmap()
	ip := address.As16()
	family, bytes := byte(family6), ip[:]
	if address.Is4() {
		family, bytes = family4, ip[12:]
	}
	w.head(kind, 4+len(bytes))
	w.out = append(w.out, 0, family)
	w.out = binary.BigEndian.AppendUint16(w.out, peer.Port()^binary.BigEndian.Uint16(mask))
	for i, b := range bytes {
		w.out = append(w.out, b^mask[i])
	}
}

// unknown writes the error 420 and the types of the attributes that are to blame.
func (w *writer) unknown(m message) {
	reason := notUnderstood
	if m.classic {
		reason = notUnderstoodClassic
	}
	w.head(errorCode, 4+len(reason))
	w.out = append(w.out, 0, 0, 4, 20) // the class and the number, apart
	w.out = append(w.out, reason...)
	w.pad()
	listed := m.unknown
	if m.classic {
		listed += listed % 2
	}
	w.head(unknownAttributes, 2*listed)
	w.out = m.appendUnknown(w.out)
	if m.classic && len(w.out)%4 != 0 { // RFC 3489, section 11.2.10: one is repeated, for there is no padding
		w.out = append(w.out, w.out[len(w.out)-2:]...)
	}
	w.pad()
}
