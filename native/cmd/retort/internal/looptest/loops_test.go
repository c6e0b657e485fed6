package looptest

import (
	"bufio"
	"maps"
	"net/netip"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/retort-udp/retort/core/guard"
	"github.com/retort-udp/retort/core/guard/guardtest"
	"github.com/retort-udp/retort/native"
)

// One forged datagram between every handler, in a server of its own, and every service: each exchange ends within its
// bound. All are on low ports, and all begin at once.
func TestLoopsWithServices(t *testing.T) {
	t.Parallel()
	ours := make(map[string]*running)
	for name, h := range guardtest.Handlers(t) {
		ours[name] = serve(t, "127.0.0.1", true, h, nil)
	}
	services := runAgainst(t, "127.0.0.1", ours)
	allEnd(t, ours, services)
	t.Logf("%d pairings", len(ours)*len(services))
}

// The same where the service is on a port of those that systems give to clients: it may be a client.
func TestLoopsWithServicesOnClientPorts(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("each of these loops has 65,538 exchanges")
	}
	services := guardtest.Services()
	us := serve(t, "127.0.0.1", true, guardtest.Handlers(t)["time"], nil)
	var all []*other
	for _, name := range []string{"listing", "chargen", "daytime"} {
		i := slices.IndexFunc(services, func(s guardtest.Service) bool { return s.Name == name })
		o := run(t, "127.0.0.1", false, services[i])
		all = append(all, o)
		forge(t, o.addr, us.addr, []byte("x"))
	}
	overWith(t, uint64(len(all)), us)
	s := us.stop()
	for _, o := range all {
		n := us.heard[o.addr]
		t.Logf("time and %s on port %d: it lived %d datagrams", o.name, o.addr.Port(), n)
		if n > guardtest.MostClient || n <= guard.DefaultClientPortExchanges && o.addr.Port() >= guard.DefaultClientPorts {
			t.Errorf("time and %s on port %d: it lived %d datagrams, the most is %d",
				o.name, o.addr.Port(), n, guardtest.MostClient)
		}
	}
	if s.Refused[guard.Loop] != uint64(len(all)) {
		t.Errorf("%d replies were withheld for good, want %d", s.Refused[guard.Loop], len(all))
	}
}

// One forged datagram between every two of ours, all at once.
func TestLoopsBetweenOurs(t *testing.T) {
	t.Parallel()
	ours := make(map[string]*running)
	names := make(map[netip.AddrPort]string)
	for name, h := range guardtest.Handlers(t) {
		ours[name] = serve(t, "127.0.0.1", true, h, nil)
		names[ours[name].addr] = name
	}
	for first, a := range ours {
		data := guardtest.FirstAnswered(t, a.Handler)
		for second, b := range ours {
			if first < second { // a second loop of two would make them look like pipelined clients
				forge(t, b.addr, a.addr, data)
			}
		}
	}
	over(t, slices.Collect(maps.Values(ours))...)
	for name, us := range ours {
		us.inBounds(t, name, names)
		s := us.stop()
		t.Logf("%s: received %d, replied to %d; dropped %d that were its own replies, and %d ends of loops",
			name, s.Received, s.Replied, s.Refused[guard.Returned], s.Refused[guard.Loop])
	}
}

// What claims to come from ourselves, under any name, or from no host at all is not answered once.
func TestForgedSources(t *testing.T) {
	t.Parallel()
	local, err := native.LocalAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, ip := range []string{"127.0.0.1", "0.0.0.0", "::"} {
		us := serve(t, ip, false, guardtest.Handlers(t)["echo"], &guard.Policy{Local: local})
		port := us.addr.Port()
		at := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)
		want := make(map[guard.Verdict]uint64)
		refused := func(from string, port uint16, why guard.Verdict) {
			forge(t, netip.AddrPortFrom(netip.MustParseAddr(from), port), at, []byte("x"))
			want[why]++
		}
		refused("127.0.0.1", port, guard.Own)
		refused("127.0.0.1", 0, guard.PortZero)
		refused("255.255.255.255", 40000, guard.Broadcast)
		refused("224.0.0.1", 40000, guard.Multicast)
		refused("127.255.255.255", 40000, guard.Broadcast)
		refused("127.0.0.0", 40000, guard.Broadcast)
		if ip != "127.0.0.1" {
			refused("127.1.2.3", port, guard.Own)
			for _, own := range local {
				if own.Is4() && !own.IsLoopback() {
					refused(own.String(), port, guard.Own)
				}
			}
		}
		over(t, us)
		s := us.stop()
		for why, n := range want {
			if s.Refused[why] != n {
				t.Errorf("on %s: %d were refused as %v, want %d", ip, s.Refused[why], why, n)
			}
		}
		if s.Replied != 0 {
			t.Errorf("on %s: replied %d times", ip, s.Replied)
		}
	}
}

// python runs the teaching listing's server in Python on an address of this host, and returns where it listens.
func python(t testing.TB, ip string) netip.AddrPort {
	t.Helper()
	interpreter, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3 to run the teaching listing with")
	}
	cmd := exec.Command(interpreter, "../../testdata/peer.py", "server", ip)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatal("the listing does not begin")
	}
	m := regexp.MustCompile(`^Listening at \('.*', (\d+)\)$`).FindStringSubmatch(lines.Text())
	if m == nil {
		t.Fatalf("the listing says %q", lines.Text())
	}
	go func() {
		for lines.Scan() { // or it would block
		}
	}()
	port, _ := strconv.ParseUint(m[1], 10, 16)
	return netip.AddrPortFrom(netip.MustParseAddr(ip), uint16(port))
}

// The listing and each handler. Where these come to a fixed point it is over at once. The listing's port is one of
// clients, so the others would live for long, and the policy says that it is a service's.
func TestLoopsWithTheListing(t *testing.T) {
	t.Parallel()
	for name, h := range guardtest.Handlers(t) {
		t.Run(name, func(t *testing.T) {
			listing := python(t, "127.0.0.1")
			us := serve(t, "127.0.0.1", true, h, &guard.Policy{ServicePorts: []uint16{listing.Port()}})
			forge(t, listing, us.addr, guardtest.FirstAnswered(t, h))
			over(t, us)
			s := us.stop()
			t.Logf("it lived %d datagrams; dropped %d replies of ours and %d ends of loops",
				s.Received, s.Refused[guard.Returned], s.Refused[guard.Loop])
			if s.Received > guardtest.MostLow {
				t.Errorf("it lived %d datagrams, the most is %d", s.Received, guardtest.MostLow)
			}
			if name == "length" && s.Received > 3 {
				t.Errorf("it lived %d datagrams though it has a fixed point", s.Received)
			}
		})
	}
}

// On a port that systems give to clients the listing is taken for a client for 65,536 exchanges.
func TestLoopWithTheListingOnItsPort(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("the loop has 65,538 exchanges")
	}
	listing := python(t, "127.0.0.1")
	us := serve(t, "127.0.0.1", true, guardtest.Handlers(t)["time"], nil)
	began := time.Now()
	forge(t, listing, us.addr, []byte("x"))
	overWith(t, 1, us)
	s := us.stop()
	t.Logf("it lived %d datagrams, %v", s.Received, time.Since(began)-quiet)
	if s.Received > guardtest.Most(listing.Port()) || s.Refused[guard.Loop] != 1 {
		t.Errorf("it lived %d datagrams, the most is %d; %d replies were withheld for good",
			s.Received, guardtest.Most(listing.Port()), s.Refused[guard.Loop])
	}
}
