package netns_test

import (
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/retort-udp/retort/native/internal/netns"
)

// Each host has its own sockets and interfaces, and all three addresses of one can be reached from the other.
func TestHosts(t *testing.T) {
	a, b := netns.New(t)
	for _, ip := range []netip.Addr{b.V4, b.V6, b.LinkLocal} {
		var server net.PacketConn
		b.Do(func() {
			var err error
			if server, err = net.ListenPacket("udp", netip.AddrPortFrom(ip, 0).String()); err != nil {
				t.Fatal(err)
			}
		})
		defer server.Close()
		server.SetDeadline(time.Now().Add(10 * time.Second))
		at := server.LocalAddr().(*net.UDPAddr).AddrPort()
		if ip.Zone() != "" {
			at = netip.AddrPortFrom(ip.WithZone(a.Interface), at.Port()) // the link has another name there
		}
		a.Do(func() {
			c, err := net.Dial("udp", at.String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := c.Write([]byte("hello")); err != nil {
				t.Fatal(err)
			}
		})
		data := make([]byte, 100)
		n, _, err := server.ReadFrom(data)
		if err != nil || string(data[:n]) != "hello" {
			t.Errorf("%v: %q, %v", ip, data[:n], err)
		}
	}
}

// A test that ends on a host ends.
func TestFatalOnAHost(t *testing.T) {
	a, _ := netns.New(t)
	behind := true
	t.Run("skips", func(t *testing.T) {
		a.Do(func() { t.Skip("as it should") })
		behind = false
	})
	if !behind {
		t.Error("Do returned though the test was to end")
	}
}

// Programs run on their host, with its firewall.
func TestFirewall(t *testing.T) {
	a, b := netns.New(t)
	b.Firewall("table inet t {\n chain c {\n type filter hook input priority 0\n udp dport 9 drop\n }\n}\n")
	if rules := b.Run("nft", "list", "ruleset"); !strings.Contains(rules, "udp dport 9 drop") {
		t.Errorf("host b has the rules %q", rules)
	}
	if rules := a.Run("nft", "list", "ruleset"); rules != "" {
		t.Errorf("host a has the rules %q", rules)
	}
}

// What happens on the hosts is no concern of the machine.
func TestTheMachineStaysAsItIs(t *testing.T) {
	a, _ := netns.New(t)
	if out, err := exec.Command("ip", "link").Output(); err != nil || strings.Contains(string(out), a.Interface) {
		t.Errorf("the machine has the link, too: %v\n%s", err, out)
	}
}
