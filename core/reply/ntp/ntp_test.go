package ntp_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/coretest"
	"github.com/retort-udp/retort/core/reply/ntp"
)

// packet is the header of RFC 5905, figure 8, as package encoding/binary reads it.
type packet struct {
	First, Stratum, Poll, Precision   byte
	RootDelay, RootDispersion         uint32
	Reference                         [4]byte
	Set, Origin, Receive, Transmitted uint64
}

func (p packet) leap() byte    { return p.First >> 6 }
func (p packet) version() byte { return p.First >> 3 & 7 }
func (p packet) mode() byte    { return p.First & 7 }

var arrival = time.Date(2026, 11, 22, 13, 40, 0, 500_000_000, time.UTC)

// request is a client's packet of a version and a mode, with nothing but a transmit timestamp, as RFC 5905,
// section 14, has it.
func request(version, mode byte) []byte {
	b := make([]byte, ntp.HeaderSize)
	b[0] = version<<3 | mode
	b[2] = 6
	copy(b[40:], "\xde\xad\xbe\xef\x01\x02\x03\x04")
	return b
}

func datagram(data []byte, from string) *core.Datagram {
	return &core.Datagram{Data: data, From: netip.MustParseAddrPort(from), Time: arrival}
}

func ask(t *testing.T, h *ntp.Handler, data []byte, from string) packet {
	t.Helper()
	reply, err := h.Reply(make([]byte, 0, 100), datagram(data, from))
	if err != nil || len(reply) != ntp.HeaderSize {
		t.Fatalf("answered %x, %v", reply, err)
	}
	var p packet
	if _, err := binary.Decode(reply, binary.BigEndian, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestServer(t *testing.T) {
	// From 1900 to 2026-11-22 there are 126 years with 31 leap days, and 325 days of the last year; 13:40 is 820
	// minutes later, and half a second is 1<<31.
	const now = ((126*365+31+325)*86_400+820*60)<<32 | 1<<31
	for version := byte(1); version <= 4; version++ {
		p := ask(t, new(ntp.Handler), request(version, 3), "192.0.2.1:40000")
		want := packet{
			First: version<<3 | 4, Stratum: 10, Poll: 6, Precision: 0xf0, Reference: [4]byte{127, 127, 1, 1},
			Set: p.Set, Origin: 0xdeadbeef_01020304, Receive: now, Transmitted: now,
		}
		if p != want {
			t.Errorf("version %d: %+v; want %+v", version, p, want)
		}
		if age := (now - p.Set) >> 32; age > 64 || p.Set > now {
			t.Errorf("the reference timestamp is %d seconds old", age)
		}
	}
}

func TestConfigured(t *testing.T) {
	var h ntp.Handler
	err := h.Configure([]byte("leap insert\nstratum 1\nreference GPS\nprecision -23\ndelay 1.5s\ndispersion 1ms\nsymmetric no\n" +
		"kiss RATE 192.0.2.0/25\nkiss DENY 192.0.2.0/24\nkiss XABC fe80::/10"))
	if err != nil {
		t.Fatal(err)
	}
	p := ask(t, &h, request(4, 3), "198.51.100.1:123")
	if p.leap() != 1 || p.Stratum != 1 || p.Reference != [4]byte{'G', 'P', 'S'} || int8(p.Precision) != -23 ||
		p.RootDelay != 0x0001_8000 || p.RootDispersion != 66 { // 65.536 units, rounded up
		t.Errorf("%+v", p)
	}
	for from, code := range map[string]string{
		"192.0.2.1:5": "RATE", "192.0.2.128:5": "DENY", "[fe80::1%3]:5": "XABC",
	} {
		p := ask(t, &h, request(3, 3), from)
		if p.leap() != 3 || p.version() != 3 || p.mode() != 4 || p.Stratum != 0 || string(p.Reference[:]) != code ||
			p.Origin != 0xdeadbeef_01020304 {
			t.Errorf("%s: %+v; want the kiss %s", from, p, code)
		}
	}
	if reply, err := h.Reply([]byte{}, datagram(request(4, 1), "198.51.100.1:123")); reply != nil || err != nil {
		t.Errorf("a symmetric peer gets %x, %v", reply, err)
	}
}

func TestWhatIsNotAnswered(t *testing.T) {
	control, private := request(2, 6), request(2, 7)
	for _, tt := range []struct {
		name     string
		data     []byte
		from     string
		mode     byte // of the reply; 0: none
		err      error
		response bool
	}{
		{name: "a client", data: request(4, 3), mode: 4},
		{name: "with a key id and a digest", data: append(request(4, 3), make([]byte, 20)...), mode: 4},
		{name: "with an extension field that claims too much", data: append(request(4, 3), 1, 4, 0xff, 0xff), mode: 4},
		{name: "with a stray byte", data: append(request(3, 3), 0), mode: 4},
		{name: "a symmetric peer", data: request(3, 1), mode: 2},
		{name: "version 1 without a mode", data: request(1, 0), mode: 4},
		{name: "version 1 without a mode, from another server", data: request(1, 0), from: "192.0.2.1:123"},
		{name: "no mode", data: request(4, 0)},
		{name: "a passive peer", data: request(4, 2), response: true},
		{name: "an answer", data: request(4, 4), response: true},
		{name: "a broadcast", data: request(4, 5), response: true},
		{name: "a control message", data: control},
		{name: "an answer to one", data: append([]byte{control[0], 0x81}, control[2:]...), response: true},
		{name: "a private message", data: private},
		{name: "an answer to one", data: append([]byte{private[0] | 0x80}, private[1:]...), response: true},
		{name: "a short control message", data: control[:12], err: core.ErrMalformed},
		{name: "version 0", data: request(0, 3), err: core.ErrMalformed},
		{name: "version 5", data: request(5, 3), err: core.ErrMalformed},
		{name: "47 bytes", data: request(4, 3)[:47], err: core.ErrMalformed},
		{name: "nothing", err: core.ErrMalformed},
	} {
		from := tt.from
		if from == "" {
			from = "192.0.2.1:40000"
		}
		var h ntp.Handler
		d := datagram(tt.data, from)
		reply, err := h.Reply(make([]byte, 0, 48), d)
		switch {
		case !errors.Is(err, tt.err):
			t.Errorf("%s: %v; want %v", tt.name, err, tt.err)
		case tt.mode == 0 && reply != nil:
			t.Errorf("%s: answered %x", tt.name, reply)
		case tt.mode != 0 && (len(reply) != 48 || reply[0]&7 != tt.mode):
			t.Errorf("%s: answered %x; want mode %d", tt.name, reply, tt.mode)
		}
		if h.IsResponse(d) != tt.response {
			t.Errorf("%s: IsResponse is %v", tt.name, !tt.response)
		}
	}
}

// No reply of a server is a question to another.
func TestRepliesAreResponses(t *testing.T) {
	var h ntp.Handler
	for first := range 256 {
		data := request(0, 0)
		data[0] = byte(first)
		reply, err := h.Reply(make([]byte, 0, 48), datagram(data, "192.0.2.1:40000"))
		if err == nil && reply != nil && !h.IsResponse(datagram(reply, "192.0.2.1:40000")) {
			t.Errorf("%#x is answered by %#x, which is no response", first, reply[0])
		}
	}
}

func TestConfigureErrors(t *testing.T) {
	for config, says := range map[string]string{
		"stratum 0":                            "line 1: stratum: ",
		"stratum 16":                           "from 1 to 15",
		"leap maybe":                           "line 1: leap: want one of none, insert, delete, unsynchronized",
		"\nreference GALILEO":                  "line 2: reference: \"GALILEO\" is no IPv4 address",
		"reference 2001:db8::1":                "behind 0x",
		"reference 0x123":                      "hexadecimal",
		"reference":                            "is no IPv4 address",
		"precision 0":                          "from -30 to -1",
		"delay 19h":                            "from 0s to 18h",
		"dispersion -1s":                       "from 0s to 18h",
		"symmetric maybe":                      "yes or no",
		"kiss RATE":                            "want a code and a prefix",
		"kiss STOP 192.0.2.0/24":               "private code",
		"kiss X-1! 192.0.2.0/24":               "private code",
		"kiss DENY 192.0.2.1/24":               "bits behind its prefix",
		"clock good":                           "no setting is called",
		strings.Repeat("kiss RATE ::/0\n", 65): "line 65: kiss: there are 64 already",
	} {
		h := ntp.Handler{Stratum: 3}
		err := h.Configure([]byte("dispersion 1s\n" + config))
		if strings.HasPrefix(config, "dispersion") {
			h = ntp.Handler{Stratum: 3}
			err = h.Configure([]byte(config))
		}
		says = strings.NewReplacer("line 65", "line 66", "line 2", "line 3", "line 1", "line 2").Replace(says)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.40q: %v; want %s", config, err, says)
		}
		if h.RootDispersion != 0 || h.Stratum != 3 || len(h.Kisses) != 0 {
			t.Errorf("%.40q: the handler was changed to %+v", config, h)
		}
	}
}

func TestContract(t *testing.T) {
	coretest.TestHandler(t, new(ntp.Handler), request(4, 3), request(3, 1), request(2, 6))
}

func TestReplyAllocatesNothing(t *testing.T) {
	h := ntp.Handler{Kisses: []ntp.Kiss{{Prefix: netip.MustParsePrefix("fe80::/10")}}}
	dst := make([]byte, 0, 48)
	for _, from := range []string{"192.0.2.1:40000", "[fe80::1%2]:40000"} {
		d := datagram(request(4, 3), from)
		if n := testing.AllocsPerRun(100, func() { h.Reply(dst, d) }); n != 0 {
			t.Errorf("from %s: %v allocations", from, n)
		}
	}
}

func FuzzReply(f *testing.F) {
	f.Add(request(4, 3))
	f.Add(request(1, 0))
	f.Add(append(request(3, 1), 0, 0, 0, 0))
	f.Fuzz(func(t *testing.T, data []byte) {
		var h ntp.Handler
		before := bytes.Clone(data)
		d := datagram(data, "192.0.2.1:40000")
		reply, err := h.Reply(make([]byte, 0, 48), d)
		if !bytes.Equal(before, data) {
			t.Error("the request was changed")
		}
		if len(reply) > len(data) || reply != nil && (len(reply) != 48 || err != nil) {
			t.Errorf("%d bytes are answered with %d, %v", len(data), len(reply), err)
		}
		if reply != nil && h.IsResponse(d) {
			t.Errorf("a response is answered: %x", data)
		}
	})
}

func FuzzConfigure(f *testing.F) {
	f.Add("stratum 2\nreference 192.0.2.1\nkiss RATE 10.0.0.0/8")
	f.Fuzz(func(t *testing.T, config string) {
		var h ntp.Handler
		if h.Configure([]byte(config)) == nil && (h.Stratum > 15 || h.Leap > 3 || len(h.Kisses) > ntp.MaxKisses) {
			t.Errorf("%q gives %+v", config, h)
		}
	})
}

func BenchmarkReply(b *testing.B) {
	var h ntp.Handler
	d, dst := datagram(request(4, 3), "192.0.2.1:40000"), make([]byte, 0, 48)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Reply(dst, d); err != nil {
			b.Fatal(err)
		}
	}
}
