package wasmhandler_test

import (
	"encoding/binary"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/retort-udp/retort/wasmhandler"
)

// goFuel is enough for a collection of Go's in a guest, of which one takes more than a datagram's fuel by default.
const goFuel = 1_000_000_000

// TestGoGuest runs a guest with Go's runtime in it: its collector, scheduler, timers and panics.
func TestGoGuest(t *testing.T) {
	var log logged
	m := compile(t, goGuest(t, "goguest", "-buildmode=c-shared"),
		wasmhandler.Config{Name: "gopher", CacheDir: cacheDir, Fuel: goFuel, Log: log.logger(slog.LevelInfo)})
	h := forWorker(t, m)
	serves := func() {
		t.Helper()
		if got := string(ask(t, h, datagram("hello"))); got != "HELLO" {
			t.Fatalf("%q", got)
		}
	}
	serves()
	for _, test := range []struct{ name, request, reply string }{
		{"collector", "g", "collected"},
		{"collector again", "g", "collected"},
		{"goroutines", "c", "4950"},
		{"a timer that is stopped", "t", "done"},
		{"a ticker", "b", "ticking"},
		{"goroutines beside the ticker", "c", "4950"},
		{"collector beside the ticker", "g", "collected"},
		{"print", "o", "printed"},
		{"files, arguments, environment", "e", "open /etc/passwd: Not implemented on wasip1 0 0"},
	} {
		if got := string(ask(t, h, datagram(test.request))); !strings.HasPrefix(got, strings.TrimSuffix(test.reply, " 0 0")) {
			t.Errorf("%s: %q, want %q", test.name, got, test.reply)
		}
		serves()
	}
	d := datagram("n")
	for _, d.Time = range []time.Time{arrival, arrival.Add(time.Hour), arrival.Add(-24 * time.Hour)} {
		if got := int64(binary.LittleEndian.Uint64(ask(t, h, d))); got != d.Time.UnixNano() {
			t.Errorf("time.Now is %d, want %d", got, d.Time.UnixNano())
		}
		collect := datagram("g") // by a clock that went back, too
		collect.Time = d.Time
		ask(t, h, collect)
	}
	if got := log.lines(); len(got) != 2 || got[0] != `level=INFO msg="to standard output" handler=gopher` ||
		got[1] != `level=WARN msg="to standard error" handler=gopher` {
		t.Errorf("logged: %q", got)
	}
	for _, test := range []struct{ name, request, detail, said string }{
		{"panic", "p", "", "panic: the request says so"},
		{"deadlock", "w", "", "fatal error: all goroutines are asleep - deadlock!"},
		{"sleep", "s", "it waits for time to pass, and its clock stands still", ""},
	} {
		f := fail(t, h, datagram(test.request))
		if test.detail != "" && f.Detail != test.detail || f.Said != test.said {
			t.Errorf("%s: %+v", test.name, f)
		}
		serves()
	}
	if s := m.Stats(); renewed(s) != 3 {
		t.Errorf("%+v", s)
	}
}

// TestGoGuestAgain runs the same guest from the cache and on the interpreter.
func TestGoGuestAgain(t *testing.T) {
	wasm := goGuest(t, "goguest", "-buildmode=c-shared")
	for name, c := range map[string]wasmhandler.Config{
		"cache":       {CacheDir: cacheDir, Fuel: goFuel},
		"interpreter": {Interpreter: true, Fuel: goFuel},
		"anew":        wasmhandler.WithoutImage(wasmhandler.Config{CacheDir: cacheDir, Fuel: goFuel}),
	} {
		t.Run(name, func(t *testing.T) {
			h := forWorker(t, compile(t, wasm, c))
			for _, request := range []string{"hello", "c", "hello"} {
				ask(t, h, datagram(request))
			}
		})
	}
}
