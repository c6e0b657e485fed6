package looptest

import (
	"io"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/guard/guardtest"
	"github.com/retort-udp/retort/wasmhandler"
)

// samples is where the guests are.
const samples = "../../../../../testdata/handlers"

// long says whether tests may take minutes.
func long() bool { return os.Getenv("RETORT_TEST_LONG") != "" }

// guestNames are the samples that take part, each with its language behind a hyphen. Those in Go take seconds to
// compile, so they take part in long tests, and one of them always: they alone tell answers from questions.
func guestNames(t testing.TB) (names []string) {
	t.Helper()
	folders, err := filepath.Glob(filepath.Join(samples, "*-*"))
	if err != nil || len(folders) == 0 {
		t.Fatalf("there are no guests: %v", err)
	}
	for _, folder := range folders {
		name := filepath.Base(folder)
		if !strings.HasSuffix(name, "-go") || long() || name == "coap-go" && !testing.Short() {
			names = append(names, name)
		}
	}
	return names
}

// guestCode returns a sample as a module. Those in Go are no part of the repository, and built here.
func guestCode(t testing.TB, name string) []byte {
	t.Helper()
	what, language, _ := strings.Cut(name, "-")
	path := filepath.Join(samples, name, what+".wasm")
	if language == "go" {
		tool, err := exec.LookPath("go")
		if err != nil {
			t.Skip("go, which builds the guest, is not on this machine's path")
		}
		path = filepath.Join(t.TempDir(), what+".wasm")
		build := exec.CommandContext(t.Context(), tool, "build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", path,
			filepath.Join(samples, name, what+".go"))
		build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=")
		if message, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", build.Args, err, message)
		}
	}
	code, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// guest returns a sample as a handler, which is closed when the test ends.
func guest(t testing.TB, name string) core.Handler {
	t.Helper()
	m, err := wasmhandler.Compile(t.Context(), guestCode(t, name), wasmhandler.Config{Name: name, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	what, _, _ := strings.Cut(name, "-")
	guardtest.Configure(t, what, m)
	return m
}

// instance returns one instance of a guest, which every simulation that it is used for goes on with: to make one for
// each would take most of the time.
func instance(t testing.TB, h core.Handler) core.Handler {
	t.Helper()
	one, err := h.(core.PerWorker).ForWorker()
	if err != nil {
		t.Fatal(err)
	}
	if c, ok := one.(io.Closer); ok {
		t.Cleanup(func() { c.Close() })
	}
	return one
}

// contender is a handler that takes part in pairings: as the one that is asked first, and as the other.
type contender struct {
	name          string
	isGuest       bool
	first, second core.Handler
	data          []byte // that the first answers
}

// contenders are all guests and all built-in handlers.
func contenders(t testing.TB) (all []contender) {
	t.Helper()
	for _, name := range guestNames(t) {
		h := guest(t, name)
		c := contender{name, true, instance(t, h), instance(t, h), guardtest.FirstAnswered(t, h)}
		all = append(all, c)
	}
	builtin := guardtest.Handlers(t)
	for _, name := range slices.Sorted(maps.Keys(builtin)) {
		h := builtin[name]
		all = append(all, contender{name, false, h, h, guardtest.FirstAnswered(t, h)})
	}
	return all
}

// way is where two servers are, and how far from each other. On loopback there is neither a rate nor a bound on bytes,
// so that nothing but the guard against loops ends one; between two hosts these hold, too.
type way struct {
	us, them netip.Addr
	guardtest.Path
}

// ways are the shortest way on one host and the longest between two; in long tests the other two as well.
func ways() []way {
	same, us, them := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.7")
	near := guardtest.Path{Latency: 10 * time.Microsecond}
	far := guardtest.Path{Latency: 300 * time.Millisecond, Jitter: 60 * time.Millisecond}
	all := []way{{same, same, near}, {us, them, far}}
	if long() {
		all = append(all, way{same, same, far}, way{us, them, near})
	}
	return all
}

// ends returns the addresses of two servers. Each pairing has ports of its own, lest what a handler remembers of the
// peers in one decide another.
func (w way) ends(pairing int) (us, them netip.AddrPort) {
	port := uint16(2000 + 2*pairing%30_000)
	return netip.AddrPortFrom(w.us, port), netip.AddrPortFrom(w.them, port+1)
}

// check checks that a loop between two has ended in time.
func (w way) check(t *testing.T, one, other string, l guardtest.Loop) {
	t.Helper()
	most := uint64(0)
	for _, s := range l.Stats {
		most = max(most, s.Received)
	}
	if testing.Verbose() && long() {
		t.Logf("%s on %v and %s on %v, %v ±%v: it lived %d datagrams, %v",
			one, w.us, other, w.them, w.Latency, w.Jitter, most, l.Lasted)
	}
	if most > guardtest.MostLow || !l.Over {
		t.Errorf("%s on %v and %s on %v, %v ±%v: it lived %d datagrams, and is over: %v; the most is %d",
			one, w.us, other, w.them, w.Latency, w.Jitter, most, l.Over, guardtest.MostLow)
	}
}

// Every guest in a pairing with every other, with itself, with every built-in handler and with every service, in
// virtual time. Either of two of ours is asked first.
func TestLoopsOfGuests(t *testing.T) {
	t.Parallel()
	all := contenders(t)
	guests, pairings := 0, 0
	for _, w := range ways() {
		for _, a := range all {
			for _, b := range all {
				if !a.isGuest && !b.isGuest {
					continue // package guard has these
				}
				us, them := w.ends(pairings)
				pairings++
				w.check(t, a.name, b.name, guardtest.New(1, w.Path).LoopBetween(t, a.first, us, b.second, them, a.data))
			}
			if !a.isGuest {
				continue
			}
			for _, s := range guardtest.Services() {
				us, them := w.ends(pairings)
				pairings++
				w.check(t, a.name, s.Name, guardtest.New(1, w.Path).LoopWith(t, a.first, us, s, them, a.data))
			}
			guests++
		}
	}
	t.Logf("%d guests, %d pairings", guests/len(ways()), pairings)
}
