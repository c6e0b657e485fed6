// Package dns is an authoritative name server: it answers from zone files (RFC 1034, RFC 1035).
//
//	retort server -p 5353 --handler dns --handler-config @example.zone
//	dig -p 5353 @127.0.0.1 www.example.com
//
// # Zone files
//
// The configuration is a master file (RFC 1035, section 5):
//
//	$ORIGIN example.com.
//	$TTL 1h
//	@       SOA  ns1 hostmaster ( 2026112201 ; serial
//	                              2h 30m 2w 5m )
//	        NS   ns1
//	        MX   10 mail
//	ns1     A    192.0.2.1
//	        AAAA 2001:db8::1
//	mail    A    192.0.2.2
//	*.dev   CNAME mail
//
// A file begins with $ORIGIN, unless all its names end in a dot: a handler is not told a name for it. Times may
// have units, as in 1h30m. The types that have a form of their own are A, AAAA, CAA, CNAME, HINFO, HTTPS, MX, NAPTR,
// NS, PTR, RP, SOA, SPF, SRV, SSHFP, SVCB, TLSA, TXT and URI; others are written as in RFC 3597, TYPE65280 \# 3 010203,
// and those may be. The class is IN. $INCLUDE is refused, because a handler reads no files, and so is $GENERATE.
//
// There may be several zones, one behind the other: each begins with its SOA record, and the records that follow
// belong to it. What is wrong with a file is an [*Error], which names the line.
//
// # Answers
//
// The rules are those of RFC 1034, section 4.3.2, and what has been made of them since: wildcards as RFC 4592 has
// them, negative answers with the SOA record (RFC 2308), referrals to the servers of delegated zones with the
// addresses that these need (RFC 9471), aliases followed through all zones here, the response code being that of
// the last (RFC 6604). ANY is answered with one record (RFC 8482). Names outside the zones, classes other than IN
// and transfers of zones are refused. There is no recursion and no DNSSEC; the records of DNSSEC are refused in
// zone files, and so is DNAME.
//
// A query that cannot be understood is answered with FORMERR, an operation other than QUERY with NOTIMP. EDNS is of
// version 0 (RFC 6891): it has the client's size for answers, up to 4,096 bytes; others have 512.
//
// A datagram that is no message at all is [core.ErrMalformed]: one that is shorter than a header, or whose header
// counts more than it can hold. Text is such a datagram. To answer it with an error, which has no QR bit where
// text is expected, would begin an endless exchange with a server that answers everything (RFC 864). A response is
// met with silence.
//
// # Amplification
//
// DNS amplifies: 512 bytes of answer to a query of 17 are 12 to 1 on the wire, IP headers counted, and 4,096 bytes
// to one of 28 with EDNS are 73 to 1. An answer that is longer than cap(dst) is therefore not lost but truncated:
// it is the question alone, with the TC bit set, so that an honest client knows. With a server's default of
// 3 bytes out for each in, that becomes of answers above 143 bytes to the query for example.com, or 176 with EDNS.
// There is no TCP here to ask again by: a server whose zones have long answers must be allowed a larger factor,
// with clients that it knows, or its clients pad their queries (RFC 7830), which earns them more.
package dns

import "github.com/retort-udp/retort/core"

// Handler answers queries from zones. The zero Handler has none and refuses every query, until it is configured.
// It may be used concurrently.
type Handler struct{ db database }

var (
	_ core.Handler    = (*Handler)(nil)
	_ core.Configurer = (*Handler)(nil)
	_ core.Classifier = (*Handler)(nil)
)

// New returns a Handler that answers from the zones in a master file. Its error is an *Error.
func New(zones []byte) (*Handler, error) {
	h := new(Handler)
	if err := h.Configure(zones); err != nil {
		return nil, err
	}
	return h, nil
}

// Configure implements core.Configurer: config is a master file. Its error is an *Error.
func (h *Handler) Configure(config []byte) error {
	db, err := parse(string(config))
	if err != nil {
		return err
	}
	h.db = *db
	return nil
}

// IsResponse implements core.Classifier by the QR bit.
func (h *Handler) IsResponse(d *core.Datagram) bool {
	return len(d.Data) >= headerSize && d.Data[2]&flagResponse != 0
}

// Reply implements core.Handler. There is silence, too, if dst has no room for the header, the question and what
// EDNS wants: a client could not tell what that answers.
func (h *Handler) Reply(dst []byte, d *core.Datagram) ([]byte, error) {
	if h.IsResponse(d) {
		return nil, nil
	}
	if !plausible(d.Data) {
		return nil, core.ErrMalformed
	}
	var q query
	var m message
	code := q.parse(d.Data)
	if !m.begin(dst, &q) {
		return nil, nil
	}
	switch {
	case code != noError:
		m.code = code
	case q.hasOPT && q.version > 0:
		m.code = badVersion // RFC 6891, section 6.1.3
	default:
		h.db.answer(&m, &q)
	}
	return m.end(&q), nil
}
