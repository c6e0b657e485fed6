package dns_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/retort-udp/retort/core/reply/dns"
)

// top begins a zone in two lines.
const top = "$ORIGIN e.\n@ 60 IN SOA a b 1 2 3 4 5\n NS a\n"

// Each zone file says the same in another way, or something that a question brings to light.
func TestZoneFiles(t *testing.T) {
	for _, tt := range []struct{ name, zone, question, want string }{
		{"class, then TTL", top + "x IN 7 A 192.0.2.1", "x.e. A", "x.e. 7 A 192.0.2.1"},
		{"TTL, then class", top + "x 7 IN A 192.0.2.1", "x.e. A", "x.e. 7 A 192.0.2.1"},
		{"small letters", top + "x 7 in a 192.0.2.1", "x.e. A", "x.e. 7 A 192.0.2.1"},
		{"the class by its number", top + "x 7 CLASS1 TYPE1 192.0.2.1", "x.e. A", "x.e. 7 A 192.0.2.1"},
		{"the last TTL", top + "y 8 A 192.0.2.9\nx A 192.0.2.1", "x.e. A", "x.e. 8 A 192.0.2.1"},
		{"the TTL of $TTL", top + "$TTL 9\ny 8 A 192.0.2.9\nx A 192.0.2.1", "x.e. A", "x.e. 9 A 192.0.2.1"},
		{"the latest $TTL", top + "$TTL 9\n$TTL 10\nx A 192.0.2.1", "x.e. A", "x.e. 10 A 192.0.2.1"},
		{"the TTL of nobody", "e. SOA a. b. 1 2 3 4 5\ne. NS a.\nx.e. A 192.0.2.1", "x.e. A", "x.e. 5 A 192.0.2.1"},
		{"no TTL at the SOA record", "e. SOA a. b. 1 2 3 4 5\ne. NS a.", "e. SOA", "e. 5 SOA a. b. 1 2 3 4 5"},
		{"the lowest TTL of a set", top + "x 8 A 192.0.2.1\nx 7 A 192.0.2.2\nx 9 A 192.0.2.3", "x.e. A",
			"x.e. 7 A 192.0.2.1\nx.e. 7 A 192.0.2.2\nx.e. 7 A 192.0.2.3"},
		{"units", top + "x 1w2d3h4m5s A 192.0.2.1", "x.e. A", "x.e. 788645 A 192.0.2.1"},
		{"units in capitals", top + "x 1H30M A 192.0.2.1", "x.e. A", "x.e. 5400 A 192.0.2.1"},
		{"the longest TTL", top + "x 2147483647 A 192.0.2.1", "x.e. A", "x.e. 2147483647 A 192.0.2.1"},

		{"the name above", top + "x 7 A 192.0.2.1\n\n ; not this\n\tA 192.0.2.2", "x.e. A",
			"x.e. 7 A 192.0.2.1\nx.e. 7 A 192.0.2.2"},
		{"a name in the middle of a file", top + "@ 7 A 192.0.2.1", "e. A", "e. 7 A 192.0.2.1"},
		{"@ as data", top + "x 7 CNAME @", "x.e. CNAME", "x.e. 7 CNAME e."},
		{"@ as a letter", top + "\\@ 7 A 192.0.2.1", "@.e. A", "@.e. 7 A 192.0.2.1"},
		{"another $ORIGIN", top + "$ORIGIN sub\nx 7 A 192.0.2.1", "x.sub.e. A", "x.sub.e. 7 A 192.0.2.1"},
		{"an $ORIGIN keeps the name above", top + "x 7 A 192.0.2.1\n$ORIGIN sub\n A 192.0.2.2", "x.e. A",
			"x.e. 7 A 192.0.2.1\nx.e. 7 A 192.0.2.2"},
		{"a zone at the root", ". 7 SOA a. b. 1 2 3 4 5\n. NS a.\n", ". NS", ". 7 NS a."},
		{"escapes", top + "a\\095\\b 7 A 192.0.2.1", "a_b.e. A", "a_b.e. 7 A 192.0.2.1"},
		{"a dollar", top + "\\$ORIGIN 7 A 192.0.2.1", "$ORIGIN.e. A", "$ORIGIN.e. 7 A 192.0.2.1"},

		{"parentheses", top + "x (\n 7 ; comment (\n\n) A ( 192.0.2.1\n)", "x.e. A", "x.e. 7 A 192.0.2.1"},
		{"parentheses in parentheses", top + "x 7 ((A) 192.0.2.1)", "x.e. A", "x.e. 7 A 192.0.2.1"},
		{"parentheses that touch", top + "x 7 TXT(a)", "x.e. TXT", `x.e. 7 TXT ["a"]`},
		{"comments that touch", top + "x 7 A 192.0.2.1;comment", "x.e. A", "x.e. 7 A 192.0.2.1"},
		{"the ends of lines of other systems", strings.ReplaceAll(top+"x 7 A 192.0.2.1\n", "\n", "\r\n"), "x.e. A",
			"x.e. 7 A 192.0.2.1"},
		{"a byte order mark", "\ufeff" + top + "x 7 A 192.0.2.1", "x.e. A", "x.e. 7 A 192.0.2.1"},

		{"strings", top + `x 7 TXT a "b c" "" d"e"f "\"\\\065;()" \;` + ` "ü"`, "x.e. TXT",
			`x.e. 7 TXT ["a" "b c" "" "d" "e" "f" "\"\\A;()" ";" "ü"]`},
		{"a string of 255 bytes", top + "x 7 TXT " + strings.Repeat("a", 255), "x.e. TXT",
			`x.e. 7 TXT ["` + strings.Repeat("a", 255) + `"]`},
		{"a record twice", top + "x 7 A 192.0.2.1\nX 7 A 192.0.2.1", "x.e. A", "x.e. 7 A 192.0.2.1"},
		{"the SOA record at the end again", top + "x 7 A 192.0.2.1\n@ SOA a b 1 2 3 4 5", "x.e. A", "x.e. 7 A 192.0.2.1"},
		{"RFC 3597", top + `x 7 TYPE65280 \# 4 c000 02 01`, "x.e. TYPE65280", "x.e. 7 TYPE65280 c0 00 02 01"},
		{"RFC 3597, no bytes", top + `x 7 TYPE65280 \# 0`, "x.e. TYPE65280", "x.e. 7 TYPE65280 "},
		{"RFC 3597, of a type that is known", top + `x 7 TYPE1 \# 4 C0000201`, "x.e. A", "x.e. 7 A 192.0.2.1"},
		{"RFC 3597, by the name of the type", top + `x 7 A \# 4 C0 000201`, "x.e. A", "x.e. 7 A 192.0.2.1"},
		{"RFC 3597, with a name", top + `x 7 TYPE15 \# 7 000a 0178 0165 00`, "x.e. MX", "x.e. 7 MX 10 x.e."},
		{"RFC 3597, names and numbers", top + `@ 60 SOA \# 30 0161016500 0162016500 ` + // the same as above
			`00000001 00000002 00000003 00000004 00000005`, "e. SOA", "e. 60 SOA a.e. b.e. 1 2 3 4 5"},
		{"the longest label", top + strings.Repeat("a", 63) + " 7 A 192.0.2.1", strings.Repeat("a", 63) + ".e. A",
			strings.Repeat("a", 63) + ".e. 7 A 192.0.2.1"},
		{"the longest name", top + strings.Repeat("a.", 125) + "a 7 A 192.0.2.1", strings.Repeat("a.", 126) + "e. A",
			strings.Repeat("a.", 126) + "e. 7 A 192.0.2.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := ask(t, newHandler(t, tt.zone), query(t, tt.question), 512)
			m.Additionals = nil
			if got := text(m); got != "NOERROR aa\n"+tt.want {
				t.Errorf("got %s\nwant %s", got, tt.want)
			}
		})
	}
}

// Every form, by the bytes that its RFC says. The records of the sample do the rest.
func TestForms(t *testing.T) {
	written := newHandler(t, top+`
x 7 RP   hostmaster people
x 7 NAPTR 100 50 "s" "SIP+D2U" "" sip
x 7 SSHFP 4 2 01020304 05
x 7 TLSA 3 1 1 ab CD
x 7 SPF "v=spf1"
x 7 CAA 128 issuewild ";"
`)
	forms := map[uint16]string{
		17:  "0a 68 6f 73 74 6d 61 73 74 65 72 01 65 00 06 70 65 6f 70 6c 65 01 65 00",
		35:  "00 64 00 32 01 73 07 53 49 50 2b 44 32 55 00 03 73 69 70 01 65 00",
		44:  "04 02 01 02 03 04 05",
		52:  "03 01 01 ab cd",
		99:  "06 76 3d 73 70 66 31",
		257: "80 09 69 73 73 75 65 77 69 6c 64 3b",
	}
	var zone strings.Builder
	zone.WriteString(top)
	for number, data := range forms {
		fmt.Fprintf(&zone, "x 7 TYPE%d \\# %d %s\n", number, (len(data)+1)/3, data)
	}
	asBytes := newHandler(t, zone.String()) // as RFC 3597 has them
	for number, want := range forms {
		request := query(t, "x.e. A")
		request[len(request)-4], request[len(request)-3] = byte(number>>8), byte(number)
		for _, h := range []*dns.Handler{written, asBytes} {
			m := ask(t, h, request, 512)
			if len(m.Answers) != 1 || !strings.HasSuffix(recordText(m.Answers[0]), " "+want) {
				t.Errorf("type %d: %s\nwant %s", number, text(m), want)
			}
		}
	}
}

// What is wrong with a file is said, with the line that it is in.
func TestErrors(t *testing.T) {
	for _, tt := range []struct {
		zone string
		line int
		says string
	}{
		{"", 1, "there is no zone"},
		{"; nothing\n\n", 3, "there is no zone"},
		{"$ORIGIN e.\n$TTL 1h\n", 3, "there is no zone"},
		{"@ SOA a b 1 2 3 4 5", 1, `the name "@" is relative, and there is no $ORIGIN above it`},
		{"e. SOA a b. 1 2 3 4 5", 1, `the name "a" is relative`},
		{" A 192.0.2.1", 1, "there is none"},
		{"e. 5 A 192.0.2.1", 1, "there is no zone yet"},
		{"\ne. SOA a. b. 1 2 3 4 5\n", 2, "the zone e., which begins here, has no NS record"},
		{top + "x A", 4, "the line ends where an IPv4 address should be"},
		{top + "x A 192.0.2.1 192.0.2.2", 4, `"192.0.2.2" is too much`},
		{top + "x A 192.0.2.256", 4, `"192.0.2.256" is not an IPv4 address`},
		{top + "x A ::1", 4, `"::1" is not an IPv4 address`},
		{top + "x AAAA 192.0.2.1", 4, `"192.0.2.1" is not an IPv6 address`},
		{top + "x AAAA fe80::1%eth0", 4, "is not an IPv6 address"},
		{top + "x MX mail", 4, `"mail" is not a number up to 65535`},
		{top + "x MX 65536 mail", 4, `"65536" is not a number up to 65535`},
		{top + "x MX 10", 4, "the line ends where a name should be"},
		{top + "x SRV 1 2\n", 4, "the line ends where a number up to 65535 should be"},
		{top + "x TXT (\n \"a\"\n " + strings.Repeat("b", 256) + "\n)", 6, "a string has 256 bytes"},
		{top + "x TXT", 4, "the line ends where a string should be"},
		{top + "x TXT \"a", 4, "the quotes that open here are never closed"},
		{top + "x TXT \"a\nb\"", 4, "the quotes that open here are not closed before the line ends"},
		{top + `x TXT \25`, 4, "has a broken escape"},
		{top + `x TXT \256`, 4, "has a broken escape"},
		{top + `x\ A 192.0.2.1`, 4, `"192.0.2.1" is no time`},
		{top + `x\`, 4, "has a broken escape"},
		{top + "x CAA 0 is-sue a", 4, "has other than ASCII letters and digits"},
		{top + `x CAA 0 "" a`, 4, "a tag has 0 letters"},
		{top + "x SSHFP 1 1 abc", 4, `"abc" is not bytes in hex`},
		{top + "x SSHFP 1 1", 4, "the line ends where the bytes in hex should be"},
		{top + `x SSHFP 1 1 ""`, 4, "is not bytes in hex"},
		{top + "x", 4, "the line ends where a type should be"},
		{top + "x 5 IN", 4, "the line ends where a type should be"},
		{top + "x IN IN A 192.0.2.1", 4, `no type of records is called "IN"`},
		{top + "x 5 5 A 192.0.2.1", 4, `no type of records is called "5"`},
		{top + "x CH A 192.0.2.1", 4, "the class CH is not served"},
		{top + "x CLASS3 A 192.0.2.1", 4, "the class CLASS3 is not served"},
		{top + "x 2147483648 A 192.0.2.1", 4, `"2147483648" is no time`},
		{top + "x 1h30 A 192.0.2.1", 4, `"1h30" is no time`},
		{top + "x 1y A 192.0.2.1", 4, `"1y" is no time`},
		{top + "x 9999999999w A 192.0.2.1", 4, "is no time"},
		{top + "x LOC 52 22 23 N", 4, `no type of records is called "LOC" here`},
		{top + `x TYPE65280 1 02`, 4, `its data begin with \#`},
		{top + `x TYPE65280 \# 2 01`, 4, "there are 1 bytes, and the length says 2"},
		{top + `x TYPE65280 \# 0 01`, 4, `"01" is too much`},
		{top + `x A \# 3 c00002`, 4, "these bytes are no data of the type A"},
		{top + `x A \# 5 c000020101`, 4, "these bytes are no data of the type A"},
		{top + `x MX \# 4 000a c00c`, 4, "these bytes are no data of the type MX"},
		{top + `x MX \# 4 000a 0178`, 4, "these bytes are no data of the type MX"},
		{top + `x MX \# 2 000a`, 4, "these bytes are no data of the type MX"},
		{top + "x NS \\# 256 " + strings.Repeat("0161", 127) + "0100", 4, "these bytes are no data of the type NS"},
		{top + `x TXT \# 0`, 4, "these bytes are no data of the type TXT"},
		{top + `x TXT \# 3 0161 01`, 4, "these bytes are no data of the type TXT"},
		{top + `x CAA \# 3 00 00 61`, 4, "these bytes are no data of the type CAA"},
		{top + `x CAA \# 3 00 01 2d`, 4, "these bytes are no data of the type CAA"},
		{top + `x CAA \# 3 00 02 61`, 4, "these bytes are no data of the type CAA"},
		{top + `x TLSA \# 3 01 02 03`, 4, "these bytes are no data of the type TLSA"},
		{top + `x HINFO \# 0`, 4, "these bytes are no data of the type HINFO"},
		{top + `x TYPE65536 \# 0`, 4, "has no number up to 65535"},
		{top + `x TYPE \# 0`, 4, "has no number up to 65535"},
		{top + `x TYPE0 \# 0`, 4, "there are no records of the type"},
		{top + `x TYPE255 \# 0`, 4, "there are no records of the type"},
		{top + `x TYPE41 \# 0`, 4, "there are no records of the type"},
		{top + "x DNSKEY 256 3 8 AAAA", 4, "DNSSEC is not served"},
		{top + `x TYPE46 \# 0`, 4, "DNSSEC is not served"},
		{top + "x DNAME y", 4, "DNAME is not served"},
		{top + "$INCLUDE more.zone", 4, "$INCLUDE is refused: a handler reads no files"},
		{top + "$GENERATE 1-9 a$ A 192.0.2.$", 4, "$GENERATE is refused"},
		{top + "$WHAT", 4, `there is no directive "$WHAT"`},
		{top + "$ORIGIN", 4, "the line ends where a name should be"},
		{top + "$ORIGIN a b", 4, `"b" is too much`},
		{top + "$TTL 5 5", 4, `"5" is too much`},
		{top + "x A ( 192.0.2.1\n", 4, "the parenthesis that opens here is never closed"},
		{top + "x A 192.0.2.1 )", 4, "there is no opening parenthesis"},
		{top + "x.e.org. A 192.0.2.1", 4, "the name x.e.org. is not in the zone e."},
		{top + "a..b A 192.0.2.1", 4, "has an empty label"},
		{top + ".a A 192.0.2.1", 4, "has an empty label"},
		{top + `"" A 192.0.2.1`, 4, `the name "" is empty`},
		{top + "ü A 192.0.2.1", 4, "has letters other than ASCII's"},
		{top + strings.Repeat("a", 64) + " A 192.0.2.1", 4, "has a label of more than 63 bytes"},
		{top + strings.Repeat("a.", 127) + " A 192.0.2.1", 4, "is not in the zone"},
		{top + strings.Repeat("a.", 128) + " A 192.0.2.1", 4, "is too long"},
		{top + strings.Repeat("a.", 126) + "a A 192.0.2.1", 4, "is too long: with its $ORIGIN"},
		{top + "x CNAME y\nx A 192.0.2.1", 5, "x.e. has a CNAME record, and with that it can have no other"},
		{top + "x A 192.0.2.1\nx CNAME y", 5, "can have no other"},
		{top + "x CNAME y\nx CNAME z", 5, "x.e. has another CNAME record already"},
		{top + "@ CNAME y", 4, "can have no other"},
		{top + "* NS a", 4, "the wildcard *.e. cannot be delegated"},
		{top + "@ SOA a b 2 2 3 4 5", 4, "the zone e. has another SOA record already"},
		{top + "$ORIGIN f.\n@ SOA a b 1 2 3 4 5\n NS a\ne. SOA a b 1 2 3 4 5", 7, "the zone e. is there already: it begins in line 2"},
		{top + manyTexts(15) + "y A 192.0.2.1\nx TXT " + strings.Repeat("z", 250), 20, "take more than the 4096 bytes"},
		{top + "x TYPE65280 \\# 65535 " + strings.Repeat("00", 65535), 4, "take more than the 4096 bytes"},
	} {
		_, err := dns.New([]byte(tt.zone))
		var e *dns.Error
		switch {
		case !errors.As(err, &e) || e.Line != tt.line || !strings.Contains(e.Text, tt.says):
			t.Errorf("%.200q: %v\nwant line %d: %s", tt.zone, err, tt.line, tt.says)
		case strings.Contains(e.Error(), "\n"):
			t.Errorf("%.200q: the error has several lines", tt.zone)
		}
	}
}

// manyTexts is n different records of 250 bytes of text, in n lines.
func manyTexts(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("x TXT " + strings.Repeat(string(rune('a'+i)), 250) + "\n")
	}
	return b.String()
}
