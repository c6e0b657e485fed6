//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly || windows

package native_test

import (
	"net/netip"
	"runtime"
	"testing"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/native"
)

// What is sent is of the kind that is received, but for macOS, which reads another field than it writes.
func TestPktinfoRoundTrip(t *testing.T) {
	for _, tt := range []struct {
		ip    string
		index uint32
	}{
		{"127.0.0.5", 0},
		{"::1", 0},
		{"fe80::1", 7},
		{"2001:db8::ffff", 0x01020304},
	} {
		ip := netip.MustParseAddr(tt.ip)
		control := native.AppendPktinfo(make([]byte, 0, native.ControlRoom), ip, tt.index)
		to, local, index, data := native.ParsePktinfo(control)
		if ip.Is4() {
			want4(t, ip, to, local, data)
			continue
		}
		if to != ip || index != tt.index {
			t.Errorf("%v of interface %d came back as %v of %d", ip, tt.index, to, index)
		}
	}
}

// want4 checks what an IPv4 source address looks like when it is read back.
func want4(t *testing.T, ip, to, local netip.Addr, data []byte) {
	t.Helper()
	four := ip.As4()
	switch runtime.GOOS {
	case "linux", "android": // ipi_spec_dst is the source
		if local != ip || !to.IsUnspecified() {
			t.Errorf("ipi_spec_dst is %v, ipi_addr %v, want %v and nothing", local, to, ip)
		}
	case "darwin", "ios":
		if [4]byte(data) != [4]byte{} || [4]byte(data[4:]) != four {
			t.Errorf("in_pktinfo is % x, want %v as ipi_spec_dst and no index", data, ip)
		}
	default:
		if to != ip {
			t.Errorf("%v came back as %v", ip, to)
		}
	}
}

// A link-local address says nothing without its link, which comes from the peer's address or, where that is
// no link-local one, from the kernel; the answer takes it back.
func TestLinkLocal(t *testing.T) {
	needInterfaces(t)
	i, err := loopback()
	if err != nil {
		t.Skip(err)
	}
	index := uint32(i.Index)
	wildcard := netip.MustParseAddrPort("[::]:1060")
	for _, tt := range []struct {
		from, to, want string
		group          bool
		answer         string // the source that the kernel is told; "" for none
	}{
		{"[2001:db8::2]:9", "fe80::1", "fe80::1%" + i.Name, false, "fe80::1"},
		{"[fe80::2%" + i.Name + "]:9", "fe80::1", "fe80::1%" + i.Name, false, "fe80::1"},
		{"[fe80::2%" + i.Name + "]:9", "ff02::1", "ff02::1%" + i.Name, true, ""},
		{"[2001:db8::2]:9", "ff0e::1", "ff0e::1", true, ""},
		{"[2001:db8::2]:9", "2001:db8::1", "2001:db8::1", false, "2001:db8::1"},
	} {
		s := &scripted{from: netip.MustParseAddrPort(tt.from)}
		s.control = native.AppendPktinfo(make([]byte, 0, native.ControlRoom), netip.MustParseAddr(tt.to), index)
		c := native.NewToldConn(s, wildcard)
		b := core.NewBatch()
		m := receiveOne(t, c, b)
		if m.To != netip.AddrPortFrom(netip.MustParseAddr(tt.want), 1060) || m.Group != tt.group {
			t.Errorf("from %s to %s: %+v, want to %s, group %v", tt.from, tt.to, m, tt.want, tt.group)
		}
		b.Answer(0, []byte("x"))
		if err := c.Send(b); err != nil || len(s.controls) != 1 {
			t.Fatalf("sent %d: %v", len(s.controls), err)
		}
		source, _, link, _ := native.ParsePktinfo(s.controls[0])
		switch {
		case tt.answer == "" && len(s.controls[0]) != 0:
			t.Errorf("the answer from the group %s has the source %v", tt.to, source)
		case tt.answer != "" && source != netip.MustParseAddr(tt.answer):
			t.Errorf("the answer leaves from %v, want %s", source, tt.answer)
		case tt.answer != "" && (link == index) != source.IsLinkLocalUnicast():
			t.Errorf("the answer from %v leaves over interface %d", source, link)
		}
	}
}

// A kernel that has promised to tell the address and does not is served all the same.
func TestWithoutControl(t *testing.T) {
	s := new(scripted)
	wildcard := netip.MustParseAddrPort("0.0.0.0:1060")
	c := native.NewToldConn(s, wildcard)
	b := core.NewBatch()
	if m := receiveOne(t, c, b); m.To != wildcard || m.Group {
		t.Errorf("received %+v", m)
	}
	b.Answer(0, []byte("x"))
	if err := c.Send(b); err != nil || len(s.controls) != 1 || len(s.controls[0]) != 0 {
		t.Errorf("sent %v, %v", s.controls, err)
	}
}

// Whatever a control buffer holds, it is read without harm.
func FuzzPktinfo(f *testing.F) {
	for _, ip := range []string{"127.0.0.5", "fe80::1"} {
		one := native.AppendPktinfo(make([]byte, 0, native.ControlRoom), netip.MustParseAddr(ip), 7)
		f.Add(one)
		f.Add(one[:len(one)-1])
		f.Add(append(one[:len(one):len(one)], one...))
	}
	f.Add([]byte{})
	f.Add(make([]byte, 64))
	f.Fuzz(func(t *testing.T, control []byte) {
		to, _, _, _ := native.ParsePktinfo(control)
		if to.Zone() != "" || to.Is4In6() {
			t.Errorf("read %v", to)
		}
		for rest := control; ; {
			data, next, ok := native.NextControl(rest)
			if !ok {
				break
			}
			if len(next) >= len(rest) || len(data) >= len(rest) {
				t.Fatalf("%d bytes hold %d and leave %d", len(rest), len(data), len(next))
			}
			rest = next
		}
	})
}
