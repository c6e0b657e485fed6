package guard_test

import (
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/guard"
	"github.com/retort-udp/retort/core/guard/guardtest"
	"github.com/retort-udp/retort/core/reply/builtin"
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

// parameters are those with which the handlers that take one are put into pairings.
var parameters = map[string][]string{"fixed": {"pong", ""}}

// handlers are those that take part in pairings, the built-in ones and counting; each call makes new ones.
func handlers(t testing.TB) map[string]core.Handler {
	t.Helper()
	all := map[string]core.Handler{"counting": guardtest.Counting()}
	add := func(spec string) {
		h, err := builtin.Named(spec)
		if err != nil {
			t.Fatal(err)
		}
		all[spec] = h
	}
	for _, name := range builtin.Names() {
		name, _, takes := strings.Cut(name, "=")
		if !takes {
			add(name)
			continue
		}
		if parameters[name] == nil {
			t.Fatalf("the handler %s has a parameter: say with which it is to be simulated", name)
		}
		for _, value := range parameters[name] {
			add(name + "=" + value)
		}
	}
	return all
}

func names(t testing.TB) []string {
	var all []string
	for name := range handlers(t) {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}
