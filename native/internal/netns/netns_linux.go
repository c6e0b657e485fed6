package netns

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Host is one of the two hosts. Its link is up, and so is its loopback interface.
type Host struct {
	Name      string     // "a" or "b"
	Interface string     // its end of the link; its MTU is 1,500 bytes
	V4        netip.Addr // on the link: 192.0.2.1/24 or .2 (RFC 5737)
	V6        netip.Addr // on the link: 2001:db8::1/64 or ::2 (RFC 3849)
	LinkLocal netip.Addr // on the link: fe80::1 or fe80::2, with the zone

	index     int // of the interface
	t         testing.TB
	namespace *os.File
}

// New returns two hosts with a link between them, for as long as the test runs.
func New(t testing.TB) (a, b *Host) {
	t.Helper()
	need(t)
	a, b = newHost(t, "a", 1), newHost(t, "b", 2)
	link(a, b)
	a.needInterface()
	return a, b
}

// NewRouted returns two hosts with a router between them, for as long as the test runs. A's link to it takes packets
// of 1,500 bytes and b's those of so many, at least 1,280, which b knows and a is to find out. B's addresses are
// 198.51.100.2/24 (RFC 5737) and 2001:db8:1::2/64.
func NewRouted(t testing.TB, mtu int) (a, b *Host) {
	t.Helper()
	need(t)
	a, b = newHost(t, "a", 1), newHost(t, "b", 2)
	toA := newHost(t, "router-a", 2)
	toA.index = 104
	toB := *toA // the other end of the router
	toB.Name, toB.Interface, toB.index = "router-b", "link-router-b", 105
	toB.V4, toB.V6 = netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("2001:db8:1::1")
	toB.LinkLocal = a.LinkLocal.WithZone(toB.Interface)
	b.V4, b.V6 = netip.MustParseAddr("198.51.100.2"), netip.MustParseAddr("2001:db8:1::2")
	link(a, toA)
	a.needInterface()
	link(b, &toB)
	for _, h := range []*Host{b, &toB} {
		h.ip("link set " + h.Interface + " mtu " + strconv.Itoa(mtu))
	}
	toA.forward()
	for h, router := range map[*Host]*Host{a: toA, b: &toB} {
		h.ip("route add default via "+router.V4.String(), "-6 route add default via "+router.V6.String())
	}
	return a, b
}

// forward makes a router of a host.
func (h *Host) forward() {
	h.t.Helper()
	h.Do(func() {
		for _, setting := range []string{"ipv4/ip_forward", "ipv6/conf/all/forwarding"} {
			if err := os.WriteFile("/proc/sys/net/"+setting, []byte("1"), 0); err != nil {
				h.t.Skipf("this machine lets no host be a router: %v", err)
			}
		}
	})
}

// need skips the test where a namespace cannot be made, as far as that shows.
func need(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can make network namespaces")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("there is no ip (iproute2) to set up network namespaces with")
	}
}

// needInterface skips the test where the host's end of the link is hidden from it.
func (h *Host) needInterface() {
	h.t.Helper()
	h.Do(func() {
		if _, err := net.InterfaceByName(h.Interface); err != nil {
			h.t.Skipf("programs are not told of the interface that ip has made, as under qemu: %v", err)
		}
	})
}

// Relink removes the link and makes it again. B's end has the same name and another index.
func Relink(a, b *Host) {
	a.t.Helper()
	a.ip("link del " + a.Interface)
	b.index++
	link(a, b)
}

// link makes the link. The interfaces have indexes of their own: package net remembers which name belongs to an
// index, and knows nothing of namespaces.
func link(a, b *Host) {
	a.t.Helper()
	a.Run("ip", "link", "add", a.Interface, "index", strconv.Itoa(a.index), "type", "veth",
		"peer", "name", b.Interface, "index", strconv.Itoa(b.index),
		"netns", fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), b.namespace.Fd()))
	hosts := []*Host{a, b}
	for _, h := range hosts {
		h.ip("link set " + h.Interface + " addrgenmode none up")
	}
	for _, h := range hosts {
		h.await("-oneline link show "+h.Interface, func(s string) bool { return strings.Contains(s, "state UP") })
		h.setAddresses()
	}
}

// newHost makes a namespace with nothing in it but its loopback interface, which is up.
func newHost(t testing.TB, name string, number byte) *Host {
	t.Helper()
	h := &Host{
		Name:      name,
		Interface: "link-" + name,
		V4:        netip.AddrFrom4([4]byte{192, 0, 2, number}),
		V6:        netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 15: number}),
		index:     100 + int(number),
		t:         t,
	}
	h.LinkLocal = netip.AddrFrom16([16]byte{0xfe, 0x80, 15: number}).WithZone(h.Interface)
	made := make(chan error)
	go func() {
		runtime.LockOSThread() // for ever: this thread is of no use to others, and ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			h.namespace, err = os.Open("/proc/thread-self/ns/net")
		}
		made <- err
	}()
	if err := <-made; err != nil {
		t.Skipf("this machine lets nobody make network namespaces: %v", err)
	}
	t.Cleanup(func() { h.namespace.Close() })
	h.ip("link set lo up")
	return h
}

// ip runs commands of ip(8).
func (h *Host) ip(commands ...string) {
	h.t.Helper()
	for _, command := range commands {
		h.Run("ip", strings.Fields(command)...)
	}
}

// await waits until what a command of ip(8) prints is as it should be. The kernel sees to links and addresses in
// its own time, and loses what is sent until then.
func (h *Host) await(command string, done func(printed string) bool) {
	h.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		printed := h.Run("ip", strings.Fields(command)...)
		if done(printed) {
			return
		}
		if time.Now().After(deadline) {
			h.t.Fatalf("on host %s ip %s still says %s", h.Name, command, printed)
		}
	}
}

// setAddresses adds the addresses. They are used at once, without looking for others that have them (RFC 4862,
// section 5.4), which takes a second or two.
func (h *Host) setAddresses() {
	h.t.Helper()
	h.ip(
		"addr add "+h.V4.String()+"/24 broadcast + dev "+h.Interface,
		"addr add "+h.V6.String()+"/64 nodad dev "+h.Interface,
		"addr add "+h.LinkLocal.WithZone("").String()+"/64 nodad dev "+h.Interface,
	)
	h.await("-6 route show table local", func(s string) bool {
		return strings.Contains(s, "local "+h.V6.String()+" ") &&
			strings.Contains(s, "local "+h.LinkLocal.WithZone("").String()+" ")
	})
}

// Do runs f on this host and waits for it: the sockets that f opens, the interfaces that it sees and the programs
// that it starts are this host's. Goroutines that f starts are not on this host; Go starts those that are. F may
// end the test, as with t.Fatal.
func (h *Host) Do(f func()) {
	h.t.Helper()
	if !<-h.start(f) {
		runtime.Goexit() // as f did, which has said why
	}
}

// Go runs f on this host, as Do does, but beside the test, which waits for it when it ends. What makes f return
// is a t.Cleanup from after this call. F must not end the test: it may use t.Error, and not t.Fatal.
func (h *Host) Go(f func()) {
	var running sync.WaitGroup
	running.Add(1)
	h.t.Cleanup(running.Wait)
	done := h.start(f)
	go func() {
		defer running.Done()
		<-done
	}()
}

// start runs f in a thread of its own and tells when it has ended, and whether it returned.
func (h *Host) start(f func()) <-chan bool {
	done := make(chan bool, 1)
	go func() {
		returned := false
		defer func() { done <- returned }()
		runtime.LockOSThread() // for ever, as in newHost
		if err := unix.Setns(int(h.namespace.Fd()), unix.CLONE_NEWNET); err != nil {
			h.t.Errorf("enter the namespace of host %s: %v", h.Name, err)
			return
		}
		f()
		returned = true
	}()
	return done
}

// Run runs a program on this host and returns what it printed. The test ends when it fails.
func (h *Host) Run(program string, args ...string) string {
	h.t.Helper()
	return h.RunWithInput("", program, args...)
}

// RunWithInput is Run for a program that reads its standard input.
func (h *Host) RunWithInput(input, program string, args ...string) string {
	h.t.Helper()
	var out []byte
	var err error
	h.Do(func() {
		cmd := exec.Command(program, args...)
		cmd.Stdin = strings.NewReader(input)
		out, err = cmd.CombinedOutput()
	})
	if err != nil {
		h.t.Fatalf("on host %s: %s %s: %v\n%s", h.Name, program, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// Firewall loads a table of rules, in the language of nft(8), which skips the test where it is missing.
func (h *Host) Firewall(rules string) {
	h.t.Helper()
	if _, err := exec.LookPath("nft"); err != nil {
		h.t.Skip("there is no nft (nftables) to set up a firewall with")
	}
	h.RunWithInput(rules, "nft", "-f", "-")
}
