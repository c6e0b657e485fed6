package looptest

import (
	"context"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/guard"
	"github.com/retort-udp/retort/core/guard/guardtest"
	"github.com/retort-udp/retort/core/server"
	"github.com/retort-udp/retort/native"
)

const (
	// quiet is how long nothing must arrive for a loop to be over. One on loopback turns thousands of times in it.
	quiet = 200 * time.Millisecond

	// patience bounds a test that fails, and decides nothing else.
	patience = 60 * time.Second
)

// running is a server of ours on a socket.
type running struct {
	*server.Server
	addr netip.AddrPort
	stop func() server.Stats // stops it and returns what it counted
}

// serve serves h on ip, at a low port or at one of those that systems give to clients. P may be nil.
func serve(t testing.TB, ip string, low bool, h core.Handler, p *guard.Policy) *running {
	t.Helper()
	var conns []core.Conn
	bind(t, low, func(port uint16) (err error) {
		conns, err = native.Listen(netip.AddrPortFrom(netip.MustParseAddr(ip), port).String(), native.Options{Workers: 1})
		return err
	})
	s := &server.Server{Handler: h, Guard: p, Drain: -1}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, conns...) }()
	stopped := false
	r := &running{Server: s, addr: conns[0].LocalAddr()}
	r.stop = func() server.Stats {
		if !stopped {
			stopped = true
			cancel()
			if err := <-done; err != nil {
				t.Errorf("serve on %v: %v", r.addr, err)
			}
			for _, c := range conns {
				c.Close()
			}
		}
		return s.Stats()
	}
	t.Cleanup(func() { r.stop() })
	return r
}

// bind calls listen with a port until it succeeds: with low ones, or with 0.
func bind(t testing.TB, low bool, listen func(port uint16) error) {
	t.Helper()
	var err error
	for range 50 {
		port := uint16(0)
		if low {
			port = uint16(2000 + rand.IntN(int(guard.DefaultClientPorts)-2000))
		}
		if err = listen(port); err == nil {
			return
		}
	}
	t.Fatalf("no port can be had: %v", err)
}

// socket opens a UDP socket on ip. It is closed when the test ends.
func socket(t testing.TB, ip string, low bool) (c *net.UDPConn, addr netip.AddrPort) {
	t.Helper()
	bind(t, low, func(port uint16) (err error) {
		at := netip.AddrPortFrom(netip.MustParseAddr(ip), port)
		c, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		return err
	})
	t.Cleanup(func() { c.Close() })
	addr = c.LocalAddr().(*net.UDPAddr).AddrPort()
	return c, netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
}

// other is somebody else's service on a socket.
type other struct {
	name string
	addr netip.AddrPort
	sent atomic.Uint64
}

// run runs a service until the test ends.
func run(t testing.TB, ip string, low bool, s guardtest.Service) *other {
	t.Helper()
	c, addr := socket(t, ip, low)
	o := &other{name: s.Name, addr: addr}
	answer := s.New(rand.New(rand.NewPCG(1, 2)))
	go func() {
		buffer := make([]byte, 65536)
		for {
			n, from, err := c.ReadFromUDPAddrPort(buffer)
			if err != nil {
				return
			}
			if reply := answer(time.Now(), buffer[:n]); reply != nil {
				o.sent.Add(1)
				c.WriteToUDPAddrPort(reply, from)
			}
		}
	}()
	return o
}

// over waits until nothing arrives at any of the servers any more.
func over[S interface{ Stats() server.Stats }](t testing.TB, servers ...S) {
	t.Helper()
	deadline := time.Now().Add(patience)
	last, since := uint64(0), time.Now()
	for time.Since(since) < quiet || last == 0 {
		time.Sleep(5 * time.Millisecond)
		total := uint64(0)
		for _, s := range servers {
			total += s.Stats().Received
		}
		if total != last {
			last, since = total, time.Now()
		}
		if time.Now().After(deadline) {
			t.Fatalf("it is not over after %v and %d datagrams", patience, total)
		}
	}
}

// needLoopbackNetwork skips the test where 127.0.0.1 is the only address of 127.0.0.0/8.
func needLoopbackNetwork(t testing.TB) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skipf("%s has no 127.0.0.2", runtime.GOOS)
	}
}
