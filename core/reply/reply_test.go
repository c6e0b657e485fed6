package reply_test

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/coretest"
	"github.com/retort-udp/retort/core/reply"
	"github.com/retort-udp/retort/core/reply/builtin"
)

// specs are names of all the handlers of package reply.
var specs = []string{"length", "echo", "time", "upper", "fixed=pong", "drop"}

func named(t testing.TB, spec string) core.Handler {
	t.Helper()
	h, err := builtin.Named(spec)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestReplies(t *testing.T) {
	arrival := time.Date(2026, 11, 22, 14, 40, 0, 123456789, time.FixedZone("UTC+1", 3600))
	for _, tt := range []struct {
		spec    string
		request string
		want    string
	}{
		{"length", "", "Your data was 0 bytes long"},
		{"length", "The time is 2026-11-22 13:40:00.123456", "Your data was 38 bytes long"},
		{"length", strings.Repeat("x", core.MaxPayload4), "Your data was 65507 bytes long"},
		{"echo", "", ""},
		{"echo", "a\x00\xff", "a\x00\xff"},
		{"time", "whatever", "The time is 2026-11-22 13:40:00.123456"},
		{"upper", "azAZ09 `{é\x00", "AZAZ09 `{é\x00"},
		{"fixed=pong", "ping", "pong"},
		{"fixed=", "ping", ""},
		{"fixed=a=b", "ping", "a=b"},
	} {
		d := &core.Datagram{Data: []byte(tt.request), From: netip.MustParseAddrPort("127.0.0.1:40000"), Time: arrival}
		got, err := named(t, tt.spec).Reply(make([]byte, 0, 100), d)
		if err != nil || got == nil || string(got) != tt.want {
			t.Errorf("%s answers %.40q with %q (silent: %v), %v; want %q", tt.spec, tt.request, got, got == nil, err, tt.want)
		}
	}
	if got, err := named(t, "drop").Reply([]byte{}, &core.Datagram{}); got != nil || err != nil {
		t.Errorf("drop answers %q, %v", got, err)
	}
}

func TestLengthTakesThirtyBytesAtMost(t *testing.T) {
	got, _ := reply.Length{}.Reply(nil, &core.Datagram{Data: make([]byte, core.MaxPayload6)})
	if len(got) > 30 {
		t.Errorf("%d bytes", len(got))
	}
}

func TestContract(t *testing.T) {
	for _, spec := range specs {
		t.Run(spec, func(t *testing.T) { coretest.TestHandler(t, named(t, spec)) })
	}
}

func TestRepliesAllocateNothing(t *testing.T) {
	dst := make([]byte, 0, 2048)
	d := &core.Datagram{Data: bytes.Repeat([]byte("x"), 1400), Time: time.Unix(1, 2)}
	for _, spec := range specs {
		h := named(t, spec)
		if n := testing.AllocsPerRun(100, func() { h.Reply(dst, d) }); n != 0 {
			t.Errorf("%s: %v allocations", spec, n)
		}
	}
}

func BenchmarkReply(b *testing.B) {
	dst := make([]byte, 0, 2048)
	d := &core.Datagram{Data: make([]byte, 32), Time: time.Unix(1, 2)}
	for _, spec := range specs {
		h := named(b, spec)
		b.Run(spec, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := h.Reply(dst, d); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
