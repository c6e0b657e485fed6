package native_test

import (
	"errors"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/native"
)

// patience bounds waits that end long before when all is well.
const patience = 20 * time.Second

// needIPv6 skips the test where there is no ::1.
func needIPv6(t testing.TB) {
	t.Helper()
	c, err := net.ListenUDP("udp6", &net.UDPAddr{IP: net.IPv6loopback})
	if err != nil {
		t.Skipf("this host has no ::1: %v", err)
	}
	c.Close()
}

// needLoopbackNetwork skips the test where 127.0.0.1 is the only address of 127.0.0.0/8.
func needLoopbackNetwork(t testing.TB) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("this system has no 127.0.0.5")
	}
}

// needInterfaces skips the test where the system does not list its interfaces, as an emulator's may not.
func needInterfaces(t testing.TB) {
	t.Helper()
	if all, err := net.Interfaces(); err != nil || len(all) == 0 {
		t.Skipf("this host does not list its interfaces: %v", err)
	}
}

// needTold skips the test where c is not told the address that each datagram was sent to.
func needTold(t testing.TB, c core.Conn) {
	t.Helper()
	if !native.Told(c) {
		t.Skipf("%s does not tell the address that a datagram was sent to", runtime.GOOS)
	}
}

// transports are the ways to a socket that this system has.
var transports = map[string]native.Options{
	"usual":    {Workers: 1},
	"portable": {Workers: 1, Portable: true},
}

// transport is one of them, in a test.
type transport native.Options

// each runs f with every transport.
func each(t *testing.T, f func(t *testing.T, way transport)) {
	for name, o := range transports {
		t.Run(name, func(t *testing.T) { f(t, transport(o)) })
	}
}

// listen opens addr, which takes one Conn, and closes it when the test ends.
func (way transport) listen(t testing.TB, addr string) core.Conn {
	t.Helper()
	conns := way.listenAll(t, addr)
	if len(conns) != 1 {
		t.Fatalf("Listen(%q) returned %d Conns, want 1", addr, len(conns))
	}
	return conns[0]
}

func (way transport) listenAll(t testing.TB, addr string) []core.Conn {
	t.Helper()
	conns, err := native.Listen(addr, native.Options(way))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, c := range conns {
			c.Close()
		}
	})
	return conns
}

// listen opens addr with the usual transport and one worker.
func listen(t testing.TB, addr string) core.Conn {
	t.Helper()
	return transport{Workers: 1}.listen(t, addr)
}

func listenAll(t testing.TB, addr string) []core.Conn {
	t.Helper()
	return transport{Workers: 1}.listenAll(t, addr)
}

// serve answers on c until the test ends, with what answer returns for each message; nil is silence.
func serve(t testing.TB, c core.Conn, answer func(m *core.Message) []byte) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		b := core.NewBatch()
		for {
			if err := c.Receive(b); err != nil {
				done <- err
				return
			}
			for i := range b.Messages {
				if data := answer(&b.Messages[i]); data != nil {
					b.Answer(i, data)
				}
			}
			if err := c.Send(b); err != nil {
				done <- err
				return
			}
		}
	}()
	t.Cleanup(func() {
		c.Interrupt()
		if err := <-done; !errors.Is(err, core.ErrInterrupted) {
			t.Errorf("the server ended with %v", err)
		}
	})
}

func echo(m *core.Message) []byte { return m.Data }

// peer is a plain socket that talks to a Conn.
type peer struct {
	*net.UDPConn
	t    testing.TB
	data []byte
}

// newPeer opens a socket at ip, at port 0, and closes it when the test ends.
func newPeer(t testing.TB, ip string) *peer {
	t.Helper()
	network := "udp4"
	if netip.MustParseAddr(ip).Is6() {
		network = "udp6"
	}
	c, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(ip), 0)))
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { c.Close() })
	return &peer{c, t, make([]byte, 1<<16)}
}

func (p *peer) addr() netip.AddrPort { return p.LocalAddr().(*net.UDPAddr).AddrPort() }

func (p *peer) send(to netip.AddrPort, data []byte) {
	p.t.Helper()
	if _, err := p.WriteToUDPAddrPort(data, to); err != nil {
		p.t.Fatal(err)
	}
}

// receive returns the next datagram and where it is from.
func (p *peer) receive() ([]byte, netip.AddrPort) {
	p.t.Helper()
	n, _, _, from, err := p.ReadMsgUDPAddrPort(p.data, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return p.data[:n], from
}

// at returns the address ip with the port of c.
func at(ip string, c core.Conn) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(ip), c.LocalAddr().Port())
}

// receiveOne receives a batch of one message.
func receiveOne(t testing.TB, c core.Conn, b *core.Batch) *core.Message {
	t.Helper()
	if err := c.Receive(b); err != nil {
		t.Fatal(err)
	}
	if len(b.Messages) != 1 {
		t.Fatalf("received %d messages, want 1", len(b.Messages))
	}
	return &b.Messages[0]
}
