package dns_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/reply/dns"

	"golang.org/x/net/dns/dnsmessage"
)

// FuzzQuery has requests of any bytes answered, and the answers read by dnsmessage.
func FuzzQuery(f *testing.F) {
	h := newHandler(f, string(sampleZone(f)))
	for _, question := range []string{
		"example.com. MX", "www.example.com. A", "x.dev.example.com. TXT", "nothing.example.com. A", "a.sub.example.com. A",
		"example.com. ANY", "big.example.com. TXT", "example.org. A", "example.com. AXFR", "x.alias.dev.example.com. A",
	} {
		name, kind, _ := strings.Cut(question, " ")
		f.Add(query(f, question), uint16(512))
		f.Add(pack(f, name, types[kind], edns(f, 1232, true)), uint16(4096))
	}
	f.Add([]byte("The time is 2026-11-22 13:40:00.123456"), uint16(100))
	f.Fuzz(func(t *testing.T, request []byte, room uint16) {
		before := bytes.Clone(request)
		answer, err := h.Reply(make([]byte, 0, room), datagram(request))
		checkAnswer(t, request, answer, err, int(room))
		if !bytes.Equal(request, before) {
			t.Error("the request was changed")
		}
	})
}

// checkAnswer checks what is true of every answer.
func checkAnswer(t *testing.T, request, answer []byte, err error, room int) {
	t.Helper()
	switch {
	case err != nil:
		if !errors.Is(err, core.ErrMalformed) || answer != nil {
			t.Fatalf("error %v, answer % x", err, answer)
		}
		return
	case answer == nil:
		return
	case len(answer) > room || len(answer) > 4096:
		t.Fatalf("%d bytes in room for %d", len(answer), room)
	case !bytes.Equal(answer[:2], request[:2]) || answer[2]&0x80 == 0 || request[2]&0x80 != 0:
		t.Fatalf("% x is no response to % x", answer, request)
	}
	var m, asked dnsmessage.Message
	if err := m.Unpack(answer); err != nil {
		// dnsmessage has no names with a dot in a label, which are in order, and in this zone.
		if !strings.Contains(err.Error(), "invalid dns name") {
			t.Fatalf("%v: % x", err, answer)
		}
		return
	}
	if m.Truncated && len(m.Answers)+len(m.Authorities) > 0 {
		t.Errorf("truncated, with records: % x", answer)
	}
	if asked.Unpack(request) != nil {
		return
	}
	if m.RCode != dnsmessage.RCodeFormatError && len(asked.Questions) == 1 && len(m.Questions) == 1 &&
		m.Questions[0] != asked.Questions[0] {
		t.Errorf("asked %v, answered %v", asked.Questions, m.Questions)
	}
}

// FuzzZone reads zone files of any bytes. Of those that are accepted every name answers, with any type.
func FuzzZone(f *testing.F) {
	f.Add(string(sampleZone(f)), "www", uint16(1))
	for _, zone := range []string{
		top + "x 7 TXT a \"b c\" \"\" d\"e\"f \"\\\"\\\\\\065;()\"", top + `x 7 TYPE65280 \# 4 c000 02 01`,
		top + "x (\n 7 ; comment (\n\n) A ( 192.0.2.1\n)", top + "x 7 SRV 1 2 3 .", top + "*.a NAPTR 1 2 a b c .",
		". 7 SOA a. b. 1 2 3 4 5\n. NS a.\n* CNAME .", top + "$ORIGIN x\n@ 1h SOA @ @ 1 2 3 4 5\n NS @\nx RP @ @",
		top + "x NS y.x\ny.x A 192.0.2.1\n$TTL 1w\n* MX 1 x", "$INCLUDE a", top + `x TYPE15 \# 7 000a 0178 0165 00`,
		top + `x HTTPS 1 . alpn="h2,f\\\\oo\\,b" port=53 mandatory=port,ech ech=AAEC ipv4hint=192.0.2.1 ipv6hint=::1 key9=\210`, top + "a\\000b 7 CAA 0 issue \"\"",
	} {
		f.Add(zone, "x", uint16(255))
	}
	f.Fuzz(func(t *testing.T, zone, label string, kind uint16) {
		h, err := dns.New([]byte(zone))
		var e *dns.Error
		if err != nil {
			if !errors.As(err, &e) || e.Line < 1 || e.Line > 1+strings.Count(zone, "\n") || e.Text == "" || h != nil {
				t.Fatalf("%#v", err)
			}
			return
		}
		for _, name := range []string{".", "e.", "example.com.", label + ".e.", label + ".example.com.", label + ".x.e."} {
			n, err := dnsmessage.NewName(name)
			if err != nil {
				continue
			}
			b := dnsmessage.NewBuilder(nil, dnsmessage.Header{})
			if b.StartQuestions() != nil || b.Question(dnsmessage.Question{Name: n, Type: dnsmessage.Type(kind), Class: 1}) != nil {
				continue // the name cannot be packed
			}
			request, err := b.Finish()
			if err != nil {
				continue
			}
			answer, err := h.Reply(make([]byte, 0, 512), datagram(request))
			if err != nil || answer == nil {
				t.Fatalf("%s, type %d: % x, %v", name, kind, answer, err)
			}
			checkAnswer(t, request, answer, err, 512)
		}
	})
}
