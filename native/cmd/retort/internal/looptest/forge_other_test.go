//go:build !linux

package looptest

import (
	"net/netip"
	"runtime"
	"testing"
)

// forge skips the test: raw sockets differ from system to system.
func forge(t testing.TB, _, _ netip.AddrPort, _ []byte) {
	t.Helper()
	t.Skipf("datagrams are not forged on %s", runtime.GOOS)
}
