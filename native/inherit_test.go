//go:build unix

package native_test

import (
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/native"
)

// handOver returns a descriptor of c's socket, as another process would get it.
func handOver(t *testing.T, c core.Conn) uintptr {
	t.Helper()
	var copied int
	err := native.WithDescriptor(c, func(fd uintptr) (err error) {
		copied, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return uintptr(copied)
}

// TestAdopt: what was sent before a socket was handed over is received after, by whichever transport.
func TestAdopt(t *testing.T) {
	for name, o := range map[string]native.Options{"default": {Workers: 1}, "portable": {Workers: 1, Portable: true}} {
		for _, addr := range []string{"127.0.0.1:0", "0.0.0.0:0"} {
			t.Run(name+" "+addr, func(t *testing.T) {
				conns, err := native.Listen(addr, o)
				if err != nil {
					t.Fatal(err)
				}
				old := conns[0]
				at := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), old.LocalAddr().Port())
				peer, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(at))
				if err != nil {
					t.Fatal(err)
				}
				defer peer.Close()
				if _, err := peer.Write([]byte("waits")); err != nil {
					t.Fatal(err)
				}
				s, err := native.Inherit(handOver(t, old))
				if err != nil {
					t.Fatal(err)
				}
				if s.Addr() != old.LocalAddr() {
					t.Errorf("it is bound to %v, not to %v", s.Addr(), old.LocalAddr())
				}
				if err := old.Close(); err != nil {
					t.Fatal(err)
				}
				adopted, err := native.Adopt([]*native.Inherited{s}, o)
				if err != nil {
					t.Fatal(err)
				}
				c := adopted[0]
				defer c.Close()
				b := core.NewBatch()
				if err := c.Receive(b); err != nil {
					t.Fatal(err)
				}
				m := b.Messages[0]
				if string(m.Data) != "waits" || m.To != at || m.Group {
					t.Errorf("received %q, sent to %v, to a group: %v", m.Data, m.To, m.Group)
				}
				b.Answer(0, append(b.Room(8), "answered"...))
				if err := c.Send(b); err != nil {
					t.Fatal(err)
				}
				text := make([]byte, 100)
				if n, err := peer.Read(text); err != nil || string(text[:n]) != "answered" {
					t.Errorf("%q, %v", text[:n], err)
				}
			})
		}
	}
}

// TestInheritRefuses: what is no socket that can be served is refused with a reason, and closed.
func TestInheritRefuses(t *testing.T) {
	file := func(t *testing.T) int {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		return duplicate(t, int(f.Fd()))
	}
	socket := func(domain, kind int) func(t *testing.T) int {
		return func(t *testing.T) int {
			fd, err := unix.Socket(domain, kind, 0)
			if err != nil {
				t.Fatal(err)
			}
			return fd
		}
	}
	for name, tt := range map[string]struct {
		descriptor func(t *testing.T) int
		want       string
	}{
		"a file":    {file, "is no UDP socket"},
		"TCP":       {socket(unix.AF_INET, unix.SOCK_STREAM), "is no UDP socket"},
		"unix":      {socket(unix.AF_UNIX, unix.SOCK_DGRAM), "is no UDP socket"},
		"not bound": {socket(unix.AF_INET, unix.SOCK_DGRAM), "not bound"},
		"connected": {connected, "is connected to 127.0.0.1:9"},
	} {
		t.Run(name, func(t *testing.T) {
			fd := tt.descriptor(t)
			s, err := native.Inherit(uintptr(fd))
			if err == nil {
				s.Close()
				t.Fatal("it was taken")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

func connected(t *testing.T) int {
	c, err := net.Dial("udp4", "127.0.0.1:9")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	raw, err := c.(*net.UDPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	copied := -1
	if err := raw.Control(func(fd uintptr) { copied = duplicate(t, int(fd)) }); err != nil {
		t.Fatal(err)
	}
	return copied
}

func duplicate(t *testing.T, fd int) int {
	copied, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Error(err)
	}
	return copied
}
