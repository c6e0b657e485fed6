package looptest

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/guard/guardtest"
	"github.com/retort-udp/retort/wasmhandler"
)

// samples are the guests. Those in Go are left out: they are no part of the repository, and answer what the built-in
// handler of their name, or the same sample in another language, does.
const samples = "../../../../../testdata/handlers/*/*.wasm"

// guest returns a guest as a handler, which is closed when the test ends.
func guest(t testing.TB, path, cache string) core.Handler {
	t.Helper()
	code, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	m, err := wasmhandler.Compile(t.Context(), code, wasmhandler.Config{Seed: 1, CacheDir: cache})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	name, _, _ := strings.Cut(filepath.Base(filepath.Dir(path)), "-") // which is followed by a language
	guardtest.Configure(t, name, m)
	return m
}

// Every sample guest in a pairing with every service, in virtual time, on the same host and on another.
func TestLoopsOfGuests(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob(samples)
	if err != nil || len(paths) == 0 {
		t.Fatalf("there are no guests: %v", err)
	}
	cache := filepath.Join(t.TempDir(), "cache")
	pairings := 0
	for _, path := range paths {
		name := filepath.Base(filepath.Dir(path))
		if strings.HasSuffix(name, "-go") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			h := guest(t, path, cache)
			data := guardtest.FirstAnswered(t, h)
			us := netip.MustParseAddrPort("192.0.2.1:1060")
			for _, s := range guardtest.Services() {
				for _, p := range []guardtest.Path{
					{Latency: 10 * time.Microsecond},
					{Latency: 300 * time.Millisecond, Jitter: 60 * time.Millisecond},
				} {
					for _, them := range []string{"192.0.2.7", "127.0.0.1"} {
						pairings++
						at := netip.AddrPortFrom(netip.MustParseAddr(them), s.Port+2000)
						l := guardtest.New(1, p).LoopWith(t, h, us, s, at, data)
						if testing.Verbose() {
							t.Logf("%s and %s on %v, %v ±%v: it lived %d datagrams, %v", name, s.Name, at, p.Latency, p.Jitter, l.Datagrams, l.Lasted)
						}
						if l.Datagrams > guardtest.MostLow || !l.Over {
							t.Errorf("%s and %s on %v, %v ±%v: it lived %d datagrams, and is over: %v; the most is %d",
								name, s.Name, at, p.Latency, p.Jitter, l.Datagrams, l.Over, guardtest.MostLow)
						}
					}
				}
			}
		})
	}
	t.Logf("%d pairings", pairings)
}
