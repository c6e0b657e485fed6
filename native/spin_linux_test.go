package native_test

import (
	"slices"
	"testing"

	"github.com/retort-udp/retort/native"
)

// Who polls looks each time while requests come soon, spends little where they do not, and is back within maxSkip
// waits when they do again.
func TestBusyPollAdapts(t *testing.T) {
	const busy, idle = 1000, 10_000
	found := make([]bool, busy+idle+busy)
	for i := range found {
		found[i] = i < busy || i >= busy+idle
	}
	looked := native.Looks(found)
	if i := slices.Index(looked[:busy], false); i >= 0 {
		t.Errorf("request %d of a busy server was not looked for", i)
	}
	n := 0
	for _, l := range looked[busy : busy+idle] {
		if l {
			n++
		}
	}
	if n < 2 || n > idle/50 {
		t.Errorf("an idle server looked in %d of %d waits", n, idle)
	}
	again := looked[busy+idle:]
	if i := slices.Index(again, true); i < 0 || i > native.MaxSkip || slices.Contains(again[i:], false) {
		t.Errorf("a server that is busy again looked first in wait %d", i)
	}
}
