package native_test

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/retort-udp/retort/core/guard"
	"github.com/retort-udp/retort/native"
)

func TestLocalAddrs(t *testing.T) {
	needInterfaces(t)
	addrs, err := native.LocalAddrs()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(addrs, netip.MustParseAddr("127.0.0.1")) {
		t.Errorf("%v lacks 127.0.0.1", addrs)
	}
	if !slices.IsSortedFunc(addrs, netip.Addr.Compare) || len(slices.Compact(slices.Clone(addrs))) != len(addrs) {
		t.Errorf("%v has no order, or something twice", addrs)
	}
	for _, a := range addrs {
		if a.Is4In6() || !a.IsValid() {
			t.Errorf("%v is not in its plain form", a)
		}
		if linkLocal := a.Is6() && a.IsLinkLocalUnicast(); linkLocal != (a.Zone() != "") {
			t.Errorf("%v: a link-local address has a zone and no other has", a)
		}
		if a.Zone() != "" {
			if _, err := net.InterfaceByName(a.Zone()); err != nil {
				t.Errorf("%v: %v", a, err)
			}
		}
	}
}

func TestBroadcastOfANetwork(t *testing.T) {
	for _, tt := range []struct {
		addr string
		bits int
		want string // "" for none
	}{
		{"192.0.2.7", 24, "192.0.2.255"},
		{"10.1.2.3", 8, "10.255.255.255"},
		{"10.1.2.3", 20, "10.1.15.255"},
		{"192.0.2.1", 30, "192.0.2.3"},
		{"192.0.2.1", 31, ""},
		{"192.0.2.1", 32, ""},
		{"2001:db8::1", 64, ""},
	} {
		got, ok := native.Broadcast(netip.MustParseAddr(tt.addr), tt.bits)
		if ok != (tt.want != "") || ok && got.String() != tt.want {
			t.Errorf("%s/%d: %v %v, want %q", tt.addr, tt.bits, got, ok, tt.want)
		}
	}
}

// The broadcast addresses of the loopback network are among them where that is 127.0.0.0/8,
// and no address of this host is.
func TestBroadcastAddrs(t *testing.T) {
	needInterfaces(t)
	all, err := native.BroadcastAddrs()
	if err != nil {
		t.Fatal(err)
	}
	local, err := native.LocalAddrs()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.IsSortedFunc(all, netip.Addr.Compare) || len(slices.Compact(slices.Clone(all))) != len(all) {
		t.Errorf("%v has no order, or something twice", all)
	}
	for _, a := range all {
		if !a.Is4() || slices.Contains(local, a) {
			t.Errorf("%v is no broadcast address", a)
		}
	}
	loopback := slices.ContainsFunc(loopbackPrefixes(t), func(p netip.Prefix) bool { return p.String() == "127.0.0.0/8" })
	for _, a := range []string{"127.0.0.0", "127.255.255.255"} {
		if got := slices.Contains(all, netip.MustParseAddr(a)); got != loopback {
			t.Errorf("%s is one: %v, want %v; they are %v", a, got, loopback, all)
		}
	}
}

// loopbackPrefixes returns the networks of the loopback interfaces.
func loopbackPrefixes(t *testing.T) (all []netip.Prefix) {
	t.Helper()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().IsLoopback() {
			all = append(all, p.Masked())
		}
	}
	return all
}

// A policy learns of its host what its server needs to know.
func TestKnowHost(t *testing.T) {
	needInterfaces(t)
	local, err := native.LocalAddrs()
	if err != nil {
		t.Fatal(err)
	}
	broadcast, err := native.BroadcastAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		listening        string
		local, broadcast []netip.Addr
	}{
		{"127.0.0.1:1060", nil, nil}, {"[::1]:1060", nil, nil},
		{"192.0.2.1:1060", nil, broadcast}, {"[::ffff:192.0.2.1]:1060", nil, broadcast},
		{"0.0.0.0:1060", local, broadcast}, {"[::]:1060", local, broadcast},
	} {
		var p guard.Policy
		err := native.KnowHost(&p, netip.MustParseAddrPort("127.0.0.1:1061"), netip.MustParseAddrPort(tt.listening))
		if err != nil || !slices.Equal(p.Local, tt.local) || !slices.Equal(p.Broadcast, tt.broadcast) {
			t.Errorf("listening on %s: local %v, broadcast %v, %v", tt.listening, p.Local, p.Broadcast, err)
		}
		if err := p.Validate(); err != nil {
			t.Error(err)
		}
	}
}

func TestIsBroadcast(t *testing.T) {
	needInterfaces(t)
	if !native.IsBroadcast(netip.MustParseAddr("255.255.255.255")) {
		t.Error("255.255.255.255 is none")
	}
	addrs, err := native.LocalAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if native.IsBroadcast(a) {
			t.Errorf("%v, an address of this host, is one", a)
		}
	}
}

func TestZones(t *testing.T) {
	needInterfaces(t)
	interfaces, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	var z native.Zones
	for range 2 { // the second time from memory
		for _, i := range interfaces {
			if got := z.Name(uint32(i.Index)); got != i.Name {
				t.Errorf("interface %d is %q, want %q", i.Index, got, i.Name)
			}
			if got := z.Index(i.Name); got != uint32(i.Index) {
				t.Errorf("interface %q has index %d, want %d", i.Name, got, i.Index)
			}
		}
	}
	if got := z.Name(1 << 30); got != "1073741824" {
		t.Errorf("an interface that is not there is %q, want its number", got)
	}
	if got := z.Index("1073741824"); got != 1<<30 {
		t.Errorf("and back it is %d", got)
	}
	if got := z.Index("no-such-interface"); got != 0 {
		t.Errorf("an interface that is not there has index %d", got)
	}
	z.Remember(1<<20, "again")
	z.Remember(1<<21, "again")
	if got := z.Index("again"); got != 1<<21 {
		t.Errorf("an interface that was made again has index %d, the one that is gone had %d", got, 1<<20)
	}
	for i := range uint32(10000) {
		z.Remember(1<<22+i, fmt.Sprint("x", i))
	}
	if z.Known() > 1000 {
		t.Errorf("%d interfaces are remembered", z.Known())
	}
}
