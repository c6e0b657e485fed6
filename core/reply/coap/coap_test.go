package coap_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/coretest"
	"github.com/retort-udp/retort/core/reply/coap"
)

func handler() *coap.Handler {
	return &coap.Handler{Resources: []coap.Resource{
		{Path: "/temperature", Body: []byte("22.3 C"), Type: "temperature-c outdoor", Interface: "sensor", Title: "Yard"},
		{Path: "/lamp", Body: []byte("off"), Writable: 8, Interface: "actuator"},
		{Path: "/a/b c", Body: []byte("{}"), Format: 50},
		{Path: "/", Body: []byte("root")},
		{Path: "/long", Body: []byte(long), Format: 42},
		{Path: "/empty"},
	}}
}

var long = strings.Repeat("0123456789abcdef", 200) // 3,200 bytes

// RFC 7252, appendix A, figures 16 and 17: what goes over the wire, but for the options that a server may add.
func TestExamplesOfTheRFC(t *testing.T) {
	for _, tt := range []struct{ request, header string }{
		{"\x40\x01\x7d\x34\xbbtemperature", "\x60\x45\x7d\x34"},
		{"\x41\x01\x7d\x35\x20\xbbtemperature", "\x61\x45\x7d\x35\x20"},
	} {
		b, err := serve(t, handler()).send([]byte(tt.request))
		if err != nil || !bytes.HasPrefix(b, []byte(tt.header)) || !bytes.HasSuffix(b, []byte("\xff22.3 C")) {
			t.Errorf("%x is answered with %x, %v", tt.request, b, err)
		}
	}
}

func TestGet(t *testing.T) {
	s := serve(t, handler())
	for _, tt := range []struct {
		options []opt
		body    string
		format  int
	}{
		{path("temperature"), "22.3 C", 0},
		{path("a", "b c"), "{}", 50},
		{nil, "root", 0},
		{path(""), "root", 0},
		{append([]opt{{3, "example.org"}, {7, "\x16\x33"}}, path("lamp")...), "off", 0}, // Uri-Host, Uri-Port
		{append(path("lamp"), opt{15, "color"}), "off", 0},
		{append(path("lamp"), opt{17, ""}), "off", 0},                                  // Accept: 0
		{append([]opt{{6, ""}}, path("empty")...), "", 0},                              // Observe is elective
		{append(path("lamp"), opt{2048, "?"}), "off", 0},                               // not known, elective
		{append(path("lamp"), opt{60, "12345"}, opt{258, "x"}), "off", 0},              // of a wrong length, elective
		{append([]opt{{4, "12345678"}, {4, "x"}, {5, ""}}, path("lamp")...), "off", 0}, // tags of other representations
	} {
		for _, kind := range []int{con, non} {
			r := s.ask(msg{kind: kind, code: get, token: "tokentok", options: tt.options})
			if r.code != code(2, 5) || r.payload != tt.body || r.number(12) != tt.format {
				t.Errorf("%v: %+v", tt.options, r)
			}
		}
	}
}

func TestErrors(t *testing.T) {
	s := serve(t, handler())
	for _, tt := range []struct {
		request msg
		code    int
	}{
		{msg{code: get, options: path("nothing")}, code(4, 4)},
		{msg{code: get, options: path("temp")}, code(4, 4)},
		{msg{code: get, options: path("temperature", "")}, code(4, 4)},
		{msg{code: get, options: path("temperature", "x")}, code(4, 4)},
		{msg{code: get, options: path("a/b c")}, code(4, 4)}, // one segment with a slash in it
		{msg{code: put, options: path("nothing"), payload: "x"}, code(4, 4)},
		{msg{code: post, options: path("lamp"), payload: "x"}, code(4, 5)},
		{msg{code: 4, options: path("lamp")}, code(4, 5)},
		{msg{code: 31, options: path("lamp")}, code(4, 5)},
		{msg{code: put, options: path("temperature"), payload: "x"}, code(4, 5)},
		{msg{code: put, options: path(".well-known", "core"), payload: "x"}, code(4, 5)},
		{msg{code: get, options: append(path("a", "b c"), opt{17, "\x3c"})}, code(4, 6)}, // CBOR
		{msg{code: get, options: append([]opt{{9, ""}}, path("lamp")...)}, code(4, 2)},   // OSCORE
		{msg{code: get, options: append(path("lamp"), opt{2049, ""})}, code(4, 2)},
		{msg{code: get, options: append(path("lamp"), opt{17, "abc"})}, code(4, 2)},                 // Accept too long
		{msg{code: get, options: append(path("lamp"), opt{17, ""}, opt{17, ""})}, code(4, 2)},       // Accept twice
		{msg{code: put, options: append(path("lamp"), opt{27, "\x08"}), payload: "x"}, code(4, 2)},  // Block1
		{msg{code: get, options: append(path("lamp"), opt{35, "coap://example.org/"})}, code(5, 5)}, // Proxy-Uri
		{msg{code: get, options: append(path("lamp"), opt{39, "coap"})}, code(5, 5)},
	} {
		if r := s.ask(tt.request); r.code != tt.code || r.payload != "" {
			t.Errorf("%+v: %+v", tt.request, r)
		}
	}
	queries := append(path(".well-known", "core"), opt{15, "a=b"}, opt{15, "a=b"}, opt{15, "a=b"}, opt{15, "a=b"}, opt{15, "a=b"})
	if r := s.ask(msg{code: get, options: queries}); r.code != code(4, 0) {
		t.Errorf("five queries: %+v", r)
	}
	s.silent(msg{kind: non, code: get, id: 9999, options: append(path("lamp"), opt{2049, ""})})
}

func TestETag(t *testing.T) {
	s := serve(t, handler())
	first, _ := s.ask(msg{code: get, options: path("lamp")}).option(4)
	if len(first) != 8 {
		t.Fatalf("the tag is %x", first)
	}
	conditional := msg{code: get, options: append([]opt{{4, "other"}, {4, first}}, path("lamp")...)}
	if r := s.ask(conditional); r.code != code(2, 3) || r.payload != "" {
		t.Errorf("what is up to date: %+v", r)
	}
	s.ask(msg{code: put, options: path("lamp"), payload: "on"})
	if r := s.ask(conditional); r.code != code(2, 5) || r.payload != "on" {
		t.Errorf("what is out of date: %+v", r)
	}
}

func TestPut(t *testing.T) {
	s := serve(t, handler())
	tag, _ := s.ask(msg{code: get, options: path("lamp")}).option(4)
	for _, tt := range []struct {
		before []opt
		behind []opt
		body   string
		code   int
		then   string
	}{
		{nil, nil, "on", code(2, 4), "on"},
		{nil, nil, "", code(2, 4), ""},
		{nil, []opt{{12, ""}}, "12345678", code(2, 4), "12345678"},
		{nil, nil, "123456789", code(4, 13), "12345678"},
		{nil, []opt{{12, "\x32"}}, "on", code(4, 15), "12345678"},
		{[]opt{{5, ""}}, nil, "on", code(4, 12), "12345678"},
		{[]opt{{1, tag}}, nil, "on", code(4, 12), "12345678"},
		{[]opt{{1, tag}, {1, ""}}, nil, "off", code(2, 4), "off"},
		{[]opt{{1, tag}}, nil, "on", code(2, 4), "on"}, // it is as it was at first
	} {
		r := s.ask(msg{code: put, options: append(append(tt.before, path("lamp")...), tt.behind...), payload: tt.body})
		if r.code != tt.code || tt.code == code(4, 13) && r.number(60) != 8 {
			t.Errorf("%v %q: %+v", tt.before, tt.body, r)
		}
		if r := s.ask(msg{code: get, options: path("lamp")}); r.payload != tt.then {
			t.Errorf("%v %q: it is %q now", tt.before, tt.body, r.payload)
		}
	}
	if h := handler(); string(h.Resources[1].Body) != "off" {
		t.Error("the configuration was written to")
	}
}

func TestWorkersKeepTheirOwn(t *testing.T) {
	h := handler()
	a, b := serve(t, h), serve(t, h)
	a.ask(msg{code: put, options: path("lamp"), payload: "on"})
	if r := b.ask(msg{code: get, options: path("lamp")}); r.payload != "off" {
		t.Errorf("the other worker says %q", r.payload)
	}
	if _, err := h.Reply(nil, &core.Datagram{}); err == nil {
		t.Error("the handler itself answers")
	}
}

func TestMessages(t *testing.T) {
	s := serve(t, handler())
	for _, request := range []string{
		"\x40\x00\x12\x34", // a ping
		"\x40\x45\x12\x34", // a response to nothing
	} {
		for range 2 {
			if b, err := s.send([]byte(request)); err != nil || string(b) != "\x70\x00\x12\x34" {
				t.Errorf("%x: %x, %v; want a reset", request, b, err)
			}
		}
		unconfirmed := []byte(request)
		unconfirmed[0] |= 0x10
		if b, err := s.send(unconfirmed); b != nil || err != nil {
			t.Errorf("%x: %x, %v; want silence", unconfirmed, b, err)
		}
	}
	for _, request := range []string{
		"", "\x40\x00\x12", "\x00\x01\x12\x34", "\x80\x01\x12\x34", "\xc0\x01\x12\x34",
		"\x40\x00\x12\x34\x00",                          // an empty message that is not
		"\x41\x00\x12\x34\x00",                          // likewise, with a token
		"\x49\x01\x12\x34123456789",                     // a token that is too long
		"\x42\x01\x12\x341",                             // and one that is cut off
		"\x40\x01\x12\x34\xb5lamp",                      // an option that is cut off
		"\x40\x01\x12\x34\xf0",                          // a reserved difference
		"\x40\x01\x12\x34\xbf",                          // a reserved length
		"\x40\x01\x12\x34\xd0",                          // a difference that is cut off
		"\x40\x01\x12\x34\xe0\xff\xff\x10",              // an option number above 65,535
		"\x40\x01\x12\x34\xff",                          // a payload without bytes
		"\x40\x01\x12\x34" + strings.Repeat("\x50", 65), // too many options
		"\x40\x25\x12\x34",                              // class 1
		"\x40\xc1\x12\x34",                              // class 6
		"\x40\xe0\x12\x34",                              // class 7
	} {
		for _, kind := range []byte{con, non} {
			request := []byte(request)
			if len(request) > 0 {
				request[0] |= kind << 4
			}
			if b, err := s.send(request); b != nil || !errors.Is(err, core.ErrMalformed) {
				t.Errorf("%x: %x, %v; want malformed", request, b, err)
			}
		}
	}
	for _, request := range []string{"\x60\x00\x12\x34", "\x70\x00\x12\x34", "\x60\x45\x12\x34\xff!", "\x6f\x45\x12\x34", "\x60\x01\x12\x34"} {
		if b, err := s.send([]byte(request)); b != nil || err != nil {
			t.Errorf("%x: %x, %v; want silence", request, b, err)
		}
	}
}

// Text gets no answer, though its first letter may make a message of it: the server that sent it may answer everything
// with text. It does not matter what is remembered.
func TestTextGetsSilence(t *testing.T) {
	for _, remember := range []int{-1, 0} {
		h := handler()
		h.Remember = remember
		s := serve(t, h)
		for first := '@'; first <= '_'; first++ {
			for _, second := range " '0?Az~\u00e9\u00df\u4f60" { // letters in UTF-8 begin with a byte of class 6 or 7
				for number := range 100 {
					text := fmt.Appendf(nil, "%c%c line, number %d", first, second, number)
					if b, err := s.send(text); b != nil && !h.IsResponse(&core.Datagram{Data: text}) {
						t.Fatalf("%q: %x, %v; want silence", text, b, err)
					}
				}
			}
		}
	}
}

func TestIsResponse(t *testing.T) {
	h := handler()
	for request, want := range map[string]bool{
		"": false, "\x40\x01": false, "\x40\x01\x12\x34": false, "\x50\x03\x12\x34": false, "\x40\x00\x12\x34": false,
		"\x40\xe0\x12\x34": false, "\x80\x45\x12\x34": false,
		"\x60\x00\x12\x34": true, "\x70\x00\x12\x34": true, "\x60\x45\x12\x34": true, "\x50\x45\x12\x34": true, "\x40\x84\x12\x34": true,
	} {
		if got := h.IsResponse(&core.Datagram{Data: []byte(request)}); got != want {
			t.Errorf("%x: %v", request, got)
		}
	}
}

func TestDuplicates(t *testing.T) {
	s := serve(t, handler())
	set := func(body string, kind int) []byte {
		return msg{kind: kind, code: put, id: 7, options: path("lamp"), payload: body}.bytes()
	}
	state := func() string { return s.ask(msg{code: get, options: path("lamp")}).payload }
	must := func(b []byte, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	first := must(s.send(set("on", con)))
	must(s.send(msg{code: put, id: 8, options: path("lamp"), payload: "off"}.bytes()))

	s.at = arrival.Add(247 * time.Second)
	if again := must(s.send(set("on", con))); again != first || state() != "off" {
		t.Errorf("the same again: %x, and the lamp is %s", again, state())
	}
	s.from = "192.0.2.1:40001"
	if must(s.send(set("on", con))); state() != "on" {
		t.Error("another peer's message is taken for the same")
	}
	s.from = "192.0.2.1:40000"
	if must(s.send(set("dim", con))); state() != "dim" {
		t.Error("another message with the same id is taken for the same")
	}
	s.at = arrival.Add(495 * time.Second)
	if must(s.send(set("on", con))); state() != "on" {
		t.Error("a message is remembered too long")
	}

	if must(s.send(set("a", non))); state() != "a" {
		t.Error("a message without confirmation did nothing")
	}
	must(s.send(set("b", con)))
	s.at = s.at.Add(145 * time.Second)
	if b := must(s.send(set("a", non))); b != "" || state() != "b" {
		t.Errorf("the same again, without confirmation: %x, and the lamp is %s", b, state())
	}
	s.at = s.at.Add(time.Second)
	if must(s.send(set("a", non))); state() != "a" {
		t.Error("a message without confirmation is remembered too long")
	}
	// What is too long to be kept is read anew.
	read := msg{code: get, id: 9, options: path("long")}
	if a, b := s.ask(read), s.ask(read); a.payload == "" || a.payload != b.payload {
		t.Errorf("%+v and then %+v", a, b)
	}
}

func TestDuplicatesAreBounded(t *testing.T) {
	h := handler()
	h.Remember = 16
	s := serve(t, h)
	set := func(id int, body string) {
		s.ask(msg{code: put, id: uint16(id), options: path("lamp"), payload: body})
	}
	set(1, "on")
	for id := range 1000 {
		s.at = s.at.Add(time.Millisecond)
		set(id+2, "off")
	}
	if set(1, "on"); s.ask(msg{code: get, options: path("lamp")}).payload != "on" {
		t.Error("16 places remember a thousand messages")
	}
	h.Remember = -1
	s = serve(t, h)
	set(1, "on")
	set(2, "off")
	if set(1, "on"); s.ask(msg{code: get, options: path("lamp")}).payload != "on" {
		t.Error("no places remember a message")
	}
}

func TestNumbersOfMessages(t *testing.T) {
	h := handler()
	s := serve(t, h)
	seen := make(map[uint16]bool)
	for range 65536 {
		r := s.ask(msg{kind: non, code: get, options: path("empty")})
		if s.at = s.at.Add(time.Second); seen[r.id] {
			t.Fatalf("the id %d comes again", r.id)
		}
		seen[r.id] = true
	}
	a, b := serve(t, h), serve(t, h)
	b.at = arrival.Add(time.Minute)
	m := msg{kind: non, code: get, options: path("empty")}
	if a.ask(m).id == b.ask(m).id {
		t.Error("a server that starts again begins with the same id")
	}
}

func TestMulticast(t *testing.T) {
	s := serve(t, handler())
	s.to = "[ff02::fd]:5683"
	s.from = "[fe80::1%2]:5683"
	if r := s.ask(msg{kind: non, code: get, options: path("temperature")}); r.payload != "22.3 C" {
		t.Errorf("%+v", r)
	}
	s.silent(msg{kind: non, id: 500, code: get, options: path("nothing")})
	s.silent(msg{kind: non, id: 501, code: put, options: path("lamp"), payload: "on"})
	s.silent(msg{kind: non, id: 502, code: get, options: append(path(".well-known", "core"), opt{15, "rt=nothing"})})
	// What is sent to a group twice is done once, though neither gets an answer.
	s.silent(msg{kind: non, id: 504, code: put, options: path("lamp"), payload: "off"})
	s.silent(msg{kind: non, id: 501, code: put, options: path("lamp"), payload: "on"})
	if r := s.ask(msg{kind: non, id: 505, code: get, options: path("lamp")}); r.payload != "off" {
		t.Errorf("the lamp is %s: a duplicate was obeyed", r.payload)
	}
	for _, request := range [][]byte{msg{id: 503, code: get, options: path("lamp")}.bytes(), []byte("\x40\x00\x12\x34")} {
		if b, err := s.send(request); b != nil || !errors.Is(err, core.ErrMalformed) {
			t.Errorf("%x: %x, %v", request, b, err)
		}
	}
}

func TestContract(t *testing.T) {
	coretest.TestHandler(t, handler(), msg{code: get, options: path("long")}.bytes(), msg{code: put, options: path("lamp"), payload: "on"}.bytes(),
		msg{kind: non, code: get, options: append(path(".well-known", "core"), opt{15, "if=*"})}.bytes(), []byte("\x40\x00\x12\x34"))
}

func TestReplyAllocatesNothing(t *testing.T) {
	h, err := handler().ForWorker()
	if err != nil {
		t.Fatal(err)
	}
	dst := make([]byte, 0, 1500)
	for _, m := range []msg{
		{code: get, options: path("long")},
		{code: get, options: path("nothing")},
		{kind: non, code: get, options: append(path(".well-known", "core"), opt{15, "rt=temp*"})},
		{code: get, options: append(path("long"), opt{23, "\x12"})},
		{code: put, options: path("lamp"), payload: "on"},
		{},
	} {
		d := &core.Datagram{From: netip.MustParseAddrPort("[fe80::1%3]:5683"), To: netip.MustParseAddrPort("[fe80::2]:5683"), Time: arrival}
		data := make([][]byte, 102)
		for i := range data {
			m.id = uint16(i + 1)
			data[i] = m.bytes()
		}
		i := 0
		if n := testing.AllocsPerRun(100, func() { d.Data = data[i]; i++; h.Reply(dst, d) }); n != 0 {
			t.Errorf("%+v: %v allocations", m, n)
		}
	}
}

func FuzzReply(f *testing.F) {
	for _, m := range []msg{
		{code: get, options: path("long")},
		{code: get, options: append(path(".well-known", "core"), opt{15, "href=/*"})},
		{kind: non, code: put, token: "t", options: append([]opt{{1, ""}}, path("lamp")...), payload: "on"},
		{code: get, options: append(path("long"), opt{23, "\x16"}, opt{28, ""})},
		{},
	} {
		f.Add(m.bytes(), uint16(100))
	}
	f.Add([]byte("A000"), uint16(100)) // text that looks like a message
	f.Fuzz(func(t *testing.T, data []byte, room uint16) {
		h := handler()
		s := serve(t, h)
		s.room = int(room)
		before := bytes.Clone(data)
		b, err := s.send(data)
		if !bytes.Equal(before, data) || b != nil && err != nil {
			t.Errorf("%x: %x, %v", data, b, err)
		}
		if b == nil {
			return
		}
		r := parse(t, b)
		if !h.IsResponse(&core.Datagram{Data: b}) {
			t.Errorf("%x is answered with %x", data, b)
		}
		if len(b) > s.room && s.room >= 64 {
			t.Errorf("%x is answered with %d bytes in %d", data, len(b), s.room)
		}
		again, err := s.send(data)
		sent := len(b) <= s.room
		if kind := data[0] >> 4 & 3; sent && (kind == non && again != nil || kind == con && !bytes.Equal(again, b) || err != nil) {
			t.Errorf("%x is answered with %x and then %x, %v", data, b, again, err)
		}
		if r.kind == rst && len(b) != 4 {
			t.Errorf("a reset of %d bytes", len(b))
		}
	})
}

func ExampleHandler() {
	h := &coap.Handler{Resources: []coap.Resource{{Path: "/temperature", Body: []byte("22.3 C")}}}
	worker, err := h.ForWorker()
	if err != nil {
		fmt.Println(err)
		return
	}
	d := &core.Datagram{Data: []byte("\x40\x01\x7d\x34\xbbtemperature"), From: netip.MustParseAddrPort("192.0.2.1:5683")}
	reply, err := worker.Reply(make([]byte, 0, 100), d)
	fmt.Printf("%d.%02d %s %v\n", reply[1]>>5, reply[1]&31, reply[len(reply)-6:], err)
	// Output: 2.05 22.3 C <nil>
}

func BenchmarkReply(b *testing.B) {
	h := handler()
	h.Remember = 64
	w, err := h.ForWorker()
	if err != nil {
		b.Fatal(err)
	}
	dst := make([]byte, 0, 1500)
	data := msg{code: get, token: "12", options: path("temperature")}.bytes()
	d := &core.Datagram{Data: data, From: netip.MustParseAddrPort("192.0.2.1:5683"), Time: arrival}
	b.ReportAllocs()
	for b.Loop() {
		if data[3]++; data[3] == 0 {
			data[2]++
		}
		if _, err := w.Reply(dst, d); err != nil {
			b.Fatal(err)
		}
	}
}
