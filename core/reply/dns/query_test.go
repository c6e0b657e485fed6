package dns_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/coretest"
	"github.com/retort-udp/retort/core/reply/dns"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Requests and their responses, byte for byte. The zone has "e. NS e." and little more.
func TestMessages(t *testing.T) {
	h := newHandler(t, "e. 16909060 SOA e. e. 1 2 3 4 5\ne. NS e.\ne. A 192.0.2.1\n")
	const (
		head     = "abcd 0100 0001 0000 0000 0000 "
		question = "0165 00 0001 0001 "
		opt      = "00 0029 04d0 00 00 0000 0000 "
	)
	long := strings.Repeat("3f"+strings.Repeat("61", 63), 3)
	for _, tt := range []struct{ name, request, want string }{
		{"an answer", head + question, "abcd 8500 0001 0001 0000 0000" + question + "c00c 0001 0001 01020304 0004 c0000201"},
		{"a pointer to the question", head + "0165 00 0002 0001", "abcd 8500 0001 0001 0000 0001 0165 00 0002 0001" +
			"c00c 0002 0001 01020304 0002 c00c" + "c00c 0001 0001 01020304 0004 c0000201"},
		{"no recursion desired", "abcd 0000 0001 0000 0000 0000" + question,
			"abcd 8400 0001 0001 0000 0000" + question + "c00c 0001 0001 01020304 0004 c0000201"},
		{"bits that are not for us", "abcd 01ff 0001 0000 0000 0000" + question,
			"abcd 8500 0001 0001 0000 0000" + question + "c00c 0001 0001 01020304 0004 c0000201"},
		{"the root", head + "00 0001 0001", "abcd 8105 0001 0000 0000 0000 00 0001 0001"},
		{"class CH", head + "0165 00 0001 0003", "abcd 8105 0001 0000 0000 0000 0165 00 0001 0003"},
		{"class ANY", head + "0165 00 0001 00ff", "abcd 8105 0001 0000 0000 0000 0165 00 0001 00ff"},
		{"the longest name", head + long + "3d" + strings.Repeat("61", 61) + "00 0001 0001",
			"abcd 8105 0001 0000 0000 0000" + long + "3d" + strings.Repeat("61", 61) + "00 0001 0001"},

		{"EDNS", "abcd 0100 0001 0000 0000 0001" + question + opt,
			"abcd 8500 0001 0001 0000 0001" + question + "c00c 0001 0001 01020304 0004 c0000201 00 0029 04d0 00 00 0000 0000"},
		{"EDNS, DNSSEC OK and other flags", "abcd 0100 0001 0000 0000 0001" + question + "00 0029 04d0 00 00 ffff 0000",
			"abcd 8500 0001 0001 0000 0001" + question + "c00c 0001 0001 01020304 0004 c0000201 00 0029 04d0 00 00 8000 0000"},
		{"EDNS with options", "abcd 0100 0001 0000 0000 0001" + question + "00 0029 04d0 00 00 0000 0009 0003 0000 000a 0001 ff",
			"abcd 8500 0001 0001 0000 0001" + question + "c00c 0001 0001 01020304 0004 c0000201 00 0029 04d0 00 00 0000 0000"},
		{"EDNS version 1: BADVERS", "abcd 0100 0001 0000 0000 0001" + question + "00 0029 04d0 00 01 8000 0000",
			"abcd 8100 0001 0000 0000 0001" + question + "00 0029 04d0 01 00 8000 0000"},
		{"another record beside EDNS", "abcd 0100 0001 0000 0000 0002" + question + opt + "c00c 0001 0001 00000000 0001 00",
			"abcd 8500 0001 0001 0000 0001" + question + "c00c 0001 0001 01020304 0004 c0000201 00 0029 04d0 00 00 0000 0000"},
		{"a record for an answer", "abcd 0100 0001 0001 0000 0000" + question + "0161 c00c 0001 0001 00000000 0000",
			"abcd 8500 0001 0001 0000 0000" + question + "c00c 0001 0001 01020304 0004 c0000201"},

		{"FORMERR: no question", "abcd 0100 0000 0000 0000 0000", "abcd 8101 0000 0000 0000 0000"},
		{"FORMERR: no question, and EDNS", "abcd 0100 0000 0000 0000 0001" + opt, "abcd 8101 0000 0000 0000 0001" + opt},
		{"FORMERR: two questions", "abcd 0100 0002 0000 0000 0000" + question + question, "abcd 8101 0000 0000 0000 0000"},
		{"FORMERR: only a header", head, "abcd 8101 0000 0000 0000 0000"},
		{"FORMERR: the name ends early", head + "0165", "abcd 8101 0000 0000 0000 0000"},
		{"FORMERR: a label ends early", head + "0565 00 0001 0001", "abcd 8101 0000 0000 0000 0000"},
		{"FORMERR: the type ends early", head + "0165 00 0001 00", "abcd 8101 0000 0000 0000 0000"},
		{"FORMERR: a pointer in the question", head + "0165 c00c 0001 0001", "abcd 8101 0000 0000 0000 0000"},
		{"FORMERR: a label of a kind that is none", head + "4165 00 0001 0001", "abcd 8101 0000 0000 0000 0000"},
		{"FORMERR: a name that is too long", head + long + "3e" + strings.Repeat("61", 62) + "00 0001 0001",
			"abcd 8101 0000 0000 0000 0000"},
		{"FORMERR: a byte too many", head + question + "00", "abcd 8101 0001 0000 0000 0000" + question},
		{"FORMERR: a record too few", "abcd 0100 0001 0000 0000 0001" + question, "abcd 8101 0001 0000 0000 0000" + question},
		{"FORMERR: a record that ends early", "abcd 0100 0001 0000 0000 0001" + question + "c00c 0001 0001 00000000 0001",
			"abcd 8101 0001 0000 0000 0000" + question},
		{"eight records", "abcd 0100 0001 0000 0000 0008" + question + strings.Repeat("00 0001 0001 00000000 0000", 8),
			"abcd 8500 0001 0001 0000 0000" + question + "c00c 0001 0001 01020304 0004 c0000201"},
		{"FORMERR: nine records", "abcd 0100 0001 0004 0004 0001" + question + strings.Repeat("00 0001 0001 00000000 0000", 9),
			"abcd 8101 0000 0000 0000 0000"},
		{"FORMERR: a record whose name is too long", "abcd 0100 0001 0000 0000 0001" + question + strings.Repeat("0161", 128) +
			"00 0001 0001 00000000 0000", "abcd 8101 0001 0000 0000 0000" + question},
		{"FORMERR: two OPT records", "abcd 0100 0001 0000 0000 0002" + question + opt + opt,
			"abcd 8101 0001 0000 0000 0001" + question + "00 0029 04d0 00 00 0000 0000"},
		{"FORMERR: an OPT record of a name", "abcd 0100 0001 0000 0000 0001" + question + "0161" + opt,
			"abcd 8101 0001 0000 0000 0000" + question},
		{"FORMERR: an option that ends early", "abcd 0100 0001 0000 0000 0001" + question + "00 0029 04d0 00 00 0000 0005 0003 0002 00",
			"abcd 8101 0001 0000 0000 0001" + question + opt}, // RFC 6891, section 7: with an OPT record
		{"BADVERS: options of a form that version 0 does not have", "abcd 0100 0001 0000 0000 0001" + question +
			"00 0029 04d0 00 02 0000 0001 ff", "abcd 8100 0001 0000 0000 0001" + question + "00 0029 04d0 01 00 0000 0000"},

		{"NOTIMP: a notification", "abcd 2400 0001 0000 0000 0001 0165 00 0006 0001" + opt,
			"abcd a004 0001 0000 0000 0001 0165 00 0006 0001" + opt},
		{"NOTIMP: an update", "abcd 2800 0001 0000 0000 0000 0165 00 0006 0001", "abcd a804 0001 0000 0000 0000 0165 00 0006 0001"},
		{"NOTIMP: something unheard of", "abcd 7800 0000 0000 0000 0000 ", "abcd f804 0000 0000 0000 0000"},
		{"NOTIMP: something unheard of, of another form", "abcd 7800 0001 0001 0000 0000 ffff", "abcd f804 0000 0000 0000 0000"},
		{"NOTIMP: the type OPT", head + "0165 00 0029 0001", "abcd 8104 0001 0000 0000 0000 0165 00 0029 0001"},

		{"silence: a response", "abcd 8100 0001 0000 0000 0000" + question, "silence"},
		{"silence: a response of nothing", "abcd 8000 0000 0000 0000 0000", "silence"},
		{"malformed: empty", "", "malformed"},
		{"malformed: shorter than a header", "abcd 0100 0001 0000 0000 00", "malformed"},
		{"malformed: text", hex.EncodeToString([]byte("Your data was 27 bytes long")), "malformed"},
		{"malformed: nothing is counted, and there is something", "abcd 0100 0000 0000 0000 0000 00", "malformed"},
		{"malformed: shorter than a header, and a response", "abcd 8100 0001 0000 0000 00", "malformed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			reply, err := h.Reply(make([]byte, 0, 512), datagram(unhex(t, tt.request)))
			switch {
			case tt.want == "malformed":
				if reply != nil || !errors.Is(err, core.ErrMalformed) {
					t.Errorf("% x, %v", reply, err)
				}
			case err != nil:
				t.Error(err)
			case tt.want == "silence":
				if reply != nil {
					t.Errorf("% x", reply)
				}
			case !bytes.Equal(reply, unhex(t, tt.want)):
				t.Errorf("\ngot  % x\nwant % x", reply, unhex(t, tt.want))
			}
		})
	}
}

func TestIsResponse(t *testing.T) {
	for request, want := range map[string]bool{
		"": false, "abcd": false, "abcd 80": false,
		"abcd 0000 0001 0000 0000 0000": false,
		"abcd 7fff 0001 0000 0000 0000": false,
		"abcd 8000 0001 0000 0000 0000": true,
		"abcd 8180 0001 0000 0000 0000": true,
	} {
		if got := new(dns.Handler).IsResponse(datagram(unhex(t, request))); got != want {
			t.Errorf("%s: %v", request, got)
		}
	}
}

// An answer is no longer than the client takes, or than there is room for. One that would be is truncated.
func TestSizes(t *testing.T) {
	h := newHandler(t, string(sampleZone(t)))
	const truncated = "NOERROR aa tc"
	big := query(t, "big.example.com. TXT")
	for _, tt := range []struct {
		name    string
		request []byte
		room    int
		size    int // of the answer; 0: silence
		whole   bool
	}{
		{"without EDNS", big, core.MaxPayload4, len(big), false},
		{"512 bytes", pack(t, "big.example.com.", 16, edns(t, 512, false)), core.MaxPayload4, len(big) + 11, false},
		{"fewer are as many", pack(t, "big.example.com.", 16, edns(t, 0, false)), core.MaxPayload4, len(big) + 11, false},
		{"one byte short", pack(t, "big.example.com.", 16, edns(t, 575, false)), core.MaxPayload4, len(big) + 11, false},
		{"just enough", pack(t, "big.example.com.", 16, edns(t, 576, false)), core.MaxPayload4, 576, true},
		{"more than enough", pack(t, "big.example.com.", 16, edns(t, 65535, false)), core.MaxPayload4, 576, true},
		{"no room for it", pack(t, "big.example.com.", 16, edns(t, 4096, false)), 575, len(big) + 11, false},
		{"just enough room", pack(t, "big.example.com.", 16, edns(t, 4096, false)), 576, 576, true},
		{"room for the question", pack(t, "big.example.com.", 16, edns(t, 4096, false)), len(big) + 11, len(big) + 11, false},
		{"no room for EDNS", pack(t, "big.example.com.", 16, edns(t, 4096, false)), len(big) + 10, 0, false},
		{"no room for the question", big, len(big) - 1, 0, false},
		{"no room", big, 0, 0, false},
	} {
		reply, err := h.Reply(make([]byte, 0, tt.room), datagram(tt.request))
		if err != nil || len(reply) != tt.size || reply == nil != (tt.size == 0) {
			t.Errorf("%s: %d bytes, %v; want %d", tt.name, len(reply), err, tt.size)
			continue
		}
		if reply == nil {
			continue
		}
		got, _, _ := strings.Cut(text(ask(t, h, tt.request, tt.room)), "\n")
		if (got == "NOERROR aa") != tt.whole || (got == truncated) == tt.whole {
			t.Errorf("%s: %s", tt.name, got)
		}
	}
}

// What does not have to be there is left out when there is no room, and makes no truncated answer.
func TestRoomForAddresses(t *testing.T) {
	h := newHandler(t, string(sampleZone(t)))
	const exchanges = "NOERROR aa\nexample.com. 3600 MX 10 mail.example.com.\nexample.com. 3600 MX 20 mail.example.net."
	const four, six = "\nadditional mail.example.com. 3600 A 192.0.2.25", "\nadditional mail.example.com. 3600 AAAA 2001:db8::25"
	for _, tt := range []struct {
		question string
		want     []string // with less and less room
	}{
		{"example.com. MX", []string{exchanges + four + six, exchanges + four, exchanges, "NOERROR aa tc"}},
		// The addresses of servers that are in the zone that they serve must be there (RFC 9471).
		{"a.sub.example.com. A", []string{lines(referral), "NOERROR tc"}},
	} {
		request := query(t, tt.question)
		var got []string
		for room := 512; room >= len(request); room-- {
			if now := text(ask(t, h, request, room)); len(got) == 0 || now != got[len(got)-1] {
				got = append(got, now)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s\ngot  %q\nwant %q", tt.question, got, tt.want)
		}
	}
}

func TestContract(t *testing.T) {
	var requests [][]byte
	for _, question := range []string{
		"example.com. MX", "www.example.com. A", "x.dev.example.com. TXT", "nothing.example.com. A", "a.sub.example.com. A",
		"example.com. ANY", "big.example.com. TXT", "example.org. A",
	} {
		name, kind, _ := strings.Cut(question, " ")
		requests = append(requests, query(t, question), pack(t, name, types[kind], edns(t, 1232, true)))
	}
	coretest.TestHandler(t, newHandler(t, string(sampleZone(t))), requests...)
	coretest.TestHandler(t, new(dns.Handler), requests...)
}
