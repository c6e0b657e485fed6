package guest_test

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/wasmhandler"
	"github.com/retort-udp/retort/wasmhandler/guest"
	"github.com/retort-udp/retort/wasmhandler/guest/internal/probe"
)

// buildProbe builds the probe once for all tests.
var buildProbe = sync.OnceValues(func() ([]byte, error) { return buildGo("probe") })

func compileProbe(t testing.TB) (*wasmhandler.Module, *logBuffer) {
	t.Helper()
	wasm, err := buildProbe()
	return compile(t, mustBuild(t, wasm, err))
}

// worker is an instance of h.
func worker(t testing.TB, h core.PerWorker) core.Handler {
	t.Helper()
	w, err := h.ForWorker()
	if err != nil {
		t.Fatal(err)
	}
	if c, ok := w.(io.Closer); ok {
		t.Cleanup(func() {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	return w
}

func datagram(request string) *core.Datagram {
	return &core.Datagram{
		Data: []byte(request),
		From: netip.MustParseAddrPort("192.0.2.1:40000"),
		To:   netip.MustParseAddrPort("192.0.2.2:1060"),
		Time: time.Date(2026, 11, 22, 13, 40, 0, 123456789, time.UTC),
	}
}

// outcome is what becomes of a datagram, in words, with what the documentation of package guest says of results
// that the ABI has no number for.
func outcome(h core.Handler, d *core.Datagram, room int) string {
	reply, err := h.Reply(make([]byte, 0, room), d)
	var code core.Code
	switch {
	case errors.Is(err, core.ErrMalformed):
		return "malformed"
	case errors.As(err, &code):
		return fmt.Sprintf("code %d", code)
	case err != nil:
		return fmt.Sprintf("code %d", guest.CodeError)
	case reply == nil:
		return "silence"
	case len(reply) > room:
		return fmt.Sprintf("code %d", guest.CodeOversize)
	}
	return strconv.Quote(string(reply))
}

// A handler as a guest does what it does natively.
func TestGuestEqualsNative(t *testing.T) {
	m, log := compileProbe(t)
	native := &probe.Handler{}
	for _, h := range []core.Configurer{m, native} {
		if err := h.Configure([]byte("a configuration")); err != nil {
			t.Fatal(err)
		}
	}
	asGuest, natively := worker(t, m), worker(t, native)
	for _, request := range []string{
		"", "l", "lhello", "e", "ehello", "t", "uGrüße", "f", "d", "0", "o", "r", "z", "m", "c", "c\x01", "c\xff", "x", "s", "a", "?", "R",
		"l" + strings.Repeat("x", core.MaxPayload4-1), "e" + strings.Repeat("x", core.MaxPayload6-1),
	} {
		for _, room := range []int{0, 1, 4, 30, 1500, core.MaxPayload4, core.MaxPayload6} {
			for _, from := range []string{"192.0.2.1:40000", "[2001:db8::1]:40000", "[fe80::1%7]:40000", "[fe80::1%4294967295]:40000"} {
				d := datagram(request)
				d.From = netip.MustParseAddrPort(from)
				if d.From.Addr().Is6() {
					d.To = netip.MustParseAddrPort("[2001:db8::2]:1060")
				}
				if got, want := outcome(asGuest, d, room), outcome(natively, d, room); got != want {
					t.Errorf("%.20q from %s, room for %d bytes: %.100s, natively %.100s", request, from, room, got, want)
				}
			}
		}
	}
	for _, w := range []core.Handler{asGuest, natively} {
		c, classifies := core.As[core.Classifier](w)
		i, idles := core.As[core.Idler](w)
		if !classifies || !idles {
			t.Fatalf("%T is a Classifier: %v, an Idler: %v", w, classifies, idles)
		}
		if !c.IsResponse(datagram("Response")) || c.IsResponse(datagram("a question")) || c.IsResponse(datagram("")) {
			t.Errorf("%T does not tell an answer from a question", w)
		}
		i.Idle()
	}
	if got, want := outcome(asGuest, datagram("s"), 99), outcome(natively, datagram("s"), 99); got != want {
		t.Errorf("in the end the state is %s, natively %s", got, want)
	}
	if !strings.Contains(log.String(), "the probe has no answer") {
		t.Errorf("the text of an error is not in the log:\n%s", log)
	}
}

// The same, for whatever anybody sends.
func FuzzGuestEqualsNative(f *testing.F) {
	for _, request := range []string{"lhello", "ehello", "t", "uabc", "f", "d", "m", "c\x01", "x", "o", "z", "s", "a", "R"} {
		f.Add([]byte(request), uint16(30), false)
	}
	m, _ := compileProbe(f)
	asGuest, natively := worker(f, m), worker(f, &probe.Handler{})
	f.Fuzz(func(t *testing.T, request []byte, room uint16, v6 bool) {
		d := datagram(string(request))
		if v6 {
			d.From = netip.MustParseAddrPort("[fe80::1%3]:40000")
			d.To = netip.MustParseAddrPort("[2001:db8::2]:1060")
		}
		most := core.MaxPayload(d.From.Addr())
		if len(request) > most || len(request) > 0 && (request[0] == probe.Panic || request[0] == probe.Mallocs) {
			return
		}
		limit := min(int(room), most)
		if got, want := outcome(asGuest, d, limit), outcome(natively, d, limit); got != want {
			t.Errorf("%s, natively %s", got, want)
		}
	})
}

// A guest does not make garbage of datagrams.
func TestGuestDoesNotAllocate(t *testing.T) {
	m, _ := compileProbe(t)
	w := worker(t, m)
	mallocs := func() int {
		text, err := w.Reply(make([]byte, 0, 20), datagram("g"))
		n, convErr := strconv.Atoi(string(text))
		if err != nil || convErr != nil {
			t.Fatal(err, convErr)
		}
		return n
	}
	for _, request := range []string{"lhello", "ehello", "t", "d"} {
		d, dst := datagram(request), make([]byte, 0, 100)
		before := mallocs()
		for range 1000 {
			if _, err := w.Reply(dst, d); err != nil {
				t.Fatal(err)
			}
		}
		// The runtime may need a few for itself.
		if n := mallocs() - before; n > 100 {
			t.Errorf("%q: %d objects were allocated for 1000 datagrams", request, n)
		}
	}
}

// A panic is a fault that says what it was, and the next datagram meets a fresh instance.
func TestGuestPanics(t *testing.T) {
	m, log := compileProbe(t)
	w := worker(t, m)
	if got := outcome(w, datagram("s"), 99); got != `"1 0 "` {
		t.Fatalf("the state is %s at first", got)
	}
	_, err := w.Reply(make([]byte, 0, 99), datagram("p"))
	var fault *wasmhandler.Fault
	if !errors.As(err, &fault) || !strings.Contains(err.Error(), "the probe panics") {
		t.Errorf("%v, which is no Fault or does not tell why", err)
	}
	if !strings.Contains(log.String(), "the probe panics") {
		t.Errorf("the panic is not in the log:\n%s", log)
	}
	if got := outcome(w, datagram("s"), 99); got != `"1 0 "` {
		t.Errorf("after the panic the state is %s", got)
	}
}

func TestGuestRefusesConfiguration(t *testing.T) {
	for config, want := range map[string]string{
		"code":      "-200",
		"error":     "the probe takes no error",
		"no worker": "the probe makes no worker",
	} {
		m, _ := compileProbe(t)
		if err := m.Configure([]byte(config)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, which does not say %q", config, err, want)
		}
	}
}

// The largest configuration arrives whole.
func TestGuestTakesLargeConfiguration(t *testing.T) {
	m, _ := compileProbe(t)
	config := strings.Repeat("0123456789abcdef", 1<<16)
	if err := m.Configure([]byte(config)); err != nil {
		t.Fatal(err)
	}
	w := worker(t, m)
	if got := outcome(w, datagram("s"), 99); got != fmt.Sprintf("code %d", guest.CodeOversize) {
		t.Errorf("the whole of it: %s", got)
	}
}

// A guest that serves nothing is refused when it is loaded, and the log says why.
func TestGuestThatServesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector has nothing to watch here, and the guest takes ten seconds to compile")
	}
	wasm, err := buildGo("unserved")
	wasm = mustBuild(t, wasm, err)
	log := new(logBuffer)
	_, err = wasmhandler.Compile(t.Context(), wasm, config(log))
	if err == nil || !strings.Contains(log.String(), "call Serve in an init function") {
		t.Errorf("%v; the log:\n%s", err, log)
	}
}
