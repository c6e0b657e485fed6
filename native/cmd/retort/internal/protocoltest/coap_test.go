package protocoltest

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/reply/coap"
)

// coapLong is a representation of several blocks.
var coapLong = strings.Repeat("0123456789abcdef", 200)

var coapConfig = "remember 64\nresource /temperature\ntype temperature-c\ninterface sensor\ntitle In the yard\nbody 22.3 C\n" +
	"resource /lamp\nbody off\nwritable 64\nresource /long\nformat 42\nbody " + coapLong

// coapOdd has, beside these, paths of several segments and of none.
var coapOdd = coapConfig + "\nresource /\nbody root\nresource /a/b c\nformat 50\ninterface x\nhex 7b7d\n"

func TestDifferentialCoAP(t *testing.T) {
	tags := coapTags(t)
	var last core.Datagram
	differential(t, "coap", []byte(coapOdd), func(r *rand.Rand, d *core.Datagram) {
		if d.From.Addr().Is6() && r.IntN(8) == 0 {
			d.To = netip.MustParseAddrPort("[ff02::fd]:5683")
		}
		if last.Data != nil && r.IntN(8) == 0 { // the same again
			d.Data, d.From, d.To = last.Data, last.From, last.To
			return
		}
		d.Data = coapRequest(r, tags, d.To.Addr().IsMulticast())
		if r.IntN(8) == 0 { // broken somewhere
			d.Data[r.IntN(len(d.Data))] ^= 1 << r.IntN(8)
			d.Data = d.Data[:r.IntN(len(d.Data)+1)]
		}
		last = *d
	})
}

// coapPath is a request's options for a path.
func coapPath(segments ...string) (b []byte) {
	number := byte(11)
	for _, s := range segments {
		b = append(append(b, number<<4|byte(len(s))), s...)
		number = 0
	}
	return b
}

// coapTags are the entity tags that are there: of what does not change, and of the lamp, off and on.
func coapTags(t *testing.T) (tags [][]byte) {
	t.Helper()
	h := worker(t, builtinHandler(t, "coap", []byte(coapOdd)))
	id := byte(0)
	ask := func(code byte, rest []byte) {
		t.Helper()
		id++
		d := datagram(rand.New(rand.NewPCG(1, 1)), time.Unix(1, 0))
		d.Data = append([]byte{1 << 6, code, 0, id}, rest...)
		answer, err := h.Reply(make([]byte, 0, 1500), d)
		if err != nil {
			t.Fatal(err)
		}
		if code == 1 {
			if answer[1] != 0x45 || answer[4] != 0x48 {
				t.Fatalf("% x is answered with % x, which has no tag", d.Data, answer)
			}
			tags = append(tags, answer[5:13])
		}
	}
	ask(1, coapPath("temperature"))
	ask(1, coapPath("long"))
	ask(1, coapPath("lamp"))
	ask(3, append(coapPath("lamp"), "\xffon"...))
	ask(1, coapPath("lamp"))
	return tags
}

// coapRequest returns a request, mostly one that means something, with a few options. One to a group is not confirmable.
func coapRequest(r *rand.Rand, tags [][]byte, group bool) []byte {
	pick := func(of ...byte) byte { return of[r.IntN(len(of))] }
	token := noise(r, int(pick(0, 0, 1, 4, 8)))
	kind := pick(0, 0, 0, 1, 1, 2, 3)
	if group && r.IntN(8) > 0 {
		kind = 1
	}
	b := []byte{1<<6 | kind<<4 | byte(len(token)), pick(1, 1, 1, 1, 3, 3, 3, 0, 2, 4, 0x45), byte(r.Uint32()), byte(r.Uint32())}
	b = append(b, token...)
	paths := [][]string{{"temperature"}, {"lamp"}, {"lamp"}, {"long"}, {".well-known", "core"}, {"nothing"}, {}, {""},
		{"a", "b c"}, {"a"}, {"lamp", ""}, {"temperature", "x"}}
	path := paths[r.IntN(len(paths))]
	last := 0
	option := func(number int, value []byte) {
		delta := number - last
		last = number
		if delta < 13 {
			b = append(b, byte(delta<<4|len(value)))
		} else {
			b = append(b, byte(13<<4|len(value)), byte(delta-13))
		}
		b = append(b, value...)
	}
	maybe := func(number, most int) {
		if r.IntN(12) == 0 {
			option(number, noise(r, r.IntN(most+1)))
		}
	}
	tag := func(number, one int) {
		for r.IntN(one) == 0 {
			option(number, tags[r.IntN(len(tags))])
		}
	}
	maybe(1, 8)
	tag(1, 4)
	maybe(4, 8)
	tag(4, 4)
	maybe(5, 0)
	for _, segment := range path {
		option(11, []byte(segment))
	}
	maybe(12, 1)
	for r.IntN(3) == 0 {
		queries := []string{"href=/l*", "rt=temp*", "ct=42", "if=x", "title=In*", "if=sensor", "nothing", "what=1"}
		option(15, []byte(queries[r.IntN(len(queries))]))
	}
	maybe(17, 1)
	if r.IntN(3) == 0 {
		option(23, binary.BigEndian.AppendUint16(nil, uint16(r.IntN(1<<10)))[r.IntN(2):])
	}
	maybe(28, 2)
	maybe(35, 8)
	maybe(60, 2)
	if r.IntN(100) == 0 { // about as many as there may be
		for range 50 + r.IntN(20) {
			option(last, nil)
		}
	}
	switch r.IntN(4) {
	case 0:
		b = append(append(b, 0xff), noise(r, 1+r.IntN(80))...)
	case 1:
		b = append(append(b, 0xff), []string{"off", "on"}[r.IntN(2)]...)
	}
	return b
}

// With the fuel that a guest has by default it takes as many resources as there may be, and whatever can be asked.
func TestFuelCoAP(t *testing.T) {
	var config []byte
	for i := range coap.MaxResources {
		config = fmt.Appendf(config, "resource /a/a/a/a/r%d\ntype light temperature %d\nbody x\n", i, i)
	}
	h := worker(t, guestHandler(t, "coap", config))
	links := string(coapPath(".well-known", "core"))
	id := byte(0)
	for name, options := range map[string]string{
		"the last resource":       string(coapPath("a", "a", "a", "a", "r255")),
		"a path of many segments": string(coapPath(strings.Split(strings.Repeat("a ", 63)+"a", " ")...)),
		"many options":            "\x10" + strings.Repeat("\x00", 58) + "\xa1a\x01a\x01a\x01a\x04r255",
		"all links":               links,
		"links for four queries":  links + "\x44rt=*\x04rt=*\x04rt=*\x04if=*",
		"links, and many options": "\x10" + strings.Repeat("\x00", 56) + "\xab.well-known\x04core\x44rt=*\x04rt=*\x04rt=*\x04rt=*",
	} {
		id++
		d := &core.Datagram{Data: append([]byte{1 << 6, 1, 0, id}, options...), From: netip.MustParseAddrPort("192.0.2.1:4000"), Time: time.Unix(1, 0)}
		answer, err := h.Reply(make([]byte, 0, 1500), d)
		if err != nil || name == "the last resource" && !strings.HasSuffix(string(answer), "\xffx") {
			t.Errorf("%s: % x, %v", name, answer, err)
		}
	}
}

func TestVectorsCoAP(t *testing.T) { answersVectors(t, "coap") }

// coapLink is the first of the links to what is configured.
const coapLink = `</temperature>;rt="temperature-c";if="sensor";title="In the yard";ct=0`

func TestClientCoAP(t *testing.T) {
	program := client(t, "coap-client-notls", "libcoap3-bin")
	eachBuild(t, "coap", []byte(coapConfig), func(t *testing.T, server netip.AddrPort) {
		ask := func(path string, args ...string) string {
			t.Helper()
			out := filepath.Join(t.TempDir(), "out")
			args = append(args, "-B", "10", "-o", out, fmt.Sprintf("coap://%v/%s", server, path))
			said := run(t, program, args...)
			body, err := os.ReadFile(out)
			if err != nil { // it makes no file when there is no payload
				return said
			}
			return string(body)
		}
		for _, tt := range []struct {
			path string
			args []string
			want string
		}{
			{"temperature", nil, "22.3 C"},
			{"temperature", []string{"-N"}, "22.3 C"},
			{"long", nil, coapLong},
			{"long", []string{"-b", "64"}, coapLong},
			{".well-known/core", nil, coapLink + ",</lamp>;ct=0,</long>;ct=42"},
			{".well-known/core?rt=temp*", nil, coapLink},
			{"lamp", []string{"-m", "put", "-e", "on"}, ""},
			{"lamp", nil, "on"},
		} {
			if got := strings.TrimSpace(ask(tt.path, tt.args...)); got != tt.want {
				t.Errorf("coap-client %q %v has %q; want %q", tt.path, tt.args, got, tt.want)
			}
		}
		for path, want := range map[string]string{"nothing": "4.04", "temperature": "4.05"} {
			if got := ask(path, "-m", "put", "-e", "x"); !strings.Contains(got, want) {
				t.Errorf("coap-client, PUT of %q: %q; want %s", path, got, want)
			}
		}
	})
}
