package dns

import (
	"strconv"
	"strings"
)

// form is how the records of a type are written in a zone file, and how they are packed.
type form struct {
	name      string
	rtype     rtype
	fields    string // what stands behind the type, a letter for each field: see dataReader.field
	compress  bool   // names in it (RFC 3597, section 4)
	addresses bool   // those of its name belong into the additional section
}

// forms are the types that have a form of their own: of RFC 1035, or as the line says.
var forms = [...]form{
	{name: "A", rtype: typeA, fields: "4"},
	{name: "NS", rtype: typeNS, fields: "n", compress: true, addresses: true},
	{name: "CNAME", rtype: typeCNAME, fields: "n", compress: true},
	{name: "SOA", rtype: typeSOA, fields: "nnLTTTT", compress: true},
	{name: "PTR", rtype: typePTR, fields: "n", compress: true},
	{name: "HINFO", rtype: typeHINFO, fields: "ss"},
	{name: "MX", rtype: typeMX, fields: "Wn", compress: true, addresses: true},
	{name: "TXT", rtype: typeTXT, fields: "S"},
	{name: "RP", rtype: typeRP, fields: "nn"},                       // RFC 1183
	{name: "AAAA", rtype: typeAAAA, fields: "6"},                    // RFC 3596
	{name: "SRV", rtype: typeSRV, fields: "WWWn", addresses: true},  // RFC 2782
	{name: "NAPTR", rtype: typeNAPTR, fields: "WWsssn"},             // RFC 3403
	{name: "SSHFP", rtype: typeSSHFP, fields: "BBx"},                // RFC 4255
	{name: "TLSA", rtype: typeTLSA, fields: "BBBx"},                 // RFC 6698
	{name: "SVCB", rtype: typeSVCB, fields: "Wnp", addresses: true}, // RFC 9460
	{name: "HTTPS", rtype: typeHTTPS, fields: "Wnp", addresses: true},
	{name: "SPF", rtype: typeSPF, fields: "S"},   // RFC 7208
	{name: "URI", rtype: typeURI, fields: "WWr"}, // RFC 7553
	{name: "CAA", rtype: typeCAA, fields: "Btr"}, // RFC 8659
}

// reserved are the types that a zone file may not have here, with the reason.
var reserved = [...]struct {
	name   string
	rtype  rtype
	reason string
}{
	{"DNAME", 39, "DNAME is not served: write the CNAME records that it stands for"},
	{"SIG", 24, unsigned},
	{"KEY", 25, unsigned},
	{"NXT", 30, unsigned},
	{"DS", typeDS, unsigned},
	{"RRSIG", 46, unsigned},
	{"NSEC", 47, unsigned},
	{"DNSKEY", 48, unsigned},
	{"NSEC3", 50, unsigned},
	{"NSEC3PARAM", 51, unsigned},
}

const unsigned = "DNSSEC is not served: use the zone as it was before it was signed"

// formOf returns the form of a type that is given by its name or as TYPE123. What has no form of its own has no
// fields. What is wrong with the type is in words, or "".
func formOf(text string) (f *form, wrong string) {
	for i := range forms {
		if f := &forms[i]; f.name == text {
			return f, "" // the common case, without a copy in capitals
		}
	}
	upper := strings.ToUpper(text)
	digits, numbered := strings.CutPrefix(upper, "TYPE")
	var number uint64
	if numbered {
		var err error
		if number, err = strconv.ParseUint(digits, 10, 16); err != nil {
			return nil, "the type " + strconv.Quote(text) + " has no number up to 65535"
		}
	}
	is := func(name string, t rtype) bool { return upper == name || numbered && t == rtype(number) }
	for i := range reserved {
		if r := &reserved[i]; is(r.name, r.rtype) {
			return nil, r.reason
		}
	}
	for i := range forms {
		if f := &forms[i]; is(f.name, f.rtype) {
			return f, ""
		}
	}
	switch {
	case !numbered:
		return nil, "no type of records is called " + strconv.Quote(text) + " here; any is accepted in the form " +
			`TYPE123 \# LENGTH HEX (RFC 3597)`
	case number == 0 || rtype(number).isMeta():
		return nil, "there are no records of the type " + strconv.Quote(text)
	}
	return &form{name: upper, rtype: rtype(number)}, ""
}
