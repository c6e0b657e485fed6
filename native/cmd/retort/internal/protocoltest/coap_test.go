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

	"github.com/retort-udp/retort/core"
)

// coapLong is a representation of several blocks.
var coapLong = strings.Repeat("0123456789abcdef", 200)

var coapConfig = "remember 64\nresource /temperature\ntype temperature-c\nbody 22.3 C\nresource /lamp\nbody off\nwritable 64\n" +
	"resource /long\nformat 42\nbody " + coapLong

func TestDifferentialCoAP(t *testing.T) {
	var last core.Datagram
	differential(t, "coap", []byte(coapConfig), func(r *rand.Rand, d *core.Datagram) {
		if d.From.Addr().Is6() && r.IntN(8) == 0 {
			d.To = netip.MustParseAddrPort("[ff02::fd]:5683")
		}
		if last.Data != nil && r.IntN(8) == 0 { // the same again
			d.Data, d.From, d.To = last.Data, last.From, last.To
			return
		}
		d.Data = coapRequest(r)
		if r.IntN(4) == 0 { // broken somewhere
			d.Data[r.IntN(len(d.Data))] ^= 1 << r.IntN(8)
			d.Data = d.Data[:r.IntN(len(d.Data)+1)]
		}
		last = *d
	})
}

// coapRequest returns a request, mostly one that means something, with a few options.
func coapRequest(r *rand.Rand) []byte {
	pick := func(of ...byte) byte { return of[r.IntN(len(of))] }
	token := noise(r, int(pick(0, 0, 1, 4, 8)))
	b := []byte{1<<6 | pick(0, 0, 0, 1, 1, 2, 3)<<4 | byte(len(token)), pick(1, 1, 1, 3, 3, 0, 2, 4, 0x45), byte(r.Uint32()), byte(r.Uint32())}
	b = append(b, token...)
	paths := [][]string{{"temperature"}, {"lamp"}, {"long"}, {".well-known", "core"}, {"nothing"}, {}}
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
		if r.IntN(6) == 0 {
			option(number, noise(r, r.IntN(most+1)))
		}
	}
	maybe(1, 8)
	maybe(4, 8)
	maybe(5, 0)
	for _, segment := range path {
		option(11, []byte(segment))
	}
	maybe(12, 1)
	if r.IntN(6) == 0 {
		option(15, []byte(strings.Split("href=/l* rt=temp* ct=42 if=x nothing", " ")[r.IntN(5)]))
	}
	maybe(17, 1)
	if r.IntN(3) == 0 {
		option(23, binary.BigEndian.AppendUint16(nil, uint16(r.IntN(1<<10)))[r.IntN(2):])
	}
	maybe(28, 2)
	maybe(35, 8)
	maybe(60, 2)
	if payload := noise(r, r.IntN(80)); len(payload) > 0 && r.IntN(2) == 0 {
		b = append(append(b, 0xff), payload...)
	}
	return b
}

func TestVectorsCoAP(t *testing.T) { answersVectors(t, "coap") }

func TestClientCoAP(t *testing.T) {
	coap := client(t, "coap-client-notls", "libcoap3-bin")
	eachBuild(t, "coap", []byte(coapConfig), func(t *testing.T, server netip.AddrPort) {
		ask := func(path string, args ...string) string {
			t.Helper()
			out := filepath.Join(t.TempDir(), "out")
			args = append(args, "-B", "10", "-o", out, fmt.Sprintf("coap://%v/%s", server, path))
			said := run(t, coap, args...)
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
			{".well-known/core", nil, `</temperature>;rt="temperature-c";ct=0,</lamp>;ct=0,</long>;ct=42`},
			{".well-known/core?rt=temp*", nil, `</temperature>;rt="temperature-c";ct=0`},
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
