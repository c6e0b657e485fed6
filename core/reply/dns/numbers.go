package dns

// headerSize is the length of a message's header (RFC 1035, section 4.1.1).
const headerSize = 12

// The bits of the header's third byte, and of the fourth the response code.
const (
	flagResponse      = 0x80 // QR
	opcodeMask        = 0x78
	flagAuthoritative = 0x04 // AA
	flagTruncated     = 0x02 // TC
	flagRecursion     = 0x01 // RD, which a response repeats
)

// The sizes of answers, in bytes.
const (
	minSize = 512  // what every client takes (RFC 1035, section 4.2.1)
	maxSize = 4096 // the most that is worth a try (RFC 6891, section 6.2.5)
	ownSize = 1232 // of queries, as our OPT record says: what passes every way without fragments
)

// optSize is the length of an OPT record without options (RFC 6891, section 6.1.2).
const optSize = 11

// The limits of names (RFC 1035, section 2.3.4).
const (
	maxLabel  = 63
	maxName   = 255 // on the wire: length bytes and the root's counted
	maxLabels = maxName / 2
)

// rcode is a response code, as EDNS extends it (RFC 6895, section 2.3).
type rcode uint16

const (
	noError        rcode = 0
	formatError    rcode = 1
	nameError      rcode = 3 // NXDOMAIN
	notImplemented rcode = 4
	refused        rcode = 5
	badVersion     rcode = 16
)

const classIN = 1

// rtype is the type of a record or of a question (RFC 6895, section 3).
type rtype uint16

const (
	typeA     rtype = 1
	typeNS    rtype = 2
	typeCNAME rtype = 5
	typeSOA   rtype = 6
	typePTR   rtype = 12
	typeHINFO rtype = 13
	typeMX    rtype = 15
	typeTXT   rtype = 16
	typeRP    rtype = 17
	typeAAAA  rtype = 28
	typeSRV   rtype = 33
	typeNAPTR rtype = 35
	typeOPT   rtype = 41
	typeDS    rtype = 43
	typeSSHFP rtype = 44
	typeTLSA  rtype = 52
	typeSVCB  rtype = 64
	typeHTTPS rtype = 65
	typeSPF   rtype = 99
	typeIXFR  rtype = 251
	typeAXFR  rtype = 252
	typeANY   rtype = 255
	typeURI   rtype = 256
	typeCAA   rtype = 257
)

// isMeta says whether t is no type of data but of questions and of what accompanies messages (RFC 6895,
// section 3.1).
func (t rtype) isMeta() bool { return t == typeOPT || t >= 128 && t <= 255 }
