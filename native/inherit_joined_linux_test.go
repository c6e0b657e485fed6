package native_test

import (
	"errors"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/native"
)

// What eightTimes32 is: so many datagrams of so many bytes.
const pieces, pieceSize = 8, 32

// listenJoined returns a Conn whose kernel joins datagrams as they come.
func listenJoined(t *testing.T) core.Conn {
	t.Helper()
	conns, err := native.Listen("127.0.0.1:0", native.Options{Workers: 1, GSO: native.GSOOn})
	if err != nil {
		t.Skipf("this kernel: %v", err)
	}
	t.Cleanup(func() { conns[0].Close() })
	if !isJoining(t, conns[0]) {
		t.Skip("this kernel joins nothing")
	}
	return conns[0]
}

// isJoining asks the kernel whether it joins what comes in.
func isJoining(t *testing.T, c core.Conn) bool {
	t.Helper()
	on := 0
	err := native.WithDescriptor(c, func(fd uintptr) (err error) {
		on, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_GRO)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return on != 0
}

// adoptWith is adopt with options.
func adoptWith(t *testing.T, old core.Conn, o native.Options) core.Conn {
	t.Helper()
	s, err := native.Inherit(handOver(t, old))
	if err != nil {
		t.Fatal(err)
	}
	conns, err := native.Adopt([]*native.Inherited{s}, o)
	if err != nil {
		t.Fatal(err)
	}
	return conns[0]
}

// receivePieces receives so many datagrams, and returns how many messages were joined.
func receivePieces(c core.Conn, n int) (joined int, err error) {
	b := core.NewBatch()
	for n > 0 {
		if err := c.Receive(b); err != nil {
			return joined, err
		}
		for _, m := range b.Messages {
			size := len(m.Data)
			if m.Segment > 0 {
				size = m.Segment
				joined++
			}
			if size != pieceSize {
				return joined, errors.New("datagrams came as one that is larger than any that was sent")
			}
			n -= (len(m.Data) + size - 1) / size
		}
	}
	return joined, nil
}

// Who serves a socket while another one takes it over, to serve it in the same way, gets every datagram as it was sent.
func TestJoinedWhileAdopted(t *testing.T) {
	old := listenJoined(t)
	p, burst := newPeer(t, "127.0.0.1"), eightTimes32()
	var over atomic.Bool
	received := make(chan error, 1)
	go func() {
		var err error
		for joined := 1; err == nil && joined > 0 && !over.Load(); {
			p.sendBurst(old.LocalAddr(), burst)
			joined, err = receivePieces(old, pieces)
		}
		received <- err
	}()
	for range 200 {
		if err := adoptWith(t, old, native.Options{GSO: native.GSOOn}).Close(); err != nil {
			t.Error(err)
		}
	}
	over.Store(true)
	if err := waitFor(t, received); err != nil {
		t.Error(err)
	}
}

// Who takes a socket over and wants nothing joined gets what was joined before as it was sent, and then nothing joined
// any more.
func TestJoinedBeforeAdopted(t *testing.T) {
	old := listenJoined(t)
	p, burst := newPeer(t, "127.0.0.1"), eightTimes32()
	p.sendBurst(old.LocalAddr(), burst)
	c := adoptWith(t, old, native.Options{})
	defer c.Close()
	if joined, err := receivePieces(c, pieces); err != nil || joined == 0 {
		t.Fatalf("%d messages were joined, %v", joined, err)
	}
	joined, received := 0, make(chan error, 1)
	go func() {
		var err error
		joined, err = receivePieces(c, pieces)
		received <- err
	}()
	await(t, func() bool { return !isJoining(t, c) })
	p.sendBurst(c.LocalAddr(), burst)
	if err := waitFor(t, received); err != nil || joined > 0 {
		t.Errorf("%d messages were joined, %v", joined, err)
	}
}
