package coap_test

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/reply/coap"
)

// Types and codes of the tests.
const (
	con, non, ack, rst = 0, 1, 2, 3
	get, post, put     = 1, 2, 3
)

// opt is an option.
type opt struct {
	number int
	value  string
}

// path returns Uri-Path options.
func path(segments ...string) (all []opt) {
	for _, s := range segments {
		all = append(all, opt{11, s})
	}
	return all
}

// msg is a message as the tests write and read it.
type msg struct {
	kind, code int
	id         uint16
	token      string
	options    []opt
	payload    string
}

func (m msg) with(options ...opt) msg {
	m.options = append(append([]opt(nil), m.options...), options...)
	return m
}

// bytes encodes m; its options are in order.
func (m msg) bytes() []byte {
	b := []byte{byte(1<<6 | m.kind<<4 | len(m.token)), byte(m.code), byte(m.id >> 8), byte(m.id)}
	b = append(b, m.token...)
	last := 0
	for _, o := range m.options {
		nibble := func(n int) (int, []byte) {
			switch {
			case n < 13:
				return n, nil
			case n < 269:
				return 13, []byte{byte(n - 13)}
			}
			return 14, binary.BigEndian.AppendUint16(nil, uint16(n-269))
		}
		delta, more := nibble(o.number - last)
		length, evenMore := nibble(len(o.value))
		b = append(append(append(b, byte(delta<<4|length)), more...), evenMore...)
		b = append(b, o.value...)
		last = o.number
	}
	if m.payload != "" {
		b = append(append(b, 0xff), m.payload...)
	}
	return b
}

// option returns the value of the first option with this number.
func (m msg) option(number int) (value string, ok bool) {
	for _, o := range m.options {
		if o.number == number {
			return o.value, true
		}
	}
	return "", false
}

// number returns the value of an option as a number; -1 if it is not there.
func (m msg) number(option int) int {
	value, ok := m.option(option)
	if !ok {
		return -1
	}
	n := 0
	for _, b := range []byte(value) {
		n = n<<8 | int(b)
	}
	return n
}

// parse decodes a response, and fails the test when it is none.
func parse(t testing.TB, b []byte) (m msg) {
	t.Helper()
	bad := func() { t.Helper(); t.Fatalf("no message: %x", b) }
	if len(b) < 4 || b[0]>>6 != 1 || len(b) < 4+int(b[0]&15) {
		bad()
	}
	m = msg{kind: int(b[0] >> 4 & 3), code: int(b[1]), id: uint16(b[2])<<8 | uint16(b[3])}
	n := 4 + int(b[0]&15)
	m.token, b = string(b[4:n]), b[n:]
	number := 0
	for len(b) > 0 && b[0] != 0xff {
		extended := func(n int) int {
			switch {
			case n == 13 && len(b) > 0:
				n, b = int(b[0])+13, b[1:]
			case n >= 14:
				bad() // longer than anything that a server of these tests sends
			}
			return n
		}
		first := b[0]
		b = b[1:]
		number += extended(int(first >> 4))
		length := extended(int(first & 15))
		if length > len(b) {
			bad()
		}
		m.options = append(m.options, opt{number, string(b[:length])})
		b = b[length:]
	}
	if len(b) == 1 {
		bad()
	}
	if len(b) > 1 {
		m.payload = string(b[1:])
	}
	return m
}

var arrival = time.Date(2026, 11, 22, 13, 40, 0, 0, time.UTC)

// server is a worker and the peer that asks it.
type server struct {
	t    testing.TB
	h    core.Handler
	from string
	to   string
	at   time.Time
	room int
	id   uint16
}

func serve(t testing.TB, h *coap.Handler) *server {
	t.Helper()
	w, err := h.ForWorker()
	if err != nil {
		t.Fatal(err)
	}
	return &server{t: t, h: w, from: "192.0.2.1:40000", to: "192.0.2.2:5683", at: arrival, room: 1500}
}

func (s *server) send(b []byte) ([]byte, error) {
	d := &core.Datagram{Data: b, From: netip.MustParseAddrPort(s.from), To: netip.MustParseAddrPort(s.to), Time: s.at}
	return s.h.Reply(make([]byte, 0, s.room), d)
}

// ask sends m, with an id of its own unless it has one, and returns the response.
func (s *server) ask(m msg) msg {
	s.t.Helper()
	if m.id == 0 {
		s.id++
		m.id = s.id
	}
	b, err := s.send(m.bytes())
	if err != nil || b == nil {
		s.t.Fatalf("%+v: %x, %v", m, b, err)
	}
	r := parse(s.t, b)
	switch {
	case m.kind == con && (r.kind != ack || r.id != m.id), m.kind == non && r.kind != non, r.token != m.token:
		s.t.Fatalf("%+v is answered with %+v", m, r)
	case len(b) > s.room:
		s.t.Fatalf("%+v is answered with %d bytes; there is room for %d", m, len(b), s.room)
	}
	return r
}

// silent sends m, which must not be answered.
func (s *server) silent(m msg) {
	s.t.Helper()
	if b, err := s.send(m.bytes()); b != nil || err != nil {
		s.t.Errorf("%+v: %x, %v; want silence", m, b, err)
	}
}

// code writes a code as in "4.04", as a number.
func code(class, detail int) int { return class<<5 | detail }
