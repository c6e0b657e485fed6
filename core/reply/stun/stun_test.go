package stun_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/coretest"
	"github.com/retort-udp/retort/core/reply/stun"
)

// unhex returns the bytes of hexadecimal text with blanks.
func unhex(text string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		panic(err)
	}
	return b
}

// The test vectors of RFC 5769.
var (
	request = unhex(`
		00 01 00 58 21 12 a4 42 b7 e7 a7 01 bc 34 d6 86 fa 87 df ae
		80 22 00 10 53 54 55 4e 20 74 65 73 74 20 63 6c 69 65 6e 74
		00 24 00 04 6e 00 01 ff
		80 29 00 08 93 2f f9 b1 51 26 3b 36
		00 06 00 09 65 76 74 6a 3a 68 36 76 59 20 20 20
		00 08 00 14 9a ea a7 0c bf d8 cb 56 78 1e f2 b5 b2 d3 f2 49 c1 b5 71 a2
		80 28 00 04 e5 7a 3b cf`)
	response4 = unhex(`
		01 01 00 3c 21 12 a4 42 b7 e7 a7 01 bc 34 d6 86 fa 87 df ae
		80 22 00 0b 74 65 73 74 20 76 65 63 74 6f 72 20
		00 20 00 08 00 01 a1 47 e1 12 a6 43
		00 08 00 14 2b 91 f5 99 fd 9e 90 c3 8c 74 89 f9 2a f9 ba 53 f0 6b e7 d7
		80 28 00 04 c0 7d 4c 96`)
	response6 = unhex(`
		01 01 00 48 21 12 a4 42 b7 e7 a7 01 bc 34 d6 86 fa 87 df ae
		80 22 00 0b 74 65 73 74 20 76 65 63 74 6f 72 20
		00 20 00 14 00 02 a1 47 01 13 a9 fa a5 d3 f1 79 bc 25 f4 b5 be d2 b9 d9
		00 08 00 14 a3 82 95 4e 4b e6 7b f1 17 84 c9 7c 82 92 c2 75 bf e3 ed 41
		80 28 00 04 c8 fb 0b 4c`)
	longTerm = unhex(`
		00 01 00 60 21 12 a4 42 78 ad 34 33 c6 ad 72 c0 29 da 41 2e
		00 06 00 12 e3 83 9e e3 83 88 e3 83 aa e3 83 83 e3 82 af e3 82 b9 00 00
		00 15 00 1c 66 2f 2f 34 39 39 6b 39 35 34 64 36 4f 4c 33 34 6f 4c 39 46 53 54 76 79 36 34 73 41
		00 14 00 0b 65 78 61 6d 70 6c 65 2e 6f 72 67 00
		00 08 00 14 f6 70 24 65 6d d6 4a 3e 02 b8 e0 71 2e 85 c9 a2 8c a8 96 66`)
)

const (
	peer4 = "192.0.2.1:32853"
	peer6 = "[2001:db8:1234:5678:11:2233:4455:6677]:32853"
)

// id is the transaction of the vectors, with the magic cookie.
var id = request[4:20]

// message makes a STUN message of attributes.
func message(kind uint16, id []byte, attributes ...[]byte) []byte {
	all := bytes.Join(attributes, nil)
	b := binary.BigEndian.AppendUint16(nil, kind)
	b = binary.BigEndian.AppendUint16(b, uint16(len(all)))
	return slices.Concat(b, id, all)
}

// signed appends a FINGERPRINT.
func signed(b []byte) []byte {
	b = slices.Clone(b)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)-20+8))
	sum := crc32.ChecksumIEEE(b) ^ 0x5354554e
	return binary.BigEndian.AppendUint32(append(b, 0x80, 0x28, 0, 4), sum)
}

func ask(h *stun.Handler, data []byte, from string) ([]byte, error) {
	return h.Reply(make([]byte, 0, 1500), &core.Datagram{Data: data, From: netip.MustParseAddrPort(from)})
}

func TestMappedAddress(t *testing.T) {
	for from, vector := range map[string][]byte{
		peer4: response4, "[::ffff:192.0.2.1]:32853": response4, peer6: response6,
	} {
		size := 12
		if from == peer6 {
			size = 24
		}
		want := message(0x0101, id, vector[36:36+size])
		got, err := ask(new(stun.Handler), message(1, id), from)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %x, %v; want %x", from, got, err, want)
		}
		if got, err := ask(new(stun.Handler), signed(message(1, id)), from); err != nil || !bytes.Equal(got, signed(want)) {
			t.Errorf("%s, with a fingerprint: %x, %v; want %x", from, got, err, signed(want))
		}
		if got, _ := ask(&stun.Handler{Fingerprint: stun.Never}, signed(message(1, id)), from); !bytes.Equal(got, want) {
			t.Errorf("%s: a fingerprint that is switched off: %x", from, got)
		}
		if got, _ := ask(&stun.Handler{Fingerprint: stun.Always}, message(1, id), from); !bytes.Equal(got, signed(want)) {
			t.Errorf("%s: no fingerprint: %x", from, got)
		}
	}
}

// The software name of the vectors is padded with a blank there, with a zero here: either is right.
func TestSoftware(t *testing.T) {
	h := &stun.Handler{Software: "test vector"}
	want := message(0x0101, id, response4[36:48], []byte("\x80\x22\x00\x0btest vector\x00"))
	if got, err := ask(h, message(1, id), peer4); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%x, %v; want %x", got, err, want)
	}
	// It is left out where there is no room: one byte less than with the fingerprint.
	d := &core.Datagram{Data: signed(message(1, id)), From: netip.MustParseAddrPort(peer4)}
	for limit, want := range map[int]int{56: 56, 55: 40, 40: 40} {
		if got, err := h.Reply(make([]byte, 0, limit), d); err != nil || len(got) != want {
			t.Errorf("in %d bytes: %d, %v; want %d", limit, len(got), err, want)
		}
	}
}

// The request of the vectors has a PRIORITY, which is for ICE agents and must be understood.
func TestUnknownAttributes(t *testing.T) {
	reason := []byte("\x00\x09\x00\x15\x00\x00\x04\x14Unknown Attribute\x00\x00\x00")
	want := signed(message(0x0111, id, reason, unhex("000a 0002 0024 0000")))
	if got, err := ask(new(stun.Handler), request, peer4); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%x, %v; want %x", got, err, want)
	}
	// Three of them, with what is optional, known or protected between and behind them.
	data := message(1, id, unhex("7fff 0001 00000000  8000 0000  0003 0004 00000006  0006 0000  0020 0000  001c 0000  0024 0000"))
	want = message(0x0111, id, reason, unhex("000a 0006 7fff 0003 0020 0000"))
	if got, err := ask(new(stun.Handler), data, peer4); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%x, %v; want %x", got, err, want)
	}
}

func TestCredentialsAreIgnored(t *testing.T) {
	want := message(0x0101, longTerm[4:20])
	got, err := ask(new(stun.Handler), longTerm, peer4)
	if err != nil || len(got) != 32 || !bytes.Equal(got[4:20], want[4:]) {
		t.Errorf("%x, %v", got, err)
	}
}

// RFC 3489: the transaction has 16 bytes, and the address is plain.
func TestClassicClients(t *testing.T) {
	old := unhex("000102030405060708090a0b0c0d0e0f")
	noChange, change := unhex("0003 0004 00000000"), unhex("0003 0004 00000006")
	// RFC 3489, section 11.2.9: the reason is as long as a multiple of 4 bytes, by blanks in it.
	reason := []byte("\x00\x09\x00\x18\x00\x00\x04\x14Unknown Attribute   ")
	for _, tt := range []struct{ data, want []byte }{
		{message(1, old), message(0x0101, old, unhex("0001 0008 0001 8055 c0000201"))},
		{message(1, old, noChange), message(0x0101, old, unhex("0001 0008 0001 8055 c0000201"))},
		{message(1, old, change), message(0x0111, old, reason, unhex("000a 0004 0003 0003"))},
		{message(1, old, change, unhex("0002 0000")), message(0x0111, old, reason, unhex("000a 0004 0003 0002"))},
	} {
		h := &stun.Handler{Software: "unknown to RFC 3489", Fingerprint: stun.Always}
		if got, err := ask(h, tt.data, peer4); err != nil || !bytes.Equal(got, tt.want) {
			t.Errorf("%x: %x, %v; want %x", tt.data, got, err, tt.want)
		}
		if got, err := ask(&stun.Handler{NoClassic: true}, tt.data, peer4); err != nil || got != nil {
			t.Errorf("%x, switched off: %x, %v", tt.data, got, err)
		}
	}
}

func TestWhatIsNotAnswered(t *testing.T) {
	flipped := slices.Clone(request)
	flipped[30] ^= 1
	for _, tt := range []struct {
		name     string
		data     []byte
		err      error
		response bool
	}{
		{name: "a success over IPv4, its fingerprint right", data: response4, response: true},
		{name: "a success over IPv6, its fingerprint right", data: response6, response: true},
		{name: "an error", data: message(0x0111, id), response: true},
		{name: "an indication", data: message(0x0011, id)},
		{name: "a method of TURN", data: message(0x0003, id)},
		{name: "an answer of TURN", data: message(0x0103, id), response: true},
		{name: "a wrong fingerprint", data: flipped, err: core.ErrMalformed},
		{name: "a short fingerprint", data: message(1, id, unhex("8028 0003 00000000")), err: core.ErrMalformed},
		{name: "something behind a fingerprint", data: message(1, id, signed(message(1, id))[20:], unhex("8022 0000")),
			err: core.ErrMalformed},
		{name: "nothing", err: core.ErrMalformed},
		{name: "19 bytes", data: message(1, id)[:19], err: core.ErrMalformed},
		{name: "a type of RTP", data: message(0x8001, id), err: core.ErrMalformed},
		{name: "a type of DTLS", data: message(0x4001, id), err: core.ErrMalformed},
		{name: "a byte too much", data: append(message(1, id), 0), err: core.ErrMalformed},
		{name: "4 bytes too much", data: append(message(1, id), 0, 0, 0, 0), err: core.ErrMalformed},
		{name: "65 attributes", data: message(1, id, bytes.Repeat(unhex("8022 0000"), 65)), err: core.ErrMalformed},
		{name: "a value cut off", data: message(1, id, unhex("8022 0005 00000000")), err: core.ErrMalformed},
		{name: "a length that is no multiple of 4", data: message(1, id, unhex("8022 00")), err: core.ErrMalformed},
	} {
		reply, err := ask(new(stun.Handler), tt.data, peer4)
		if reply != nil || !errors.Is(err, tt.err) {
			t.Errorf("%s: %x, %v; want %v", tt.name, reply, err, tt.err)
		}
		if got := new(stun.Handler).IsResponse(&core.Datagram{Data: tt.data}); got != tt.response {
			t.Errorf("%s: IsResponse is %v", tt.name, got)
		}
	}
}

func TestConfigure(t *testing.T) {
	h := new(stun.Handler)
	if err := h.Configure([]byte("software Example 1.0\nfingerprint never\nclassic no")); err != nil ||
		*h != (stun.Handler{Software: "Example 1.0", Fingerprint: stun.Never, NoClassic: true}) {
		t.Errorf("%+v, %v", h, err)
	}
	// RFC 8489, section 14.14: 127 characters, however many bytes they take.
	if err := h.Configure([]byte("software " + strings.Repeat("😀", 127))); err != nil {
		t.Error(err)
	}
	for config, says := range map[string]string{
		"fingerprint yes":                      "line 1: fingerprint: want one of asked, always, never",
		"classic maybe":                        "line 1: classic: ",
		"realm x":                              "no setting is called",
		"software " + strings.Repeat("x", 128): "line 1: software: the name has 128 characters: the most is 127",
		"software " + strings.Repeat("x", 509): "line 1: software: the text has 509 bytes: the most is 508",
		`software "\xff"`:                      "line 1: software: the name is not UTF-8",
	} {
		if err := new(stun.Handler).Configure([]byte(config)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.30q: %v; want %s", config, err, says)
		}
	}
}

func TestContract(t *testing.T) {
	coretest.TestHandler(t, &stun.Handler{Software: "test"}, request, longTerm, message(1, id), response4)
}

func TestReplyAllocatesNothing(t *testing.T) {
	h, dst := &stun.Handler{Software: "test"}, make([]byte, 0, 1500)
	for _, data := range [][]byte{request, longTerm, signed(message(1, id)), message(1, request[:16])} {
		for _, from := range []string{peer4, peer6} {
			d := &core.Datagram{Data: data, From: netip.MustParseAddrPort(from)}
			if n := testing.AllocsPerRun(100, func() { h.Reply(dst, d) }); n != 0 {
				t.Errorf("%x: %v allocations", data, n)
			}
		}
	}
}

// No reply is a question, every reply is well-formed, and none amplifies by more than the package says.
func FuzzReply(f *testing.F) {
	for _, b := range [][]byte{request, response4, response6, longTerm, message(1, id), message(1, request[:16]),
		message(1, id, unhex("0024 0000"))} {
		f.Add(b, true)
		f.Add(b, false)
	}
	f.Fuzz(func(t *testing.T, data []byte, v6 bool) {
		from, headers := peer4, 28.
		if v6 {
			from, headers = peer6, 48
		}
		h := new(stun.Handler)
		reply, err := ask(h, data, from)
		if reply == nil {
			return
		}
		d := core.Datagram{Data: reply}
		if again, malformed := ask(h, reply, from); err != nil || !h.IsResponse(&d) || again != nil || malformed != nil {
			t.Errorf("%x is answered with %x, %v", data, reply, err)
		}
		if out, in := float64(len(reply))+headers, float64(len(data))+headers; out > 1.62*in {
			t.Errorf("%d bytes are answered with %d", len(data), len(reply))
		}
	})
}

func FuzzConfigure(f *testing.F) {
	f.Add("software \"x\"\nfingerprint asked\nclassic yes")
	f.Fuzz(func(t *testing.T, config string) {
		h := new(stun.Handler)
		if h.Configure([]byte(config)) == nil && (utf8.RuneCountInString(h.Software) > stun.MaxSoftware || h.Fingerprint > stun.Never) {
			t.Errorf("%q gives %+v", config, h)
		}
	})
}

func BenchmarkReply(b *testing.B) {
	dst := make([]byte, 0, 1500)
	for name, data := range map[string][]byte{"plain": message(1, id), "fingerprint": signed(message(1, id))} {
		d := &core.Datagram{Data: data, From: netip.MustParseAddrPort(peer4)}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := new(stun.Handler).Reply(dst, d); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
