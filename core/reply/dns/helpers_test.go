package dns_test

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/reply/dns"

	"golang.org/x/net/dns/dnsmessage"
)

// Everything here is read by dnsmessage, which knows nothing of the package under test.

// sampleZone is the zone file that the sample guest has.
func sampleZone(t testing.TB) []byte {
	t.Helper()
	text, err := os.ReadFile("../../../testdata/handlers/dns-go/example.zone")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func newHandler(t testing.TB, zone string) *dns.Handler {
	t.Helper()
	h, err := dns.New([]byte(zone))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// types are those that questions in tests have, by name.
var types = map[string]dnsmessage.Type{
	"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "HINFO": 13, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33, "DS": 43,
	"IXFR": 251, "AXFR": 252, "MAILA": 254, "ANY": 255, "CAA": 257, "TYPE65280": 65280,
}

func typeName(t dnsmessage.Type) string {
	for name, number := range types {
		if number == t {
			return name
		}
	}
	return fmt.Sprintf("TYPE%d", t)
}

// query returns the query for "NAME TYPE", without EDNS.
func query(t testing.TB, question string) []byte {
	t.Helper()
	name, kind, _ := strings.Cut(question, " ")
	return pack(t, name, types[kind], nil)
}

// pack returns a query; with an OPT record if there is a header for one.
func pack(t testing.TB, name string, kind dnsmessage.Type, edns *dnsmessage.ResourceHeader) []byte {
	t.Helper()
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{ID: 0x1234, RecursionDesired: true})
	n, err := dnsmessage.NewName(name)
	if err != nil {
		t.Fatal(err)
	}
	check := func(err error) {
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	check(b.StartQuestions())
	check(b.Question(dnsmessage.Question{Name: n, Type: kind, Class: dnsmessage.ClassINET}))
	if edns != nil {
		check(b.StartAdditionals())
		check(b.OPTResource(*edns, dnsmessage.OPTResource{}))
	}
	message, err := b.Finish()
	check(err)
	return message
}

// edns returns the header of an OPT record.
func edns(t testing.TB, size int, dnssecOK bool) *dnsmessage.ResourceHeader {
	t.Helper()
	h := new(dnsmessage.ResourceHeader)
	if err := h.SetEDNS0(size, dnsmessage.RCodeSuccess, dnssecOK); err != nil {
		t.Fatal(err)
	}
	return h
}

// ask has h answer a request in a room of so many bytes, and reads the answer. None is nil.
func ask(t testing.TB, h core.Handler, request []byte, room int) *dnsmessage.Message {
	t.Helper()
	answer, err := h.Reply(make([]byte, 0, room), datagram(request))
	if err != nil {
		t.Fatal(err)
	}
	if answer == nil {
		return nil
	}
	if len(answer) > room {
		t.Fatalf("an answer of %d bytes in a room for %d", len(answer), room)
	}
	m := new(dnsmessage.Message)
	if err := m.Unpack(answer); err != nil {
		t.Fatalf("%v: % x", err, answer)
	}
	return m
}

func datagram(data []byte) *core.Datagram {
	return &core.Datagram{
		Data: data,
		From: netip.MustParseAddrPort("192.0.2.1:40000"),
		To:   netip.MustParseAddrPort("192.0.2.2:53"),
	}
}

// text is what a response says: the code and the flags, then a line for each record behind its section.
func text(m *dnsmessage.Message) string {
	if m == nil {
		return "silence"
	}
	var b strings.Builder
	b.WriteString(map[dnsmessage.RCode]string{
		0: "NOERROR", 1: "FORMERR", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED",
	}[m.RCode])
	if m.Authoritative {
		b.WriteString(" aa")
	}
	if m.Truncated {
		b.WriteString(" tc")
	}
	for _, section := range []struct {
		name    string
		records []dnsmessage.Resource
	}{{"", m.Answers}, {"authority ", m.Authorities}, {"additional ", m.Additionals}} {
		for _, r := range section.records {
			b.WriteString("\n" + section.name + recordText(r))
		}
	}
	return b.String()
}

// recordText is a record as a zone file has it, without the class.
func recordText(r dnsmessage.Resource) string {
	if r.Header.Type == dnsmessage.TypeOPT {
		return fmt.Sprintf("OPT size %d, flags %08x", r.Header.Class, r.Header.TTL)
	}
	head := fmt.Sprintf("%v %d %s ", r.Header.Name, r.Header.TTL, typeName(r.Header.Type))
	if r.Header.Class != dnsmessage.ClassINET {
		return head + "of a wrong class"
	}
	switch body := r.Body.(type) {
	case *dnsmessage.AResource:
		return head + netip.AddrFrom4(body.A).String()
	case *dnsmessage.AAAAResource:
		return head + netip.AddrFrom16(body.AAAA).String()
	case *dnsmessage.NSResource:
		return head + body.NS.String()
	case *dnsmessage.CNAMEResource:
		return head + body.CNAME.String()
	case *dnsmessage.PTRResource:
		return head + body.PTR.String()
	case *dnsmessage.MXResource:
		return head + fmt.Sprintf("%d %v", body.Pref, body.MX)
	case *dnsmessage.TXTResource:
		return head + fmt.Sprintf("%q", body.TXT)
	case *dnsmessage.SRVResource:
		return head + fmt.Sprintf("%d %d %d %v", body.Priority, body.Weight, body.Port, body.Target)
	case *dnsmessage.SOAResource:
		return head + fmt.Sprintf("%v %v %d %d %d %d %d", body.NS, body.MBox, body.Serial, body.Refresh, body.Retry,
			body.Expire, body.MinTTL)
	case *dnsmessage.UnknownResource:
		return head + fmt.Sprintf("% x", body.Data)
	}
	return head + fmt.Sprintf("%T", r.Body)
}

// lines cuts the indentation off a text, and the blank lines around it.
func lines(s string) string {
	var b []string
	for line := range strings.Lines(strings.TrimSpace(s)) {
		b = append(b, strings.TrimSpace(line))
	}
	return strings.Join(b, "\n")
}
