package pytext_test

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"net"
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/retort-udp/retort/native/cmd/retort/internal/pytext"
)

func TestAppendQuoted(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{``, `''`},
		{`plain`, `'plain'`},
		{`it's`, `"it's"`},
		{`say "x"`, `'say "x"'`},
		{`it's "x"`, `'it\'s "x"'`},
		{`"`, `'"'`},
		{`'`, `"'"`},
		{`a\b`, `'a\\b'`},
		{"\\'", `"\\'"`},
		{"\t\n\r", `'\t\n\r'`},
		{"\x00\x07\x08\x0b\x0c\x1b\x1f", `'\x00\x07\x08\x0b\x0c\x1b\x1f'`},
		{" ~", `' ~'`},
		{"\x7f", `'\x7f'`},
		{"\x80\xff", `'\x80\xff'`},
		{"caf\xc3\xa9", `'caf\xc3\xa9'`},
	} {
		if got := string(pytext.AppendQuoted([]byte("> "), []byte(c.text))); got != "> "+c.want {
			t.Errorf("%q: %s, not > %s", c.text, got, c.want)
		}
	}
}

func TestAppendAddr(t *testing.T) {
	for _, c := range []struct {
		addr  string
		scope uint32
		want  string
	}{
		{"127.0.0.1:1060", 0, `('127.0.0.1', 1060)`},
		{"0.0.0.0:0", 0, `('0.0.0.0', 0)`},
		{"255.255.255.255:65535", 0, `('255.255.255.255', 65535)`},
		{"[::1]:1060", 0, `('::1', 1060, 0, 0)`},
		{"[::]:1060", 0, `('::', 1060, 0, 0)`},
		{"[2001:db8::8:800:200c:417a]:53", 0, `('2001:db8::8:800:200c:417a', 53, 0, 0)`},
		{"[fe80::1%eth0]:1060", 2, `('fe80::1', 1060, 0, 2)`},
		{"[fe80::1%3]:1060", 3, `('fe80::1', 1060, 0, 3)`},
		{"[::ffff:127.0.0.1]:1060", 0, `('::ffff:127.0.0.1', 1060, 0, 0)`},
	} {
		if got := string(pytext.AppendAddr(nil, netip.MustParseAddrPort(c.addr), c.scope)); got != c.want {
			t.Errorf("%s: %s, not %s", c.addr, got, c.want)
		}
	}
}

func TestScope(t *testing.T) {
	for addr, want := range map[string]uint32{
		"127.0.0.1":              0,
		"fe80::1":                0,
		"fe80::1%7":              7,
		"fe80::1%no-such-device": 0,
	} {
		if got := pytext.Scope(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: scope %d, not %d", addr, got, want)
		}
	}

	interfaces, err := net.Interfaces()
	if err != nil || len(interfaces) == 0 {
		t.Skip("this machine names no network interface")
	}
	named := netip.MustParseAddr("fe80::1").WithZone(interfaces[0].Name)
	if got := pytext.Scope(named); int(got) != interfaces[0].Index {
		t.Errorf("%v: scope %d, not %d", named, got, interfaces[0].Index)
	}
}

func TestAppendTime(t *testing.T) {
	for _, c := range []struct {
		nanoseconds int
		want        string
	}{
		{123456789, "2026-11-22 13:40:00.123456"},
		{1000, "2026-11-22 13:40:00.000001"},
		{999, "2026-11-22 13:40:00"},
		{0, "2026-11-22 13:40:00"},
		{500000000, "2026-11-22 13:40:00.500000"},
	} {
		at := time.Date(2026, 11, 22, 13, 40, 0, c.nanoseconds, time.FixedZone("", 3600))
		if got := string(pytext.AppendTime(nil, at)); got != c.want {
			t.Errorf("%d ns: %s, not %s", c.nanoseconds, got, c.want)
		}
	}
}

func TestAppendSeconds(t *testing.T) {
	for d, want := range map[time.Duration]string{
		100 * time.Millisecond:  "0.1",
		1600 * time.Millisecond: "1.6",
		3 * time.Second:         "3.0",
		1500 * time.Microsecond: "0.0015",
		0:                       "0.0",
		100 * time.Second:       "100.0",
	} {
		if got := string(pytext.AppendSeconds(nil, d)); got != want {
			t.Errorf("%v: %s, not %s", d, got, want)
		}
	}
}

func TestAppendDoesNotAllocate(t *testing.T) {
	var (
		dst       = make([]byte, 0, 1024)
		text      = []byte("it's \"x\"\n\x80")
		addr      = netip.MustParseAddrPort("[2001:db8::1]:1060")
		now       = time.Now()
		appendAll = func() {
			pytext.AppendQuoted(dst, text)
			pytext.AppendAddr(dst, addr, 0)
			pytext.AppendTime(dst, now)
			pytext.AppendSeconds(dst, time.Second)
		}
	)
	if n := testing.AllocsPerRun(100, appendAll); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestPython compares with what it is all about, where it is there.
func TestPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not on this machine")
	}
	random := rand.New(rand.NewPCG(1, 2))
	var texts [][]byte
	for c := range byte(0x80) {
		texts = append(texts, []byte{c}, []byte{'\'', c}, []byte{'"', c}, []byte{'\'', '"', c})
	}
	for range 2000 {
		text := make([]byte, random.IntN(40))
		for i := range text {
			text[i] = byte(random.IntN(0x80))
			if random.IntN(4) == 0 { // more of what matters
				text[i] = `'"\`[random.IntN(3)]
			}
		}
		texts = append(texts, text)
	}
	var question, want strings.Builder
	for _, text := range texts {
		question.WriteString(hex.EncodeToString(text) + "\n")
		want.Write(pytext.AppendQuoted(nil, text))
		want.WriteByte('\n')
	}
	const program = `
import sys
for line in sys.stdin:
    print(repr(bytes.fromhex(line).decode("ascii")))
`
	compare(t, python, program, question.String(), want.String())
}

func TestPythonAddresses(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not on this machine")
	}
	random := rand.New(rand.NewPCG(3, 4))
	var question, want strings.Builder
	for range 2000 {
		var b [16]byte
		for i := 0; i < len(b); i += 2 { // runs of zeros, which are what is abbreviated
			if random.IntN(2) == 0 {
				b[i], b[i+1] = byte(random.IntN(256)), byte(random.IntN(256))
			}
		}
		b[0] |= 0x20 // no IPv4-mapped or -compatible addresses: systems differ on how they show those
		addr := netip.AddrPortFrom(netip.AddrFrom16(b), uint16(random.IntN(1<<16)))
		question.WriteString(hex.EncodeToString(b[:]) + " " + strconv.Itoa(int(addr.Port())) + "\n")
		want.Write(pytext.AppendAddr(nil, addr, 0))
		want.WriteByte('\n')
	}
	const program = `
import socket, sys
for line in sys.stdin:
    packed, port = line.split()
    print((socket.inet_ntop(socket.AF_INET6, bytes.fromhex(packed)), int(port), 0, 0))
`
	compare(t, python, program, question.String(), want.String())
}

func compare(t *testing.T, python, program, question, want string) {
	t.Helper()
	cmd := exec.Command(python, "-c", program)
	cmd.Stdin = strings.NewReader(question)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("python3: %v", err)
	}
	got := strings.Split(strings.ReplaceAll(string(out), "\r\n", "\n"), "\n")
	for i, line := range strings.Split(want, "\n") {
		if i >= len(got) || got[i] != line {
			t.Fatalf("question %q: Python says %s and we say %s", strings.Split(question, "\n")[i], got[i], line)
		}
	}
}

// FuzzAppendQuoted holds what must be so for any bytes: printable ASCII on one line, from which they can be
// had again.
func FuzzAppendQuoted(f *testing.F) {
	for _, seed := range []string{"", "plain", `it's "x"`, "\x00\t\xff\\", `\'`, `\x41`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		quoted := pytext.AppendQuoted(nil, text)
		for _, c := range quoted {
			if c < ' ' || c > '~' {
				t.Fatalf("%q: %q is not printable", text, quoted)
			}
		}
		if got := unquote(t, string(quoted)); !bytes.Equal(got, text) {
			t.Fatalf("%q became %s, which says %q", text, quoted, got)
		}
	})
}

// unquote reads a Python string literal whose escapes are those that repr makes.
func unquote(t *testing.T, s string) []byte {
	t.Helper()
	if len(s) < 2 || s[0] != s[len(s)-1] || s[0] != '\'' && s[0] != '"' {
		t.Fatalf("%s is not between quotes", s)
	}
	quote, s := s[0], s[1:len(s)-1]
	var text []byte
	for len(s) > 0 {
		c := s[0]
		s = s[1:]
		if c == quote {
			t.Fatalf("the quote ends early, before %s", s)
		}
		if c != '\\' {
			text = append(text, c)
			continue
		}
		if s == "" {
			t.Fatal("a backslash escapes the last quote")
		}
		c, s = s[0], s[1:]
		switch c {
		case '\\', '\'', '"':
		case 't':
			c = '\t'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 'x':
			n, err := strconv.ParseUint(s[:2], 16, 8)
			if err != nil {
				t.Fatal(err)
			}
			c, s = byte(n), s[2:]
		default:
			t.Fatalf("an escape that is none: \\%c", c)
		}
		text = append(text, c)
	}
	return text
}
