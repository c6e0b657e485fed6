package dns_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/reply/dns"
)

const (
	soa     = "authority example.com. 300 SOA ns1.example.com. hostmaster.example.com. 2026112201 7200 1800 1209600 300"
	reverse = "authority 2.0.192.in-addr.arpa. 300 SOA ns1.example.com. hostmaster.example.com. 1 7200 1800 1209600 300"
)

// The sample's zones, question by question. What is expected comes from the RFCs by way of the zone file.
func TestAnswers(t *testing.T) {
	h := newHandler(t, string(sampleZone(t)))
	for _, tt := range []struct{ question, want string }{
		// RFC 1034, section 4.3.2: the name is there.
		{"example.com. A", "NOERROR aa\nexample.com. 3600 A 192.0.2.80"},
		{"example.com. AAAA", "NOERROR aa\nexample.com. 3600 AAAA 2001:db8::80"},
		{"ns1.example.com. A", "NOERROR aa\nns1.example.com. 86400 A 192.0.2.53"},
		{"ns1.example.com. AAAA", "NOERROR aa\nns1.example.com. 86400 AAAA 2001:db8::53"},
		{"sip.example.com. A", "NOERROR aa\nsip.example.com. 60 A 192.0.2.60"},
		{"example.com. SOA", "NOERROR aa\nexample.com. 3600 SOA " +
			"ns1.example.com. hostmaster.example.com. 2026112201 7200 1800 1209600 300"},
		{"example.com. TXT", "NOERROR aa\n" + `example.com. 3600 TXT ["v=spf1 mx -all"]` + "\n" +
			`example.com. 3600 TXT ["one string; with a semicolon, " "and another: \"\\ü\""]`},
		{"example.com. CAA", "NOERROR aa\nexample.com. 3600 CAA 00 05 69 73 73 75 65 63 61 2e 65 78 61 6d 70 6c 65 2e 6e 65 74"},
		{"printer.example.com. HINFO", "NOERROR aa\nprinter.example.com. 3600 HINFO 06 50 44 50 2d 31 31 04 55 4e 49 58"},
		{"printer.example.com. TYPE65280", "NOERROR aa\nprinter.example.com. 3600 TYPE65280 c0 00 02 01"},
		{"25.2.0.192.in-addr.arpa. PTR", "NOERROR aa\n25.2.0.192.in-addr.arpa. 3600 PTR mail.example.com."},

		// The addresses of what is named, as far as the zone has them.
		{"example.com. NS", `NOERROR aa
			example.com. 3600 NS ns1.example.com.
			example.com. 3600 NS ns2.example.net.
			additional ns1.example.com. 86400 A 192.0.2.53
			additional ns1.example.com. 86400 AAAA 2001:db8::53`},
		{"example.com. MX", `NOERROR aa
			example.com. 3600 MX 10 mail.example.com.
			example.com. 3600 MX 20 mail.example.net.
			additional mail.example.com. 3600 A 192.0.2.25
			additional mail.example.com. 3600 AAAA 2001:db8::25`},
		{"_sip._udp.example.com. SRV", `NOERROR aa
			_sip._udp.example.com. 3600 SRV 10 60 5060 sip.example.com.
			_sip._udp.example.com. 3600 SRV 20 0 5060 mail.example.com.
			additional sip.example.com. 60 A 192.0.2.60
			additional mail.example.com. 3600 A 192.0.2.25
			additional mail.example.com. 3600 AAAA 2001:db8::25`},

		// Negative answers have the SOA record, with the lower of two times (RFC 2308, section 3).
		{"nothing.example.com. A", "NXDOMAIN aa\n" + soa},
		{"a.b.c.nothing.example.com. A", "NXDOMAIN aa\n" + soa},
		{"a.mail.example.com. A", "NXDOMAIN aa\n" + soa},
		{"mail.example.com. TXT", "NOERROR aa\n" + soa},
		{"example.com. DS", "NOERROR aa\n" + soa},
		{"7.2.0.192.in-addr.arpa. PTR", "NXDOMAIN aa\n" + reverse},
		{"2.0.192.in-addr.arpa. PTR", "NOERROR aa\n" + reverse},

		// Empty non-terminals exist.
		{"lan.example.com. A", "NOERROR aa\n" + soa},
		{"_udp.example.com. SRV", "NOERROR aa\n" + soa},
		{"alias.dev.example.com. A", "NOERROR aa\n" + soa},

		// Aliases are followed; the code is that of the last (RFC 6604).
		{"www.example.com. A", `NOERROR aa
			www.example.com. 3600 CNAME web.example.com.
			web.example.com. 3600 CNAME host.lan.example.com.
			host.lan.example.com. 3600 A 192.0.2.1
			host.lan.example.com. 3600 A 192.0.2.2`},
		{"www.example.com. CNAME", "NOERROR aa\nwww.example.com. 3600 CNAME web.example.com."},
		{"www.example.com. TXT", `NOERROR aa
			www.example.com. 3600 CNAME web.example.com.
			web.example.com. 3600 CNAME host.lan.example.com.` + "\n" + soa},
		{"broken.example.com. A", "NXDOMAIN aa\nbroken.example.com. 3600 CNAME nothing.example.com.\n" + soa},
		{"outside.example.com. A", "NOERROR aa\noutside.example.com. 3600 CNAME www.example.net."},
		{"tick.example.com. A", `NOERROR aa
			tick.example.com. 3600 CNAME tock.example.com.
			tock.example.com. 3600 CNAME tick.example.com.`},
		{"into.far.alias.example.com. A", `NOERROR aa
			into.far.alias.example.com. 3600 CNAME host.far.example.com.
			authority far.example.com. 3600 NS ns.example.org.`},

		// Delegated names are referred, and so are names of whose addresses we know only to help with that.
		{"host.sub.example.com. A", referral},
		{"sub.example.com. A", referral},
		{"sub.example.com. NS", referral},
		{"ns1.sub.example.com. A", referral},
		{"sub.example.com. DS", "NOERROR aa\n" + soa}, // RFC 4035, section 3.1.4.1: this is ours to say
		{"a.sub.example.com. DS", referral},
		{"far.example.com. MX", "NOERROR\nauthority far.example.com. 3600 NS ns.example.org."},

		// Wildcards (RFC 4592).
		{"x.dev.example.com. A", "NOERROR aa\nx.dev.example.com. 3600 A 192.0.2.100"},
		{"x.y.z.dev.example.com. A", "NOERROR aa\nx.y.z.dev.example.com. 3600 A 192.0.2.100"},
		{"*.dev.example.com. A", "NOERROR aa\n*.dev.example.com. 3600 A 192.0.2.100"},
		{"x.dev.example.com. AAAA", "NOERROR aa\n" + soa},
		{"dev.example.com. A", "NOERROR aa\n" + soa},
		{"own.dev.example.com. A", "NOERROR aa\n" + soa},
		{"x.own.dev.example.com. A", "NXDOMAIN aa\n" + soa},
		{"below.dev.example.com. A", "NOERROR aa\n" + soa},
		{"x.below.dev.example.com. A", "NXDOMAIN aa\n" + soa},
		{"x.*.dev.example.com. A", "NXDOMAIN aa\n" + soa},
		{"x.alias.dev.example.com. AAAA", `NOERROR aa
			x.alias.dev.example.com. 3600 CNAME www.example.com.
			www.example.com. 3600 CNAME web.example.com.
			web.example.com. 3600 CNAME host.lan.example.com.` + "\n" + soa},

		// ANY is answered with one record, whatever there is (RFC 8482).
		{"example.com. ANY", "NOERROR aa\nexample.com. 3600 HINFO 07 52 46 43 38 34 38 32 00"},
		{"x.dev.example.com. ANY", "NOERROR aa\nx.dev.example.com. 3600 HINFO 07 52 46 43 38 34 38 32 00"},
		{"www.example.com. ANY", "NOERROR aa\nwww.example.com. 3600 CNAME web.example.com."},
		{"lan.example.com. ANY", "NOERROR aa\n" + soa},
		{"nothing.example.com. ANY", "NXDOMAIN aa\n" + soa},
		{"host.sub.example.com. ANY", referral},

		// What is not ours, and what is not for everybody.
		{"example.org. A", "REFUSED"},
		{"com. A", "REFUSED"},
		{". NS", "REFUSED"},
		{"example.net. A", "REFUSED"}, // mentioned, but no zone
		{"example.com. AXFR", "REFUSED"},
		{"example.com. IXFR", "REFUSED"},
		{"example.org. AXFR", "REFUSED"},
		{"example.com. MAILA", "NOTIMP"},

		// Letters are equal in both cases, and the question's stay as they are.
		{"eXaMPle.COM. A", "NOERROR aa\neXaMPle.COM. 3600 A 192.0.2.80"},
		{"X.deV.example.com. A", "NOERROR aa\nX.deV.example.com. 3600 A 192.0.2.100"},
	} {
		m := ask(t, h, query(t, tt.question), 512)
		if got := text(m); got != lines(tt.want) {
			t.Errorf("%s\ngot  %s\nwant %s", tt.question, got, lines(tt.want))
		}
		name, _, _ := strings.Cut(tt.question, " ")
		switch {
		case len(m.Questions) != 1 || m.Questions[0].Name.String() != name:
			t.Errorf("%s: the question came back as %v", tt.question, m.Questions)
		case m.ID != 0x1234 || !m.Response || !m.RecursionDesired || m.RecursionAvailable:
			t.Errorf("%s: the header is %+v", tt.question, m.Header)
		}
	}
}

const referral = `NOERROR
	authority sub.example.com. 3600 NS ns1.sub.example.com.
	authority sub.example.com. 3600 NS ns2.sub.example.com.
	additional ns1.sub.example.com. 3600 A 192.0.2.201
	additional ns2.sub.example.com. 3600 A 192.0.2.202
	additional ns2.sub.example.com. 3600 AAAA 2001:db8::202`

// The example of RFC 4592, section 2.2.1, and the answers that it says there are.
func TestWildcardsOfRFC4592(t *testing.T) {
	h := newHandler(t, `
$ORIGIN example.
example.                 3600 IN  SOA   ns.example.com. hostmaster.example. 1 7200 1800 1209600 300
example.                 3600     NS    ns.example.com.
example.                 3600     NS    ns.example.net.
*.example.               3600     TXT   "this is a wildcard"
*.example.               3600     MX    10 host1.example.
sub.*.example.           3600     TXT   "this is not a wildcard"
host1.example.           3600     A     192.0.2.1
_ssh._tcp.host1.example. 3600     SRV   0 0 22 host1.example.
_ssh._tcp.host2.example. 3600     SRV   0 0 22 host2.example.
subdel.example.          3600     NS    ns.example.com.
subdel.example.          3600     NS    ns.example.net.
`)
	const nothing = "aa\nauthority example. 300 SOA ns.example.com. hostmaster.example. 1 7200 1800 1209600 300"
	for question, want := range map[string]string{
		"host3.example. MX": "NOERROR aa\nhost3.example. 3600 MX 10 host1.example.\nadditional host1.example. 3600 A 192.0.2.1",
		"host3.example. A":  "NOERROR " + nothing,
		"foo.bar.example. TXT": "NOERROR aa\n" +
			`foo.bar.example. 3600 TXT ["this is a wildcard"]`,
		"host1.example. MX":                "NOERROR " + nothing,
		"sub.*.example. MX":                "NOERROR " + nothing,
		"_telnet._tcp.host1.example. SRV":  "NXDOMAIN " + nothing,
		"ghost.*.example. MX":              "NXDOMAIN " + nothing,
		"host.subdel.example. A":           "NOERROR\nauthority subdel.example. 3600 NS ns.example.com.\nauthority subdel.example. 3600 NS ns.example.net.",
		"_tcp.host2.example. SRV":          "NOERROR " + nothing,
		"unknown._tcp.host2.example. SRV":  "NXDOMAIN " + nothing,
		"*.example. TXT":                   "NOERROR aa\n" + `*.example. 3600 TXT ["this is a wildcard"]`,
		"a.sub.*.example. TXT":             "NXDOMAIN " + nothing,
		"anything.at.all.here.example. MX": "NOERROR aa\nanything.at.all.here.example. 3600 MX 10 host1.example.\nadditional host1.example. 3600 A 192.0.2.1",
	} {
		if got := text(ask(t, h, query(t, question), 512)); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", question, got, want)
		}
	}
}

// A zone and its child may be served side by side: each answers for what is its own.
func TestParentAndChild(t *testing.T) {
	const zone = `
example.      SOA a.example. b.example. 1 2 3 4 5
example.      NS  ns.sub.example.
sub.example.  NS  ns.sub.example.
ns.sub.example. A 192.0.2.1
alias.example.  CNAME www.sub.example.
`
	const child = `
sub.example.    SOA a.sub.example. b.sub.example. 1 2 3 4 5
sub.example.    NS  ns.sub.example.
ns.sub.example. A   192.0.2.2
www.sub.example. A  192.0.2.3
`
	for _, text := range []string{zone + child, child + zone} {
		h := newHandler(t, text)
		for question, want := range map[string]string{
			"ns.sub.example. A": "NOERROR aa\nns.sub.example. 5 A 192.0.2.2",
			"alias.example. A":  "NOERROR aa\nalias.example. 5 CNAME www.sub.example.\nwww.sub.example. 5 A 192.0.2.3",
			"no.sub.example. A": "NXDOMAIN aa\nauthority sub.example. 5 SOA a.sub.example. b.sub.example. 1 2 3 4 5",
			"no.example. A":     "NXDOMAIN aa\nauthority example. 5 SOA a.example. b.example. 1 2 3 4 5",
			"example. NS":       "NOERROR aa\nexample. 5 NS ns.sub.example.\nadditional ns.sub.example. 5 A 192.0.2.1",
		} {
			if got := textOf(t, h, question); got != want {
				t.Errorf("%s\ngot  %s\nwant %s", question, got, want)
			}
		}
	}
}

func textOf(t *testing.T, h core.Handler, question string) string {
	t.Helper()
	return text(ask(t, h, query(t, question), 512))
}

// Long chains of aliases end, and so does the work for them.
func TestManyAliases(t *testing.T) {
	var zone strings.Builder
	zone.WriteString("$ORIGIN example.\n$TTL 5\n@ SOA a b 1 2 3 4 5\n NS a\nn100 A 192.0.2.1\n")
	for i := range 100 {
		fmt.Fprintf(&zone, "n%d CNAME n%d\n", i, i+1)
	}
	h := newHandler(t, zone.String())
	for _, tt := range []struct {
		question string
		aliases  int
		reached  bool
	}{{"n85.example. A", 15, true}, {"n84.example. A", 16, false}, {"n0.example. A", 16, false}} {
		got := textOf(t, h, tt.question)
		if n := strings.Count(got, "CNAME"); n != tt.aliases || strings.HasSuffix(got, "A 192.0.2.1") != tt.reached {
			t.Errorf("%s: %d aliases\n%s", tt.question, n, got)
		}
	}
}

// DS records are the parent's, also where both zones are here (RFC 4035, section 3.1.4.1).
func TestDSAtTheApexOfAChild(t *testing.T) {
	const parent = "$ORIGIN e.\n@ 9 SOA a b 1 2 3 4 5\n NS a\n"
	const child = "$ORIGIN c.e.\n@ 8 SOA a b 2 2 3 4 6\n NS a\nx A 192.0.2.1\n"
	const above, below = "NOERROR aa\nauthority e. 5 SOA a.e. b.e. 1 2 3 4 5", "NOERROR aa\nauthority c.e. 6 SOA a.c.e. b.c.e. 2 2 3 4 6"
	for _, tt := range []struct{ zones, question, want string }{
		{parent + "c NS a\n" + child, "c.e. DS", above},
		{parent + "c NS a\n" + child, "x.c.e. DS", below},
		{parent + "c NS a\n" + child, "c.e. TXT", below},
		{parent + "c NS a\n" + child, "e. DS", above},
		{parent + child, "c.e. DS", below}, // the parent knows nothing of it, and must not say that it is not there
		{child, "c.e. DS", below},
	} {
		if got := textOf(t, newHandler(t, tt.zones), tt.question); got != tt.want {
			t.Errorf("%s in\n%s\ngot  %s\nwant %s", tt.question, tt.zones, got, tt.want)
		}
	}
}

// The zero Handler has no zones, and so has nothing to say.
func TestNotConfigured(t *testing.T) {
	h := newHandler(t, "example. 1 SOA a. b. 1 2 3 4 5\nexample. NS a.\n")
	for _, tt := range []struct{ question, want string }{{"example. NS", "NOERROR aa\nexample. 1 NS a."}, {"a. A", "REFUSED"}} {
		if got := textOf(t, h, tt.question); got != tt.want {
			t.Errorf("%s: %s", tt.question, got)
		}
	}
	if got := textOf(t, new(dns.Handler), "example. NS"); got != "REFUSED" {
		t.Errorf("without zones: %s", got)
	}
}
