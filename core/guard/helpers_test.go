package guard_test

import (
	"maps"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"testing"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/guard"
	"github.com/retort-udp/retort/core/guard/guardtest"
)

const (
	lowPort    = 2000
	clientPort = 40000
)

// long says whether tests may take minutes.
func long() bool { return os.Getenv("RETORT_TEST_LONG") != "" }

// quick says whether they must not take more than a few seconds.
func quick() bool { return testing.Short() || raced || runtime.GOARCH == "wasm" }

// report is t.Logf for what nobody wants to read who has not asked for it.
func report(t *testing.T, format string, args ...any) {
	t.Helper()
	if testing.Verbose() {
		t.Logf(format, args...)
	}
}

// newWorker returns a guard's worker for a server that listens there.
func newWorker(t testing.TB, p *guard.Policy, h core.Handler, listening ...string) *guard.Worker {
	t.Helper()
	var addrs []netip.AddrPort
	for _, l := range listening {
		addrs = append(addrs, netip.MustParseAddrPort(l))
	}
	g, err := guard.New(p, addrs...)
	if err != nil {
		t.Fatal(err)
	}
	w := g.ForWorker(h)
	w.Begin(guardtest.Epoch)
	return w
}

func names(t testing.TB) []string {
	return slices.Sorted(maps.Keys(guardtest.Handlers(t)))
}
