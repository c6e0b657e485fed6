package server_test

import (
	"bytes"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/guard"
	"github.com/retort-udp/retort/core/server"
)

// Every way to not reply costs that datagram only and is counted once; the others of its batch are
// answered in order.
func TestEachDatagramIsCountedOnce(t *testing.T) {
	var log bytes.Buffer
	h := open(t, &server.Server{Handler: moody, Log: slog.New(slog.NewTextHandler(&log, nil))})
	requests := []string{
		"a", "silence", "b", "malformed", "malformed, wrapped", "code", "code, wrapped", "c", "fault", "d", "panic", "e",
		"too long", "f", "empty", "elsewhere", "g", "panic",
	}
	for _, r := range requests {
		h.peer.Send(listener, []byte(r))
	}
	h.peer.Forge(netip.MustParseAddrPort("127.0.0.1:0"), listener, []byte("from port zero"))
	h.peer.Forge(listener, listener, []byte("from ourselves"))
	h.peer.Send(listener, []byte("end"))
	stop := h.serve()
	for _, want := range []string{"a", "b", "c", "d", "e", "f", "", "elsewhere", "g", "end"} {
		got, _, err := h.peer.Receive(t.Context())
		if err != nil || string(got) != want {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	s := h.Stats()
	for _, tt := range []struct {
		name      string
		got, want uint64
	}{
		{"received", s.Received, uint64(len(requests) + 3)},
		{"replied", s.Replied, 10},
		{"silent", s.Silent, 1},
		{"malformed", s.Malformed, 2},
		{"code -100", s.Codes[-100], 1},
		{"code -101", s.Codes[-101], 1},
		{"faults", s.Faults, 1},
		{"panics", s.Panics, 2},
		{"oversize", s.Oversize, 1},
		{"from port zero", s.Refused[guard.PortZero], 1},
		{"from ourselves", s.Refused[guard.Own], 1},
		{"admitted ones refused", s.Refused[guard.Admit], 0},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, tt.got, tt.want)
		}
	}
	if got := accounted(s); got != s.Received {
		t.Errorf("%d of %d datagrams are accounted for", got, s.Received)
	}
	for _, says := range []string{"the handler panicked", "I cannot go on", "server_test.go", "the handler failed", "no good", h.peer.Addr().String()} {
		if !strings.Contains(log.String(), says) {
			t.Errorf("the log does not say %q:\n%s", says, log.String())
		}
	}
	if n := strings.Count(log.String(), "the handler panicked"); n != 1 {
		t.Errorf("two panics within a second made %d log lines", n)
	}
}

func TestCodesBeyondTheTableAreCountedTogether(t *testing.T) {
	h := open(t, &server.Server{Handler: core.HandlerFunc(func(dst []byte, d *core.Datagram) ([]byte, error) {
		if len(d.Data) == 0 {
			return dst, nil
		}
		return nil, core.MaxCode - core.Code(d.Data[0])
	})})
	for i := range 100 {
		h.peer.Send(listener, []byte{byte(i)})
		h.peer.Send(listener, []byte{0})
	}
	stop := h.serve()
	h.ask(t, "")
	if err := stop(); err != nil {
		t.Error(err)
	}
	s := h.Stats()
	if s.Codes[-100] != 101 || s.Codes[-131] != 1 || s.Codes[-132] != 0 || len(s.Codes) != 32 || s.OtherCodes != 100-32 {
		t.Errorf("codes %v, others %d", s.Codes, s.OtherCodes)
	}
}

func TestStatsAreASnapshot(t *testing.T) {
	h := open(t, &server.Server{Handler: moody})
	stop := h.serve()
	h.peer.Send(listener, []byte("code"))
	h.ask(t, "a")
	if err := stop(); err != nil {
		t.Error(err)
	}
	before := h.Stats()
	before.Codes[-100] = 77
	if got := h.Stats().Codes[-100]; got != 1 {
		t.Errorf("writing to one snapshot changed the next: %d", got)
	}
	// A second Serve adds to the first.
	conn, err := h.network.Listen(anybody)
	if err != nil {
		t.Fatal(err)
	}
	h.conn = conn
	stop = h.serve()
	h.peer.Send(conn.LocalAddr(), []byte("b"))
	if _, _, err := h.peer.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if got := h.Stats(); got.Replied != 2 || got.Codes[-100] != 1 {
		t.Errorf("replied %d, codes %v", got.Replied, got.Codes)
	}
}
