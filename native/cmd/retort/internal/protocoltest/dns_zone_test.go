package protocoltest

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/retort-udp/retort/core"
)

// The zone file, as another library reads it. It knows nothing of how we read it, nor of how we write answers.
func readZone(t *testing.T) (records []dns.RR) {
	t.Helper()
	p := dns.NewZoneParser(strings.NewReader(string(dnsZone(t))), "", "example.zone")
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		records = append(records, rr)
	}
	if err := p.Err(); err != nil {
		t.Fatal(err)
	}
	if len(records) < 40 {
		t.Fatalf("only %d records", len(records))
	}
	return records
}

// askDNS returns the answer to a query, as the other library reads it; nil if there is none.
func askDNS(t *testing.T, h core.Handler, query []byte) *dns.Msg {
	t.Helper()
	d := datagram(rand.New(rand.NewPCG(1, 1)), time.Time{})
	d.Data = query
	answer, err := h.Reply(make([]byte, 0, core.MaxPayload4), d)
	if err != nil || answer == nil {
		return nil
	}
	m := new(dns.Msg)
	if err := m.Unpack(answer); err != nil {
		t.Fatalf("% x\nis answered with what cannot be read: %v\n% x", query, err, answer)
	}
	return m
}

// asText returns records as text in small letters, sorted.
func asText(records []dns.RR) (text []string) {
	for _, rr := range records {
		text = append(text, strings.ToLower(rr.String()))
	}
	slices.Sort(text)
	return text
}

// Every record of the zone file is in the answer to the question for it, with all those beside it and no other.
func TestEveryRecordDNS(t *testing.T) {
	h := builtinHandler(t, "dns", dnsZone(t))
	zone := readZone(t)
	for _, rr := range zone {
		head := rr.Header()
		query := new(dns.Msg).SetQuestion(head.Name, head.Rrtype).SetEdns0(4096, false)
		packed, err := query.Pack()
		if err != nil {
			t.Fatal(err)
		}
		m := askDNS(t, h, packed)
		if m == nil {
			t.Fatalf("no answer to %v", query)
		}
		var want []dns.RR
		for _, other := range zone {
			if other.Header().Name == head.Name && other.Header().Rrtype == head.Rrtype {
				want = append(want, other)
			}
		}
		got := m.Answer
		if dns.IsSubDomain("sub.example.com.", head.Name) || head.Name == "far.example.com." { // delegated
			if got = m.Ns; m.Authoritative || len(m.Answer) > 0 {
				t.Errorf("%s is no referral:\n%v", head.Name, m)
			}
			if head.Rrtype != dns.TypeNS {
				got, want = m.Extra[:len(m.Extra)-1], nil // without OPT
				for _, other := range zone {
					if dns.IsSubDomain("sub.example.com.", other.Header().Name) && other.Header().Rrtype != dns.TypeNS {
						want = append(want, other)
					}
				}
			}
		}
		if !slices.Equal(asText(got), asText(want)) {
			t.Errorf("%s %s\ngot  %q\nwant %q", head.Name, dns.TypeToString[head.Rrtype], asText(got), asText(want))
		}
	}
}

// Whatever is asked, the answer can be read, fits the question, and has no record that the zone file has not.
func TestAnyQueryDNS(t *testing.T) {
	h := builtinHandler(t, "dns", dnsZone(t))
	known := make(map[string]bool)
	for _, rr := range readZone(t) {
		known[strings.ToLower(rr.String())] = true
		if _, ok := rr.(*dns.SOA); ok { // as it is in negative answers
			rr.Header().Ttl = 300
			known[strings.ToLower(rr.String())] = true
		}
		if name := rr.Header().Name; strings.HasPrefix(name, "*.") {
			known[strings.ToLower(strings.TrimPrefix(rr.String(), "*."))] = true
		}
	}
	any := &dns.HINFO{Hdr: dns.RR_Header{Rrtype: dns.TypeHINFO, Class: dns.ClassINET, Ttl: 3600}, Cpu: "RFC8482"}

	r := rand.New(rand.NewPCG(*seed, 2))
	answered := 0
	for range 20_000 {
		query := dnsQuery(r)
		asked, m := new(dns.Msg), askDNS(t, h, query)
		if m == nil {
			continue
		}
		answered++
		if asked.Unpack(query) != nil {
			continue
		}
		if m.Id != asked.Id || !m.Response || !slices.Equal(m.Question, asked.Question) ||
			(asked.IsEdns0() != nil) != (m.IsEdns0() != nil) {
			t.Fatalf("%v\nis answered with\n%v", asked, m)
		}
		any.Hdr.Name = asked.Question[0].Name
		for _, rr := range slices.Concat(m.Answer, m.Ns, m.Extra) {
			text := strings.ToLower(rr.String())
			_, below, _ := strings.Cut(text, ".dev.example.com.")
			switch {
			case known[text], known["dev.example.com."+below], known["alias.dev.example.com."+below]:
			case rr.Header().Rrtype == dns.TypeOPT, text == strings.ToLower(any.String()):
			default:
				t.Fatalf("%v\nis answered with what is in no zone: %v", asked, rr)
			}
		}
	}
	if answered < 15_000 {
		t.Errorf("only %d answers", answered)
	}
}

// Transfers are refused: of all of a zone, and of what has changed. dig asks for them by TCP only.
func TestTransferDNS(t *testing.T) {
	h := builtinHandler(t, "dns", dnsZone(t))
	for _, query := range []*dns.Msg{
		new(dns.Msg).SetAxfr("example.com."),
		new(dns.Msg).SetIxfr("example.com.", 1, "ns1.example.com.", "hostmaster.example.com."),
	} {
		packed, err := query.Pack()
		if err != nil {
			t.Fatal(err)
		}
		if m := askDNS(t, h, packed); m == nil || m.Rcode != dns.RcodeRefused || len(m.Answer) > 0 {
			t.Errorf("%v\nis answered with\n%v", query, m)
		}
	}
}
