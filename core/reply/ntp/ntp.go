// Package ntp answers clients of the Network Time Protocol as a server does: versions 3 and 4 (RFC 1305, RFC 5905),
// SNTP with them (RFC 5905, section 14), and the older versions 1 and 2 (RFC 1059, RFC 1119).
//
// The time is that of the datagram: both the receive and the transmit timestamp of a reply are
// [core.Datagram.Time], which a server reads from its host's clock once a batch. So a reply says honestly when its
// request was there, and says nothing of the microseconds until it leaves again: a client takes those for
// half of the way back, and errs by half of them. The handler does not steer the clock; how good the clock is,
// the configuration says.
//
// What is not a client's request gets no answer: answers, broadcasts, and above all the control messages of
// modes 6 and 7, through which time servers were made amplifiers. Extension fields (RFC 7822) and message
// authentication codes behind the header are ignored, so a reply is 48 bytes for a request of at least as
// many: it amplifies nothing.
package ntp

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/retort-udp/retort/core"
)

// HeaderSize is the length of a packet without extension fields, in bytes.
const HeaderSize = 48

// Modes of association (RFC 5905, figure 10).
const (
	modeUnspecified = 0 // of version 1, which has no such field, too
	modeActive      = 1
	modePassive     = 2
	modeClient      = 3
	modeServer      = 4
	modeBroadcast   = 5
	modeControl     = 6
	modePrivate     = 7
)

// port is the service's own (RFC 5905, section 7.2): who asks from there with version 1 is no plain client.
const port = 123

// Leap warns of a leap second in the last minute of the month (RFC 5905, figure 9).
type Leap uint8

// The warnings.
const (
	NoWarning      Leap = iota
	Insert              // the last minute has 61 seconds
	Delete              // the last minute has 59 seconds
	Unsynchronized      // the clock is not set: clients will not use it
)

// MaxKisses is how many prefixes may be sent a kiss. Each costs every datagram a comparison.
const MaxKisses = 64

// Kiss is what clients with an address in Prefix are sent instead of the time: a "kiss-o'-death" packet with Code
// (RFC 5905, section 7.4). RATE asks a client to ask less often, DENY and RSTR tell it to stop.
type Kiss struct {
	Code   [4]byte
	Prefix netip.Prefix
}

// Handler answers with its datagrams' time. Its fields say how good that time is; the zero Handler says that the
// clock is not known to follow any other, as a stratum 10 and the reference 127.127.1.1 do.
//
// Fill in the fields, or have Configure do it, before the first Reply. A Handler keeps no state.
type Handler struct {
	Leap           Leap
	Stratum        uint8         // distance from a reference clock, 1 to 15; 0: 10
	Reference      [4]byte       // reference id; all zero: 127.127.1.1, the local clock
	Precision      int8          // of the clock, as a power of two in seconds; 0: -16, about 15 µs
	RootDelay      time.Duration // both ways to the reference clock; less than 18 hours
	RootDispersion time.Duration // the most that the clock is wrong by; likewise
	ClientsOnly    bool          // leave symmetric peers (mode 1) unanswered; some plain clients ask as such
	Kisses         []Kiss        // the first whose prefix matches counts
}

var (
	_ core.Handler    = (*Handler)(nil)
	_ core.Classifier = (*Handler)(nil)
	_ core.Configurer = (*Handler)(nil)
)

// The defaults of Handler. The time of a batch is a few microseconds old when its first datagram is answered, and
// some more at its last: that is what the precision allows for.
const (
	defaultStratum   = 10
	defaultPrecision = -16
)

var defaultReference = [4]byte{127, 127, 1, 1} // the driver "undisciplined local clock" of the reference implementation

// Reply implements core.Handler.
//
// A request of mode 3 is answered with mode 4, one of mode 1 with mode 2, and one of version 1 without a mode as if
// it had mode 3. A packet that is too short, or of a version below 1 or above 4, is malformed.
func (h *Handler) Reply(dst []byte, d *core.Datagram) ([]byte, error) {
	request := d.Data
	if len(request) < HeaderSize {
		return nil, core.ErrMalformed
	}
	version, mode := request[0]>>3&7, request[0]&7
	if version < 1 || version > 4 {
		return nil, core.ErrMalformed
	}
	answer := byte(modeServer)
	switch {
	case mode == modeClient:
	case mode == modeUnspecified && version == 1 && d.From.Port() != port:
	case mode == modeActive && !h.ClientsOnly:
		answer = modePassive
	default:
		return nil, nil
	}
	return h.append(dst, d, version<<3|answer), nil
}

// append writes the packet of RFC 5905, figure 8, whose first byte lacks the leap indicator.
func (h *Handler) append(dst []byte, d *core.Datagram, first byte) []byte {
	now := Timestamp(d.Time)
	leap, stratum, reference := h.Leap, h.Stratum, h.Reference
	if stratum == 0 {
		stratum = defaultStratum
	}
	if reference == [4]byte{} {
		reference = defaultReference
	}
	if code, kissed := h.kiss(d.From.Addr()); kissed {
		leap, stratum, reference = Unsynchronized, 0, code
	}
	precision := h.Precision
	if precision == 0 {
		precision = defaultPrecision
	}
	dst = append(dst, byte(leap)<<6|first, stratum, d.Data[2], byte(precision)) // the poll interval is the client's
	dst = binary.BigEndian.AppendUint32(dst, short(h.RootDelay))
	dst = binary.BigEndian.AppendUint32(dst, short(h.RootDispersion))
	dst = append(dst, reference[:]...)
	dst = binary.BigEndian.AppendUint64(dst, lastSet(now))
	dst = append(dst, d.Data[40:48]...) // origin: the client's transmit timestamp, whatever it says
	dst = binary.BigEndian.AppendUint64(dst, now)
	return binary.BigEndian.AppendUint64(dst, now)
}

// kiss returns the code for a peer that is to get one.
func (h *Handler) kiss(peer netip.Addr) (code [4]byte, kissed bool) {
	for i := range h.Kisses {
		if k := &h.Kisses[i]; k.Prefix.Contains(peer.WithZone("")) {
			return k.Code, true
		}
	}
	return code, false
}

// IsResponse says whether a packet has a mode that answers: 2, 4 and 5, and among control messages those with the
// response bit (RFC 9327, section 2, for mode 6; in mode 7 it is the first bit of all).
func (h *Handler) IsResponse(d *core.Datagram) bool {
	if len(d.Data) < 2 {
		return false
	}
	switch d.Data[0] & 7 {
	case modePassive, modeServer, modeBroadcast:
		return true
	case modeControl:
		return d.Data[1]&0x80 != 0
	case modePrivate:
		return d.Data[0]&0x80 != 0
	}
	return false
}
