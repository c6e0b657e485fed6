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

// worker is a guard's Worker that meets each datagram by itself.
type worker struct {
	*guard.Worker
	message [1]core.Message
}

// Admit has the Worker meet a datagram and then says what it says.
func (w *worker) Admit(d *core.Datagram, group bool) (limit int, v guard.Verdict) {
	w.message[0] = core.Message{From: d.From, To: d.To, Group: group}
	w.Meet(w.message[:])
	return w.Worker.Admit(0, d)
}

// newWorker returns a guard's worker for a server that listens there.
func newWorker(t testing.TB, p *guard.Policy, h core.Handler, listening ...string) *worker {
	t.Helper()
	var addrs []netip.AddrPort
	for _, l := range listening {
		addrs = append(addrs, netip.MustParseAddrPort(l))
	}
	g, err := guard.New(p, addrs...)
	if err != nil {
		t.Fatal(err)
	}
	w := &worker{Worker: g.ForWorker(h)}
	w.Begin(guardtest.Epoch)
	return w
}

func names(t testing.TB) []string {
	return slices.Sorted(maps.Keys(guardtest.Handlers(t)))
}
