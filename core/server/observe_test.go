package server_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/retort-udp/retort/core/server"
)

// Whoever observes a server is told what became of each datagram, once and in order.
func TestObserve(t *testing.T) {
	var seen []string
	s := &server.Server{Handler: moody, Observe: func(o *server.Observation) {
		said := fmt.Sprintf("%s: %s %q", o.Datagram.Data, o.Outcome, o.Reply)
		if o.Outcome == server.Refused {
			said += " " + o.Verdict.String()
		}
		if o.Err != nil {
			said += " " + o.Err.Error()
		}
		seen = append(seen, said)
	}}
	h := open(t, s)
	for _, r := range []string{"a", "silence", "malformed, wrapped", "code, wrapped", "fault", "panic", "too long", "empty"} {
		h.peer.Send(listener, []byte(r))
	}
	h.peer.Forge(netip.MustParseAddrPort("127.0.0.1:0"), listener, []byte("from port zero"))
	h.peer.Send(listener, []byte("end"))
	stop := h.serve()
	for range 3 {
		if _, _, err := h.peer.Receive(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	want := []string{
		`a: replied "a"`,
		`silence: silent ""`,
		`malformed, wrapped: malformed "" `,
		`code, wrapped: code "" `,
		`fault: fault "" no good`,
		`panic: fault ""`,
		`too long: oversize ""`,
		`empty: replied ""`,
		`from port zero: refused "" port-zero`,
		`end: replied "end"`,
	}
	if !slices.EqualFunc(seen, want, strings.HasPrefix) {
		t.Errorf("seen:\n%s\nwant, at least:\n%s", strings.Join(seen, "\n"), strings.Join(want, "\n"))
	}
	if stats := h.Stats(); stats.Received != uint64(len(seen)) {
		t.Errorf("%d of %d datagrams were observed", len(seen), stats.Received)
	}
}

// The handler's time is taken now and then, from the first datagram on.
func TestHandlingIsSampled(t *testing.T) {
	h := open(t, &server.Server{Handler: moody})
	stop := h.serve()
	for range 520 {
		h.ask(t, "a")
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if s := h.Stats(); s.Handling.Count() != 3 || s.Latency.Count() != 520 || s.Handling.Sum > s.Latency.Sum {
		t.Errorf("%d of the handler's times, %v in all; %d replies, %v in all",
			s.Handling.Count(), s.Handling.Sum, s.Latency.Count(), s.Latency.Sum)
	}
}
