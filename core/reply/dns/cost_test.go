package dns_test

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// questions are answered in all the ways that there are.
var questions = []string{
	"example.com. A", "www.example.com. A", "example.com. MX", "x.y.dev.example.com. A", "nothing.example.com. A",
	"lan.example.com. A", "a.sub.example.com. A", "example.com. ANY", "big.example.com. TXT", "example.org. A",
	"example.com. AXFR", "tick.example.com. A", strings.Repeat("a.", 120) + "example.com. A",
}

func TestNoAllocation(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates")
	}
	h := newHandler(t, string(sampleZone(t)))
	dst := make([]byte, 0, 4096)
	for _, question := range questions {
		name, kind, _ := strings.Cut(question, " ")
		for _, request := range [][]byte{query(t, question), pack(t, name, types[kind], edns(t, 1232, true)), make([]byte, 12)} {
			d := datagram(request)
			if n := testing.AllocsPerRun(100, func() { _, _ = h.Reply(dst, d) }); n != 0 {
				t.Errorf("%s: %v allocations", question, n)
			}
		}
	}
}

func BenchmarkReply(b *testing.B) {
	h := newHandler(b, string(sampleZone(b)))
	dst := make([]byte, 0, 4096)
	for _, question := range questions {
		d := datagram(query(b, question))
		b.Run(fmt.Sprintf("%.24s", strings.ReplaceAll(question, " ", "_")), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if answer, err := h.Reply(dst, d); err != nil || answer == nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCodec is what dnsmessage takes to read the query for the mail exchanges and to pack their answer, without
// looking for it: what BenchmarkReply's third is to be compared with.
func BenchmarkCodec(b *testing.B) {
	request, dst := query(b, "example.com. MX"), make([]byte, 0, 4096)
	zone, mail, other := dnsmessage.MustNewName("example.com."), dnsmessage.MustNewName("mail.example.com."),
		dnsmessage.MustNewName("mail.example.net.")
	head := dnsmessage.ResourceHeader{Name: zone, Class: dnsmessage.ClassINET, TTL: 3600}
	answer := func(compress bool) error {
		var p dnsmessage.Parser
		header, err := p.Start(request)
		if err != nil {
			return err
		}
		q, err := p.Question()
		if err != nil {
			return err
		}
		r := dnsmessage.NewBuilder(dst, dnsmessage.Header{ID: header.ID, Response: true, Authoritative: true})
		if compress {
			r.EnableCompression()
		}
		_ = r.StartQuestions()
		_ = r.Question(q)
		_ = r.StartAnswers()
		_ = r.MXResource(head, dnsmessage.MXResource{Pref: 10, MX: mail})
		_ = r.MXResource(head, dnsmessage.MXResource{Pref: 20, MX: other})
		_ = r.StartAdditionals()
		head := dnsmessage.ResourceHeader{Name: mail, Class: dnsmessage.ClassINET, TTL: 3600}
		_ = r.AResource(head, dnsmessage.AResource{A: [4]byte{192, 0, 2, 25}})
		_ = r.AAAAResource(head, dnsmessage.AAAAResource{})
		_, err = r.Finish()
		return err
	}
	for _, compress := range []bool{false, true} {
		b.Run(fmt.Sprintf("compress=%v", compress), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := answer(compress); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkConfigure reads a zone of half a megabyte.
func BenchmarkConfigure(b *testing.B) {
	var zone strings.Builder
	zone.WriteString(top)
	for i := range 20_000 {
		fmt.Fprintf(&zone, "host%d A 192.0.%d.%d\n", i, i>>8&255, i&255)
	}
	b.SetBytes(int64(zone.Len()))
	b.ReportAllocs()
	for b.Loop() {
		newHandler(b, zone.String())
	}
}
