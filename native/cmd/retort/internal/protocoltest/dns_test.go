package protocoltest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/retort-udp/retort/core"
)

func dnsZone(t testing.TB) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(samples, "dns-go", "example.zone"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// dnsMore are zones for the comparison alone: more aliases than are followed, a zone in another one, and the names of
// the sample's second zone below a wildcard.
func dnsMore() []byte {
	zone := []byte("$ORIGIN more.example.com.\n@ 1h SOA ns hostmaster 1 2h 30m 2w 5m\n NS ns\nc20 A 192.0.2.20\nchild NS ns.child\n" +
		"ns.child A 192.0.2.99\n* CNAME c10\n")
	for i := range 20 {
		zone = fmt.Appendf(zone, "c%d CNAME c%d\n", i, i+1)
	}
	return append(zone, "$ORIGIN child.more.example.com.\n@ SOA ns hostmaster 1 2h 30m 2w 5m\n NS ns\n* TXT text\n"...)
}

func TestDifferentialDNS(t *testing.T) {
	differential(t, "dns", append(dnsZone(t), dnsMore()...), func(r *rand.Rand, d *core.Datagram) {
		d.Data = dnsQuery(r)
		switch r.IntN(8) {
		case 0: // broken somewhere
			d.Data[r.IntN(len(d.Data))] ^= 1 << r.IntN(8)
		case 1: // cut off
			d.Data = d.Data[:r.IntN(len(d.Data))]
		}
	})
}

// dnsLabels are those of the sample's zones, and some that are in none.
var dnsLabels = []string{
	"example", "example", "com", "com", "www", "web", "outside", "broken", "tick", "lan", "host", "_sip", "_udp", "sip", "*",
	"dev", "own", "deep", "below", "alias", "sub", "ns1", "ns2", "far", "into", "printer", "big", "_dns", "_ftp", "2", "0", "192", "in-addr",
	"arpa", "1", "25", "nothing", "more", "more", "child", "c0", "c4", "c5", "c19", "net", strings.Repeat("x", 63), "printer.3rd floor", "_http", "_tcp", "mail",
}

// dnsQuery returns a query, mostly for a name in the zones.
func dnsQuery(r *rand.Rand) []byte {
	types := []uint16{1, 2, 5, 6, 12, 13, 15, 16, 28, 33, 43, 64, 65, 255, 256, 257, 251, 252, 65280, uint16(r.IntN(300))}
	flags := []uint16{0x8000, 0x7fff, 0x2000, 0x0110, 0x0000, 0x0100}
	b := binary.BigEndian.AppendUint16(nil, uint16(r.Uint32()))
	b = binary.BigEndian.AppendUint16(b, flags[min(r.IntN(24), len(flags)-1)])
	edns := []int{0, 0, 0, 0, 1, 1, 1, 1, 2}[r.IntN(9)] // two are too many
	b = append(b, 0, 1, 0, 0, 0, 0, 0, byte(edns))
	labels := []string{"example", "com"}
	if r.IntN(8) == 0 {
		labels = []string{"2", "0", "192", "in-addr", "arpa"}
	}
	for range r.IntN(5) {
		labels = append([]string{dnsLabels[r.IntN(len(dnsLabels))]}, labels...)
	}
	for _, label := range labels[min(len(labels), max(0, r.IntN(12)-10)):] {
		b = append(b, byte(len(label)))
		if r.IntN(4) == 0 {
			label = strings.ToUpper(label)
		}
		b = append(b, label...)
	}
	b = append(b, 0)
	b = binary.BigEndian.AppendUint16(b, types[r.IntN(len(types))])
	b = append(b, 0, 1)
	for range edns {
		b = append(b, 0, 0, 41)
		b = binary.BigEndian.AppendUint16(b, uint16(r.IntN(5000)))
		b = append(b, 0, byte(r.IntN(8)/7), byte(r.Uint32()), 0)
		options := noise(r, max(0, r.IntN(32)-24))
		for range r.IntN(3) { // in front of the noise some that are well-formed
			value := noise(r, r.IntN(8))
			options = slices.Concat([]byte{0, byte(r.Uint32()), 0, byte(len(value))}, value, options)
		}
		b = binary.BigEndian.AppendUint16(b, uint16(len(options)))
		b = append(b, options...)
	}
	return b
}

// With the fuel that a guest has by default it takes a zone of some hundred records, and whatever can be asked.
func TestFuelDNS(t *testing.T) {
	zone := []byte("$ORIGIN example.com.\n@ 1h SOA ns1 hostmaster 1 2h 30m 2w 5m\n NS host000\n")
	for i := range 500 {
		zone = fmt.Appendf(zone, "host%03d A 192.0.2.1\n", i)
	}
	const (
		head  = "\x12\x34\x00\x00\x00\x01\x00\x00\x00\x00\x00"
		asks  = "\x07host499\x07example\x03com\x00\x00\x01\x00\x01"
		opt   = "\x00\x00\x29\x10\x00\x00\x00\x00\x00"
		other = "\x00\x00\x01\x00\x01\x00\x00\x00\x00\x00\x00"
	)
	h := worker(t, guestHandler(t, "dns", zone))
	for name, query := range map[string]string{
		"a host":                 head + "\x00" + asks,
		"many options":           head + "\x01" + asks + opt + "\xfe\x00" + strings.Repeat("\x00\x03\x00\x00", 0xfe00/4),
		"many records":           head[:10] + "\x15\x55" + asks + strings.Repeat(other, 0x1555),
		"a name of many labels":  head + "\x00" + strings.Repeat("\x01a", 127) + "\x00\x00\x01\x00\x01",
		"a name that is endless": head + "\x01" + asks + strings.Repeat("\x01a", 30_000),
	} {
		d := &core.Datagram{Data: []byte(query), From: netip.MustParseAddrPort("192.0.2.1:4000")}
		answer, err := h.Reply(make([]byte, 0, 512), d)
		if err != nil || name == "a host" && !bytes.HasSuffix(answer, []byte{0, 4, 192, 0, 2, 1}) {
			t.Errorf("%s: % x, %v", name, answer, err)
		}
	}
}

func TestVectorsDNS(t *testing.T) { answersVectors(t, "dns") }

// dig says what it makes of the answers; it complains of those that are not well-formed. It asks for transfers by TCP
// only.
func TestClientDNS(t *testing.T) {
	dig := client(t, "dig", "bind9-dnsutils")
	const soa = "example.com. 300 IN SOA ns1.example.com. hostmaster.example.com. 2026112201 7200 1800 1209600 300"
	big := `big.example.com. 3600 IN TXT` + strings.Repeat(` "`+strings.Repeat("0123456789abcdef", 4)+`"`, 8)
	tests := []struct {
		ask    string // what dig is asked
		status string // and what it must print: the status with the flags, and the records
		want   []string
	}{
		{"example.com A", "NOERROR qr aa", []string{"example.com. 3600 IN A 192.0.2.80"}},
		{"example.com AAAA", "NOERROR qr aa", []string{"example.com. 3600 IN AAAA 2001:db8::80"}},
		{"example.com MX", "NOERROR qr aa", []string{
			"example.com. 3600 IN MX 10 mail.example.com.", "example.com. 3600 IN MX 20 mail.example.net.",
			"mail.example.com. 3600 IN A 192.0.2.25", "mail.example.com. 3600 IN AAAA 2001:db8::25",
		}},
		{"example.com TXT", "NOERROR qr aa", []string{
			`example.com. 3600 IN TXT "v=spf1 mx -all"`,
			`example.com. 3600 IN TXT "one string; with a semicolon, " "and another: \"\\\195\188\""`,
		}},
		{"example.com CAA", "NOERROR qr aa", []string{`example.com. 3600 IN CAA 0 issue "ca.example.net"`}},
		{"example.com SOA", "NOERROR qr aa", []string{strings.Replace(soa, " 300 ", " 3600 ", 1)}},
		{"_sip._udp.example.com SRV", "NOERROR qr aa", []string{
			"_sip._udp.example.com. 3600 IN SRV 10 60 5060 sip.example.com.",
			"_sip._udp.example.com. 3600 IN SRV 20 0 5060 mail.example.com.",
			"sip.example.com. 60 IN A 192.0.2.60",
			"mail.example.com. 3600 IN A 192.0.2.25", "mail.example.com. 3600 IN AAAA 2001:db8::25",
		}},
		{"_http._tcp.example.com PTR", "NOERROR qr aa", []string{
			`_http._tcp.example.com. 3600 IN PTR printer\.3rd\032floor._http._tcp.example.com.`,
		}},
		{"example.com HTTPS", "NOERROR qr aa", []string{`example.com. 3600 IN HTTPS 1 . alpn="h3,h2" ipv4hint=192.0.2.80`}},
		{"_dns.example.com SVCB", "NOERROR qr aa", []string{
			`_dns.example.com. 3600 IN SVCB 1 ns1.example.com. mandatory=alpn,port alpn="dot,h2" port=853 key7="/q{?dns}"`,
			"ns1.example.com. 86400 IN A 192.0.2.53", "ns1.example.com. 86400 IN AAAA 2001:db8::53",
		}},
		{"_ftp._tcp.example.com URI", "NOERROR qr aa", []string{
			`_ftp._tcp.example.com. 3600 IN URI 10 1 "ftp://ftp1.example.com/public"`,
		}},
		{"printer.example.com HINFO", "NOERROR qr aa", []string{`printer.example.com. 3600 IN HINFO "PDP-11" "UNIX"`}},
		{"printer.example.com TYPE65280", "NOERROR qr aa", []string{`printer.example.com. 3600 IN TYPE65280 \# 4 C0000201`}},
		{"-x 192.0.2.1", "NOERROR qr aa", []string{"1.2.0.192.in-addr.arpa. 3600 IN PTR host.lan.example.com."}},
		{"www.example.com A", "NOERROR qr aa", []string{
			"www.example.com. 3600 IN CNAME web.example.com.", "web.example.com. 3600 IN CNAME host.lan.example.com.",
			"host.lan.example.com. 3600 IN A 192.0.2.1", "host.lan.example.com. 3600 IN A 192.0.2.2",
		}},
		{"a.b.dev.example.com A", "NOERROR qr aa", []string{"a.b.dev.example.com. 3600 IN A 192.0.2.100"}},
		{"WwW.sUb.ExAmPlE.cOm A", "NOERROR qr", []string{
			"sUb.ExAmPlE.cOm. 3600 IN NS ns1.sUb.ExAmPlE.cOm.", "sUb.ExAmPlE.cOm. 3600 IN NS ns2.sUb.ExAmPlE.cOm.",
			"ns1.sUb.ExAmPlE.cOm. 3600 IN A 192.0.2.201",
			"ns2.sUb.ExAmPlE.cOm. 3600 IN A 192.0.2.202", "ns2.sUb.ExAmPlE.cOm. 3600 IN AAAA 2001:db8::202",
		}},
		{"nothing.example.com A", "NXDOMAIN qr aa", []string{soa}},
		{"lan.example.com A", "NOERROR qr aa", []string{soa}},
		{"example.com ANY", "NOERROR qr aa", []string{`example.com. 3600 IN HINFO "RFC8482" ""`}},
		{"example.org A", "REFUSED qr", nil},
		{"version.bind CH TXT", "REFUSED qr", nil},
		{"+opcode=notify example.com SOA", "NOTIMP qr", nil},
		{"+opcode=update example.com SOA", "NOTIMP qr", nil},
		{"+header-only", "FORMERR qr", nil},

		{"big.example.com TXT", "NOERROR qr aa", []string{big}},
		{"big.example.com TXT +bufsize=576", "NOERROR qr aa", []string{big}},
		{"big.example.com TXT +bufsize=575", "NOERROR qr aa tc", nil},
		{"big.example.com TXT +noedns", "NOERROR qr aa tc", nil},
		{"example.com A +noedns", "NOERROR qr aa", []string{"example.com. 3600 IN A 192.0.2.80"}},
		{"example.com A +dnssec", "NOERROR qr aa", []string{"example.com. 3600 IN A 192.0.2.80"}},
		{"example.com A +subnet=192.0.2.0/24 +nsid +padding=128", "NOERROR qr aa", []string{"example.com. 3600 IN A 192.0.2.80"}},
		{"example.com A +edns=1 +noednsnegotiation", "BADVERS qr", nil},
		{"example.com A +edns=1", "NOERROR qr aa", []string{"example.com. 3600 IN A 192.0.2.80"}}, // asks again by version 0
	}
	eachBuild(t, "dns", dnsZone(t), func(t *testing.T, server netip.AddrPort) {
		for _, tt := range tests {
			args := []string{
				"@" + server.Addr().String(), "-p", strconv.Itoa(int(server.Port())),
				"+norecurse", "+notcp", "+ignore", "+tries=1", "+timeout=10", "+nocmd", "+nostats",
			}
			out := run(t, dig, append(args, strings.Fields(tt.ask)...)...)
			status, records := readDig(out)
			if status != tt.status || strings.Join(records, "\n") != strings.Join(tt.want, "\n") ||
				regexp.MustCompile("(?i)warning: edns|malformed|mismatch|extra bytes|exit status").MatchString(out) {
				t.Errorf("dig %s: want %s\n%s\ngot %s\n%s\nof\n%s", tt.ask, tt.status, strings.Join(tt.want, "\n"),
					status, strings.Join(records, "\n"), out)
			}
		}
	})
}

var (
	digStatus = regexp.MustCompile(`status: (\w+)`)
	digFlags  = regexp.MustCompile(`flags: ([a-z ]+);`)
)

// readDig returns the status and the flags that dig prints, and the records with single blanks.
func readDig(out string) (status string, records []string) {
	if s, f := digStatus.FindStringSubmatch(out), digFlags.FindStringSubmatch(out); s != nil && f != nil {
		status = s[1] + " " + f[1]
	}
	for line := range strings.Lines(out) {
		if line = strings.TrimSpace(line); line != "" && line[0] != ';' {
			records = append(records, strings.Join(strings.Fields(line), " "))
		}
	}
	return status, records
}
