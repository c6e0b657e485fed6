package native_test

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"

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
