//go:build unix

package alive_test

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/native"
	"github.com/retort-udp/retort/native/cmd/retort/internal/alive"
)

// listen returns a Conn, as it is and watched, and a peer of it.
func listen(t *testing.T, m *alive.Monitor) (raw, watched core.Conn, peer net.Conn) {
	t.Helper()
	conns, err := native.Listen("127.0.0.1:0", native.Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conns[0].Close() }) // closed already, in one test
	peer, err = net.Dial("udp", conns[0].LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close() })
	return conns[0], m.Around(conns[0], conns[0]), peer
}

// send sends a datagram, and waits until it has come to c.
func send(t *testing.T, c core.Conn, peer net.Conn) {
	t.Helper()
	if _, err := peer.Write([]byte("?")); err != nil {
		t.Fatal(err)
	}
	err := native.WithDescriptor(c, func(fd uintptr) error {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(10*time.Second/time.Millisecond))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestStuck(t *testing.T) {
	var m alive.Monitor
	raw, watched, peer := listen(t, &m)
	stuck := func(want int, when string) {
		t.Helper()
		if got := m.Stuck(); len(got) != want || want > 0 && got[0] != raw.LocalAddr() {
			t.Errorf("%s: stuck are %v", when, got)
		}
	}
	stuck(0, "in the beginning")
	stuck(0, "when nothing comes")
	send(t, raw, peer)
	stuck(0, "when something has come since the last look")
	stuck(1, "when nobody takes it")
	stuck(1, "when nobody takes it, still")
	send(t, raw, peer)
	b := core.NewBatch()
	if err := watched.Receive(b); err != nil {
		t.Fatal(err)
	}
	send(t, raw, peer)
	stuck(0, "when some was taken and more has come")
	if err := watched.Receive(b); err != nil {
		t.Fatal(err)
	}
	stuck(0, "when all was taken")
	send(t, raw, peer)
	stuck(0, "again")
	if err := raw.Close(); err != nil {
		t.Fatal(err)
	}
	stuck(0, "when it is closed")
}

// TestOthers: one worker that is stuck is found among others that are not.
func TestOthers(t *testing.T) {
	var m alive.Monitor
	well, receiver, peer := listen(t, &m)
	ill, _, illPeer := listen(t, &m)
	send(t, ill, illPeer)
	send(t, well, peer)
	m.Stuck()
	if err := receiver.Receive(core.NewBatch()); err != nil {
		t.Fatal(err)
	}
	send(t, well, peer)
	if got := m.Stuck(); len(got) != 1 || got[0] != ill.LocalAddr() {
		t.Errorf("stuck are %v, not %v", got, ill.LocalAddr())
	}
}
