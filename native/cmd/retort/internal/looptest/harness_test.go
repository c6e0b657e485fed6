package looptest

import (
	"context"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"slices"
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
	addr  netip.AddrPort
	stop  func() server.Stats       // stops it and returns what it counted
	heard map[netip.AddrPort]uint64 // how many datagrams came from whom; to be read when it has stopped
}

// observe counts a datagram. It is called by the one worker.
func (r *running) observe(o *server.Observation) {
	if o.Outcome != server.Released { // which is about another
		r.heard[o.Datagram.From]++
	}
}

// serve serves h on ip, at a low port or at one of those that systems give to clients. P may be nil, and what is around
// the Conn may be left out.
func serve(t testing.TB, ip string, low bool, h core.Handler, p *guard.Policy, around ...func(core.Conn) core.Conn) *running {
	t.Helper()
	var conns []core.Conn
	bind(t, low, func(port uint16) (err error) {
		conns, err = native.Listen(netip.AddrPortFrom(netip.MustParseAddr(ip), port).String(), native.Options{Workers: 1})
		return err
	})
	r := &running{addr: conns[0].LocalAddr(), heard: make(map[netip.AddrPort]uint64)}
	s := &server.Server{Handler: h, Guard: p, Drain: -1, Observe: r.observe}
	r.Server = s
	served := conns
	for _, a := range around {
		served = []core.Conn{a(served[0])}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, served...) }()
	stopped := false
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
				c.WriteToUDPAddrPort(reply, from)
			}
		}
	}()
	return o
}

// runAgainst runs every service on a low port, and forges a datagram from each to each of ours. It returns their names.
func runAgainst(t testing.TB, ip string, ours map[string]*running) (services map[netip.AddrPort]string) {
	t.Helper()
	services = make(map[netip.AddrPort]string)
	for _, s := range guardtest.Services() {
		o := run(t, ip, true, s)
		services[o.addr] = o.name
	}
	for _, us := range ours {
		data := guardtest.FirstAnswered(t, us.Handler)
		for addr := range services {
			forge(t, addr, us.addr, data)
		}
	}
	return services
}

// allEnd waits for the end of the loops that runAgainst has begun, and checks that there was one in every pairing.
func allEnd(t testing.TB, ours map[string]*running, services map[netip.AddrPort]string) {
	t.Helper()
	over(t, slices.Collect(maps.Values(ours))...)
	for name, us := range ours {
		us.wasAsked(t, name, services)
		us.inBounds(t, name, services)
	}
}

// over waits until nothing arrives at any of the servers any more, and no reply is withheld that may leave late.
func over[S interface{ Stats() server.Stats }](t testing.TB, servers ...S) {
	t.Helper()
	deadline := time.Now().Add(patience)
	last, since := uint64(0), time.Now()
	for time.Since(since) < quiet || last == 0 {
		time.Sleep(5 * time.Millisecond)
		total, waiting := uint64(0), uint64(0)
		for _, server := range servers {
			s := server.Stats()
			total += s.Received
			waiting += s.Withheld - s.Released - s.Refused[guard.Loop]
		}
		if total != last || waiting > 0 {
			last, since = total, time.Now()
		}
		if time.Now().After(deadline) {
			t.Fatalf("it is not over after %v and %d datagrams", patience, total)
		}
	}
}

// overWith is over for loops each of which ends with a reply that is lost: there are to be so many. A peer that is held
// up for longer than quiet does not look like the end of its loop then.
func overWith(t testing.TB, ends uint64, us *running) {
	t.Helper()
	lost := func() uint64 { return us.Stats().Refused[guard.Loop] }
	for deadline := time.Now().Add(patience); lost() < ends; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d replies are lost after %v, want %d", lost(), patience, ends)
		}
	}
	over(t, us)
}

// inBounds stops one of ours and checks that its exchange with each of its peers, whose names are given, ended in time.
func (r *running) inBounds(t testing.TB, name string, peers map[netip.AddrPort]string) {
	t.Helper()
	r.stop()
	for addr, peer := range peers {
		n := r.heard[addr]
		if testing.Verbose() {
			t.Logf("%s and %s on %v: it lived %d datagrams", name, peer, addr, n)
		}
		if n > guardtest.MostLow {
			t.Errorf("%s and %s on %v: it lived %d datagrams, the most is %d", name, peer, addr, n, guardtest.MostLow)
		}
	}
}

// wasAsked checks that each of its peers has asked one of ours, or it shows nothing that their exchanges have ended.
func (r *running) wasAsked(t testing.TB, name string, peers map[netip.AddrPort]string) {
	t.Helper()
	r.stop()
	for addr, peer := range peers {
		if r.heard[addr] == 0 {
			t.Errorf("%s and %s on %v: the datagram that was forged has not arrived", name, peer, addr)
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
