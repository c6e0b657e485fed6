package listing_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/native/cmd/retort/internal/listing"
	"github.com/retort-udp/retort/native/cmd/retort/internal/transcript"
)

var peer = netip.MustParseAddrPort("127.0.0.1:46056")

func datagram(text string) *core.Datagram {
	return &core.Datagram{Data: []byte(text), From: peer}
}

// echo answers what it is asked. It has all the optional interfaces and remembers what became of it.
type echo struct {
	perWorker, closed int
	idled             bool
	fails             error
}

func (e *echo) ForWorker() (core.Handler, error) { e.perWorker++; return echoWorker{e}, e.fails }
func (e *echo) Configure([]byte) error           { return nil }
func (e *echo) Reply(dst []byte, d *core.Datagram) ([]byte, error) {
	return append(dst, d.Data...), nil
}

type echoWorker struct{ *echo }

func (e echoWorker) IsResponse(d *core.Datagram) bool { return string(d.Data) == "answer" }
func (e echoWorker) Idle()                            { e.idled = true }
func (e echoWorker) Close() error                     { e.closed++; return io.ErrUnexpectedEOF }

func worker(t *testing.T, h *listing.Handler) core.Handler {
	t.Helper()
	w, err := h.ForWorker()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func reply(t *testing.T, h core.Handler, text string) string {
	t.Helper()
	got, err := h.Reply(make([]byte, 0, core.MaxPayload4), datagram(text))
	if err != nil {
		t.Fatal(err)
	}
	if got == nil {
		return "silence"
	}
	return string(got)
}

func TestPrintsAndReplies(t *testing.T) {
	var out bytes.Buffer
	p := transcript.Start(&out, nil)
	h := &listing.Handler{Next: &echo{}, Printer: p}
	w := worker(t, h)
	for _, text := range []string{"hello", "", "\xff"} {
		if got := reply(t, w, text); got != text {
			t.Errorf("%q was answered %q", text, got)
		}
	}
	p.Close(t.Context())
	const want = `The client at ('127.0.0.1', 46056) says 'hello'
The client at ('127.0.0.1', 46056) says ''
The client at ('127.0.0.1', 46056) says '\xff'
`
	if out.String() != want {
		t.Errorf("printed\n%s", &out)
	}
	if n := p.Stats().NonASCII; n != 1 {
		t.Errorf("%d datagrams were not ASCII", n)
	}
}

func TestDrop(t *testing.T) {
	run := func(drop float64, seed uint64) (replies string, lines string) {
		var out bytes.Buffer
		p := transcript.Start(&out, nil)
		w := worker(t, &listing.Handler{Next: &echo{}, Printer: p, Drop: drop, Seed: seed})
		for range 1000 {
			if reply(t, w, "\xff") == "silence" {
				replies += "."
			} else {
				replies += "!"
			}
		}
		p.Close(t.Context())
		return replies, out.String()
	}
	for drop, want := range map[float64][2]int{0: {0, 0}, 0.5: {400, 600}, 1: {1000, 1000}} {
		replies, lines := run(drop, 7)
		dropped := strings.Count(replies, ".")
		if dropped < want[0] || dropped > want[1] {
			t.Errorf("%v: %d of 1000 were dropped", drop, dropped)
		}
		pretended := strings.Count(lines, "Pretending to drop packet from ('127.0.0.1', 46056)\n")
		said := strings.Count(lines, "The client at ('127.0.0.1', 46056) says '\\xff'\n")
		if pretended != dropped || said != 1000-dropped {
			t.Errorf("%v: %d lines for %d dropped ones, %d for the others", drop, pretended, dropped, said)
		}
	}
	first, _ := run(0.5, 1)
	again, _ := run(0.5, 1)
	other, _ := run(0.5, 2)
	if first != again || first == other {
		t.Error("the seed does not decide what is dropped")
	}
}

func TestStrict(t *testing.T) {
	var out bytes.Buffer
	var died []error
	p := transcript.Start(&out, nil)
	h := &listing.Handler{Next: &echo{}, Printer: p, Strict: func(err error) { died = append(died, err) }}
	one, two := worker(t, h), worker(t, h)

	if got := reply(t, one, "fine"); got != "fine" || died != nil {
		t.Errorf("ASCII: %s, %v", got, died)
	}
	for _, text := range []string{"caf\xc3\xa9", "caf\xc3\xa9", "after"} {
		if got := reply(t, one, text); got != "silence" {
			t.Errorf("%q was answered %s", text, got)
		}
		if got := reply(t, two, text); got != "silence" {
			t.Errorf("%q was answered %s by the other worker", text, got)
		}
	}
	if len(died) != 1 || !errors.Is(died[0], listing.ErrNotASCII) {
		t.Fatalf("it died of %v", died)
	}
	if got, want := died[0].Error(), "not ASCII: byte 0xc3 at offset 3 of what ('127.0.0.1', 46056) sent"; got != want {
		t.Errorf("%s, not %s", got, want)
	}
	p.Close(t.Context())
	if got, want := out.String(), "The client at ('127.0.0.1', 46056) says 'fine'\n"; got != want {
		t.Errorf("printed %q", got)
	}
}

// TestInside: what the handler below can do stays visible, and it is closed with its worker.
func TestInside(t *testing.T) {
	e := &echo{}
	h := &listing.Handler{Next: e}
	if err := core.Configure(h, nil); err != nil {
		t.Errorf("Configure: %v", err)
	}
	w := worker(t, h)
	if e.perWorker != 1 {
		t.Errorf("%d instances were made for a worker", e.perWorker)
	}
	if c, ok := core.As[core.Classifier](w); !ok || !c.IsResponse(datagram("answer")) {
		t.Error("the Classifier is hidden")
	}
	if i, ok := core.As[core.Idler](w); !ok {
		t.Error("the Idler is hidden")
	} else if i.Idle(); !e.idled {
		t.Error("the Idler is another one")
	}
	if err := w.(io.Closer).Close(); e.closed != 1 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("closed %d times, %v", e.closed, err)
	}

	e.fails = fmt.Errorf("no more")
	if _, err := h.ForWorker(); !errors.Is(err, e.fails) {
		t.Errorf("ForWorker: %v", err)
	}
}

// TestSharedHandlerStaysOpen: a handler that is not made for the worker is not the worker's to close.
func TestSharedHandlerStaysOpen(t *testing.T) {
	e := &echo{}
	w := worker(t, &listing.Handler{Next: shared{e}})
	if err := w.(io.Closer).Close(); err != nil || e.closed != 0 {
		t.Errorf("closed %d times, %v", e.closed, err)
	}
}

// shared is an echo that is no PerWorker.
type shared struct{ e *echo }

func (s shared) Reply(dst []byte, d *core.Datagram) ([]byte, error) { return s.e.Reply(dst, d) }
func (s shared) Close() error                                       { s.e.closed++; return nil }

func TestReplyWithoutWorker(t *testing.T) {
	h := &listing.Handler{Next: &echo{}}
	if got := reply(t, h, "text"); got != "text" {
		t.Errorf("answered %q", got)
	}
}

func TestReplyDoesNotAllocate(t *testing.T) {
	p := transcript.Start(io.Discard, nil)
	defer p.Close(t.Context())
	h := &listing.Handler{Next: shared{&echo{}}, Printer: p, Buffer: 1 << 20, Drop: 0.5, Strict: func(error) {}}
	w := worker(t, h)
	d := datagram("The time is 2026-11-22 13:40:00.123456")
	dst := make([]byte, 0, 100)
	ask := func() {
		if _, err := w.Reply(dst, d); err != nil {
			t.Error(err)
		}
	}
	for range 100_000 { // lets the Printer's own buffer grow to its size
		ask()
	}
	if n := testing.AllocsPerRun(100_000, ask); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
