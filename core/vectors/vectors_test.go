package vectors_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/reply"
	"github.com/retort-udp/retort/core/vectors"
)

func parse(t *testing.T, text string) *vectors.File {
	t.Helper()
	f, err := vectors.Parse("test.vectors.txt", []byte(text))
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return f
}

// Bytes, in every way of writing them.
func TestParseBytes(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{`""`, ""},
		{`"abc"`, "abc"},
		{`"# is no comment -> here"`, "# is no comment -> here"},
		{`"\\ \" \n \r \t \x00 \xfF"`, "\\ \" \n \r \t \x00 \xff"},
		{`"Größe, 値"`, "Gr\u00f6\u00dfe, \u5024"},
		{`0x00`, "\x00"},
		{`0x00ff10`, "\x00\xff\x10"},
		{`0x00_FF10_aB`, "\x00\xff\x10\xab"},
		{`"a" "b"`, "ab"},
		{`0x01 "b" 0x02`, "\x01b\x02"},
		{`"ab" * 3`, "ababab"},
		{`0x0102 * 2 "a" * 3 "b"`, "\x01\x02\x01\x02aaab"},
		{"\"a\" * 65507", strings.Repeat("a", 65507)},
		{"\"a\"\t\"b\"", "ab"},
		{"\"a\"\n\t\"b\"\n# a comment between\n\n  # and another\n  * 2", "abb"},
	} {
		f := parse(t, tt.text+" -> silence")
		if len(f.Vectors) != 1 {
			t.Errorf("%q: %d vectors", tt.text, len(f.Vectors))
			continue
		}
		request := f.Vectors[0].Request
		if got := string(request.Bytes()); got != tt.want || request.Len() != len(tt.want) {
			t.Errorf("%q stands for %q, %d bytes; want %q", tt.text, got, request.Len(), tt.want)
		}
	}
}

func TestParseOutcomes(t *testing.T) {
	for text, want := range map[string]vectors.Outcome{
		"silence":                      {Kind: vectors.Silence},
		"malformed":                    {Kind: vectors.Malformed},
		"oversize":                     {Kind: vectors.Oversize},
		"code -100":                    {Kind: vectors.Code, Code: -100},
		"code -2147483648 # the least": {Kind: vectors.Code, Code: -2147483648},
		`""`:                           {Kind: vectors.Reply, Reply: vectors.Payload{{Data: "", Times: 1}}},
		`"a" 0xff`:                     {Kind: vectors.Reply, Reply: vectors.Payload{{Data: "a", Times: 1}, {Data: "\xff", Times: 1}}},
	} {
		f := parse(t, `"a" -> `+text)
		if got := f.Vectors[0].Want; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %#v, want %#v", text, got, want)
		}
	}
}

func TestParseDirectives(t *testing.T) {
	f := parse(t, strings.ReplaceAll(`
# Everything has a default.
"a" -> silence
from [fe80::1%7]:5353
"b" -> silence
time 2026-01-02T03:04:05.000000006+01:00 # another time
limit 12
"c" -> silence
from 192.0.2.1:53
to 192.0.2.2:5300
"d"
  -> silence
`, "\n", "\r\n"))
	day := time.Date(2026, 11, 22, 13, 40, 0, 123456000, time.UTC)
	early := time.Date(2026, 1, 2, 2, 4, 5, 6, time.UTC)
	for i, want := range []vectors.Vector{
		{Line: 3, From: addr("127.0.0.1:50000"), To: addr("127.0.0.1:1060"), Time: day, Limit: 65507},
		{Line: 5, From: addr("[fe80::1%7]:5353"), To: addr("[::1]:1060"), Time: day, Limit: 65527},
		{Line: 8, From: addr("[fe80::1%7]:5353"), To: addr("[::1]:1060"), Time: early, Limit: 12},
		{Line: 11, From: addr("192.0.2.1:53"), To: addr("192.0.2.2:5300"), Time: early, Limit: 12},
	} {
		want.Request = vectors.Payload{{Data: string(rune('a' + i)), Times: 1}}
		want.Want.Kind = vectors.Silence
		if got := f.Vectors[i]; !reflect.DeepEqual(got, want) {
			t.Errorf("vector %d:\n got %+v\nwant %+v", i, got, want)
		}
	}
	if f.Config != nil || f.Name != "test.vectors.txt" {
		t.Errorf("config %v, name %q", f.Config, f.Name)
	}
	if f := parse(t, `config ""`); f.Config == nil || f.Config.Len() != 0 {
		t.Errorf("an empty configuration is %#v, not one of 0 bytes", f.Config)
	}
}

func addr(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// Each error points at its place and says what is wrong.
func TestParseErrors(t *testing.T) {
	for _, tt := range []struct{ text, where, reason string }{
		{`hello`, "1:1", `"hello" begins no statement`},
		{"# fine\n\n  \"a\" -> silence", "3:3", "continues a statement"},
		{`"a"`, "1:4", `the end of the line, where "->"`},
		{`"a" ->`, "1:7", "the end of the line is no outcome"},
		{"\"a\" ->\n\"b\" -> silence", "1:7", "the end of the line is no outcome"},
		{`"a" -> shout`, "1:8", `"shout" is no outcome`},
		{`"a" -> silence "b"`, "1:16", "a string is too much"},
		{"\"a\" -> silence\n \"b\" -> silence", "2:2", "a string is too much"},
		{`"a`, "1:3", "the string does not end"},
		{"\"a\nb\"", "1:3", "the string does not end"},
		{`"a\q"`, "1:3", `there are`},
		{`"a\`, "1:3", "wants a letter"},
		{`"a\x1`, "1:3", "two hexadecimal digits"},
		{`"a\xg0"`, "1:3", "two hexadecimal digits"},
		{"\"a\tb\"", "1:3", "does not print"},
		{"\"\u202e\"", "1:2", "does not print"},
		{"\n# \xff", "2:3", "not UTF-8"},
		{`"a""b"`, "1:4", "a blank is missing"},
		{`"a"->"b"`, "1:4", "a blank is missing"},
		{`0x"b"`, "1:3", "a blank is missing"},
		{`0x -> silence`, "1:1", "is no hex"},
		{`0x123 -> silence`, "1:1", "is no hex"},
		{`0x12_ -> silence`, "1:1", "is no hex"},
		{`0x12__34 -> silence`, "1:1", "is no hex"},
		{`0x1_234 -> silence`, "1:1", "is no hex"},
		{`"a" * 0 -> silence`, "1:7", "how often"},
		{`"a" * many -> silence`, "1:7", "how often"},
		{`"a" * 99999999999999999999 -> silence`, "1:7", "how often"},
		{`"a" * 65508 -> silence`, "1:1", "more bytes than the limit of 65507"},
		{`"a" * 65507 "" "b" -> silence`, "1:16", "more bytes than the limit of 65507"},
		{"from [::1]:5\n\"a\" * 65528 -> silence", "2:1", "more bytes than the limit of 65527"},
		{`"a" -> "a" * 65508`, "1:8", "the reply has more bytes than the limit of 65507"},
		{"limit 3\n\"a\" -> \"abcd\"", "2:8", "the reply has more bytes than the limit of 3"},
		{`"a" -> code -99`, "1:13", "not a code"},
		{`"a" -> code x`, "1:13", "not a code"},
		{`"a" -> code -2147483649`, "1:13", "not a code"},
		{`limit -1`, "1:7", "not a limit"},
		{`limit 65528`, "1:7", "not a limit"},
		{"limit 65527\n\"a\" -> silence", "2:1", "more than the 65507 that UDP can carry"},
		{`from localhost:53`, "1:6", "no address and port"},
		{`from "127.0.0.1:53"`, "1:6", "no address and port"},
		{`from [::ffff:192.0.2.1]:53`, "1:6", "IPv6's form"},
		{`from [fe80::1%eth0]:53`, "1:6", `the zone "eth0" is no number`},
		{`from [fe80::1%07]:53`, "1:6", `the zone "07" is no number`},
		{`from [fe80::1%0]:53`, "1:6", `the zone "0" is no number`},
		{`to [fe80::1%7]:53`, "1:4", "a local address does not have"},
		{"to [::1]:53\n\"a\" -> silence", "2:1", "different families"},
		{`time noon`, "1:6", "is no time"},
		{`time 1969-12-31T23:59:59Z`, "1:6", "1970 and 2262"},
		{`time 2262-04-11T23:47:16.854775808Z`, "1:6", "1970 and 2262"},
		{`config`, "1:7", "where bytes should be"},
		{"config \"a\"\nconfig \"b\"", "2:1", "configured once"},
		{"\"a\" -> silence\nconfig \"b\"", "2:1", "before the first vector"},
		{`config "a" * 1048576 "b"`, "1:22", "more bytes than the limit of 1048576"},
		{strings.Repeat("#", vectors.MaxFile+1), "1:1", "more than the limit of 1048576"},
	} {
		_, err := vectors.Parse("x", []byte(tt.text))
		if err == nil {
			t.Errorf("%.60q: no error", tt.text)
			continue
		}
		var e *vectors.Error
		if !errors.As(err, &e) {
			t.Errorf("%.60q: %T, not an *Error", tt.text, err)
			continue
		}
		if where, _, _ := strings.Cut(err.Error(), ": "); where != "x:"+tt.where || !strings.Contains(e.Reason, tt.reason) {
			t.Errorf("%.60q: %v\nwant x:%s: … %s", tt.text, err, tt.where, tt.reason)
		}
	}
}

// A file as long as it may be takes no more than one look at each line.
func TestParseLongFiles(t *testing.T) {
	for name, text := range map[string]string{
		"comments behind a vector": `"a" -> "b"` + strings.Repeat("\n#", vectors.MaxFile/2-10) + "\n * 2",
		"small vectors":            strings.Repeat("\"\" -> \"\"\n", vectors.MaxFile/9),
		"large vectors":            strings.Repeat("\"a\" * 65507 -> \"a\" * 65507\n", vectors.MaxFile/27),
		"pieces":                   strings.Repeat("\"a\"\n ", 65507) + " -> silence",
	} {
		t.Run(name, func(t *testing.T) { parse(t, text) })
	}
}

// strange is a handler that does what the request's first byte says.
type strange struct {
	config []byte
	seen   int
	closed *int
}

func (s *strange) Configure(config []byte) error {
	if string(config) == "bad" {
		return errors.New("it is bad")
	}
	s.config = bytes.Clone(config)
	return nil
}

func (s *strange) ForWorker() (core.Handler, error) {
	if string(s.config) == "no worker" {
		return nil, errors.New("there is none")
	}
	return &strange{config: s.config, closed: s.closed}, nil
}

func (s *strange) Close() error {
	*s.closed++
	return nil
}

func (s *strange) Reply(dst []byte, d *core.Datagram) ([]byte, error) {
	s.seen++
	what, rest, _ := strings.Cut(string(d.Data), " ")
	switch what {
	case "nil":
		return nil, nil
	case "empty":
		return dst, nil
	case "malformed":
		return nil, fmt.Errorf("wrapped: %w", core.ErrMalformed)
	case "code":
		return nil, fmt.Errorf("wrapped: %w", core.Code(-105))
	case "error":
		return nil, errors.New("out of luck")
	case "seen":
		return fmt.Appendf(dst, "%d", s.seen), nil
	case "config":
		return append(dst, s.config...), nil
	case "meta":
		return fmt.Appendf(dst, "%v %v %v %d", d.From, d.To, d.Time, cap(dst)), nil
	case "fill":
		return append(dst[:cap(dst)], rest...), nil
	case "write":
		d.Data[0] = 'W'
		return dst, nil
	}
	return append(dst, rest...), nil
}

func TestRun(t *testing.T) {
	for _, tt := range []struct{ text, err string }{ // err "": there is none
		{"", ""},
		{`"say hello" -> "hello"`, ""},
		{`"say hello" -> "hel" 0x6c * 1 "o"`, ""},
		{`"say a" -> "b"`, `test:1: request "say a" (5 bytes): want the reply "b" (1 byte), got the reply "a" (1 byte): they differ from byte 0 on`},
		{`"say abcde" -> "abc" "xe"`, `they differ from byte 3 on`},
		{`"say abc" -> "abcd"`, `they differ from byte 3 on`},
		{`"empty" -> ""`, ""},
		{`"empty" -> silence`, `want silence, got the reply "" (0 bytes)`},
		{`"nil" -> silence`, ""},
		{`"nil" -> ""`, `want the reply "" (0 bytes), got silence`},
		{`"malformed" -> malformed`, ""},
		{`"malformed" -> silence`, "want silence, got the error: wrapped: malformed request"},
		{`"nil" -> malformed`, "want malformed, got silence"},
		{`"code" -> code -105`, ""},
		{`"code" -> code -106`, "want code -106, got the error: wrapped: handler code -105"},
		{`"nil" -> code -105`, "want code -105, got silence"},
		{`"error" -> silence`, "want silence, got the error: out of luck"},
		{`"error" -> oversize`, "want oversize, got the error: out of luck"},
		{`"fill x" -> oversize`, ""},
		{"limit 8\n\"fill x\" -> oversize", ""},
		{"limit 8\n\"fill x\" -> \"12345678\"", "got oversize"},
		{"limit 0\n\"empty\" -> \"\"", ""},
		{"\"seen\" -> \"1\"\n\"seen\" -> \"2\"", ""},
		{"\"seen\" -> \"1\"\n\n\"seen\" -> \"1\"", `test:3: request "seen"`},
		{`"write" -> ""`, "wrote into the request"},
		{"config \"abc\"\n\"config\" -> \"abc\"", ""},
		{"config \"bad\"", `test: configuring the handler with "bad": it is bad`},
		{"config \"no worker\"", "test: making an instance of the handler: there is none"},
		{`"meta" -> "127.0.0.1:50000 127.0.0.1:1060 2026-11-22 13:40:00.123456 +0000 UTC 65507"`, ""},
		{"from [fe80::1%3]:9\nlimit 999\n\"meta\" -> \"[fe80::1%3]:9 [::1]:1060 2026-11-22 13:40:00.123456 +0000 UTC 999\"", ""},
	} {
		f, err := vectors.Parse("test", []byte(tt.text))
		if err != nil {
			t.Fatal(err)
		}
		var closed int
		err = f.Run(&strange{closed: &closed})
		switch {
		case tt.err == "" && err != nil:
			t.Errorf("%q: %v", tt.text, err)
		case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
			t.Errorf("%q:\n got %v\nwant %v", tt.text, err, tt.err)
		}
		if want := strings.Contains(tt.err, "making") || strings.Contains(tt.err, "configuring"); want == (closed == 1) {
			t.Errorf("%q: the instance was closed %d times", tt.text, closed)
		}
	}
}

// Errors stay short however long the payloads are, and hold nothing that a terminal would obey.
func TestRunErrorsAreBounded(t *testing.T) {
	f := parse(t, `"say " 0x1b0a * 30000 -> "`+strings.Repeat(`\x1b`, 5000)+`"`)
	err := f.Run(&strange{closed: new(int)})
	if err == nil || len(err.Error()) > 700 || strings.ContainsAny(err.Error(), "\x1b\n") {
		t.Errorf("%d bytes: %v", len(fmt.Sprint(err)), err)
	}
}

func TestRunWithoutConfigurer(t *testing.T) {
	if err := parse(t, `config "a"`).Run(reply.Length{}); !errors.Is(err, core.ErrNoConfig) {
		t.Errorf("%v, want core.ErrNoConfig", err)
	}
}

// What is printed is read back as it was.
func TestStringRoundTrip(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		f := randomFile(random)
		text := f.String()
		got, err := vectors.Parse(f.Name, []byte(text))
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if dropLines(got); !reflect.DeepEqual(got, f) {
			t.Fatalf("got  %+v\nwant %+v\ntext\n%s", got, f, text)
		}
	}
}

func TestStringIsShort(t *testing.T) {
	const text = `config "a\n" * 3
"\x00" 0xdeadbeef "Größe\\\"" -> silence
from [fe80::1%7]:53
"a" * 65527 -> ""
to [::2]:1060
time 2026-01-01T00:00:00Z
limit 7
0x00_01_02 -> code -100
`
	want := strings.Replace(strings.Replace(text, `"\x00"`, "0x00", 1), "0x00_01_02", "0x000102", 1)
	if got := parse(t, text).String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// dropLines forgets the lines' numbers, which printing does not keep.
func dropLines(f *vectors.File) {
	for i := range f.Vectors {
		f.Vectors[i].Line = 0
	}
}

func randomFile(random *rand.Rand) *vectors.File {
	one := func(of ...string) string { return of[random.IntN(len(of))] }
	payload := func() (p vectors.Payload) {
		for range 1 + random.IntN(3) {
			piece := vectors.Piece{Times: 1}
			for range random.IntN(6) {
				piece.Data += one("a", "b", " ", "\"", "\\", "\n", "\x00", "\xff", "\u00e9", "\u202e", "\ufffd", "#", "->", "0x")
			}
			if random.IntN(3) == 0 {
				piece.Times = 1 + random.IntN(100)
			}
			p = append(p, piece)
		}
		return p
	}
	f := &vectors.File{Name: "random"}
	if random.IntN(2) == 0 {
		f.Config = payload()
	}
	for range random.IntN(5) {
		v := vectors.Vector{
			Request: payload(),
			From:    addr(one("127.0.0.1:50000", "192.0.2.7:0")),
			To:      addr(one("127.0.0.1:1060", "192.0.2.8:53")),
			Time:    time.Unix(0, random.Int64N(1<<62)).UTC(),
			Limit:   65507,
			Want:    vectors.Outcome{Kind: vectors.Kind(random.IntN(5))},
		}
		if random.IntN(2) == 0 {
			v.From = addr(one("[::1]:50000", "[fe80::1%7]:53", "[2001:db8::1]:1"))
			v.To = addr(one("[::1]:1060", "[::2]:65535"))
			v.Limit = 65527
		}
		if random.IntN(2) == 0 {
			v.Limit = 5000 + random.IntN(5000)
		}
		switch v.Want.Kind {
		case vectors.Reply:
			v.Want.Reply = payload()
		case vectors.Code:
			v.Want.Code = -100 - core.Code(random.IntN(1000))
		}
		f.Vectors = append(f.Vectors, v)
	}
	return f
}

// Parse takes anything, and what it accepts keeps its limits and can be printed and read again.
func FuzzParse(f *testing.F) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		f.Add(randomFile(random).String())
	}
	f.Add("config \"a\"\n\"a\\x00\" * 3 0x00_ff\n  -> malformed # why\nfrom [::1]:5\nlimit 4\n\"\" -> oversize\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := vectors.Parse("fuzz", []byte(text))
		if err != nil {
			if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' }) || len(err.Error()) > 400 {
				t.Errorf("an error that should be one short line: %q", err)
			}
			return
		}
		for _, v := range file.Vectors {
			if v.Request.Len() > core.MaxPayload(v.From.Addr()) || v.Want.Reply.Len() > v.Limit ||
				v.Limit > core.MaxPayload(v.From.Addr()) || v.From.Addr().Is4() != v.To.Addr().Is4() {
				t.Errorf("no datagram can be like this: %+v", v)
			}
		}
		printed := file.String()
		if len(printed) > vectors.MaxFile {
			return
		}
		again, err := vectors.Parse("fuzz", []byte(printed))
		if err != nil {
			t.Fatalf("%v in what was printed:\n%s", err, printed)
		}
		dropLines(file)
		if dropLines(again); !reflect.DeepEqual(again, file) {
			t.Errorf("got  %+v\nwant %+v\nprinted\n%s", again, file, printed)
		}
	})
}

func ExampleFile_Run() {
	f, err := vectors.Parse("length.vectors.txt", []byte(`
"hello"     -> "Your data was 5 bytes long"
"a" * 65507 -> "Your data was 65507 bytes long"
""          -> silence
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(f.Run(reply.Length{}))
	// Output: length.vectors.txt:4: request "" (0 bytes): want silence, got the reply "Your data was 0 bytes long" (26 bytes)
}
