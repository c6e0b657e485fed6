package native_test

import (
	"errors"
	"net"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/native"
)

func TestListenAddresses(t *testing.T) {
	for _, tt := range []struct {
		addr string
		want string // the address that it binds
		six  bool
	}{
		{"127.0.0.1:0", "127.0.0.1", false},
		{"localhost:0", "127.0.0.1", false},
		{"LOCALHOST.:0", "127.0.0.1", false},
		{"0.0.0.0:0", "0.0.0.0", false},
		{"[::ffff:127.0.0.1]:0", "127.0.0.1", false},
		{"[::1]:0", "::1", true},
		{"[::1%1]:0", "::1", true}, // a zone means nothing there
	} {
		t.Run(tt.addr, func(t *testing.T) {
			if tt.six {
				needIPv6(t)
			}
			got := listen(t, tt.addr).LocalAddr()
			if got.Addr() != netip.MustParseAddr(tt.want) {
				t.Errorf("bound to %v, want %s", got, tt.want)
			}
			if got.Port() == 0 {
				t.Errorf("LocalAddr %v has no real port", got)
			}
		})
	}
}

// Addresses for documentation, which no host has (RFC 5737, RFC 3849).
const (
	goneIPv4 = "203.0.113.254"
	goneIPv6 = "2001:db8::1"
)

func TestListenErrors(t *testing.T) {
	for _, tt := range []struct{ addr, want string }{
		{"", "there is no port"},
		{"127.0.0.1", "there is no port"},
		{"127.0.0.1:", "there is no port"},
		{"::1", "stands in brackets"},
		{"::1:1060", "stands in brackets"},
		{"[::1]", "this is no host:port"},
		{"[::1:1060", "this is no host:port"},
		{"127.0.0.1:70000", "port 70000 is out of range 0 to 65535"},
		{"127.0.0.1:-1", "port -1 is out of range 0 to 65535"},
		{"127.0.0.1:99999999999999999999", "port 99999999999999999999 is out of range 0 to 65535"},
		{"127.0.0.1:no-such-service", `port "no-such-service" is neither a number nor the name`},
		{"[fe80::1]:0", "say which interface, as in fe80::1%eth0"},
		{"[fe80::1%no-such-if]:0", `there is no interface "no-such-if"`},
		{goneIPv4 + ":0", "listen on " + goneIPv4 + ":0: "},
	} {
		if onWine() && strings.HasPrefix(tt.addr, goneIPv4) {
			continue // Wine binds to it
		}
		conns, err := native.Listen(tt.addr, native.Options{})
		if err == nil {
			t.Errorf("Listen(%q) succeeded: %v", tt.addr, conns)
			continue
		}
		if !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "listen on ") {
			t.Errorf("Listen(%q): %v, want it to say %q", tt.addr, err, tt.want)
		}
	}
}

func TestListenOptionErrors(t *testing.T) {
	for _, o := range []native.Options{
		{ReadBuffer: -1}, {WriteBuffer: -1}, {ReadBuffer: 1 << 30}, {WriteBuffer: 1 << 30},
	} {
		_, err := native.Listen("127.0.0.1:0", o)
		if err == nil || !strings.Contains(err.Error(), "is out of range 0 to 1073741823") {
			t.Errorf("%+v: %v", o, err)
		}
	}
	for says, o := range map[string]native.Options{
		"-1 workers are out of range 1 to 1024":   {Workers: -1},
		"1025 workers are out of range 1 to 1024": {Workers: 1025},
		"-1ns is out of range 0 to 10ms":          {BusyPoll: -1},
		"1s is out of range 0 to 10ms":            {BusyPoll: time.Second},
		"busy polling needs the transport":        {BusyPoll: time.Microsecond, Portable: true},
		"GSO needs the transport":                 {GSO: native.GSOOn, Portable: true},
	} {
		if _, err := native.Listen("127.0.0.1:0", o); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: %v, want it to say %q", o, err, says)
		}
	}
	if runtime.GOOS != "linux" {
		_, err := native.Listen("127.0.0.1:0", native.Options{Workers: 2})
		if err == nil || !strings.Contains(err.Error(), "cannot spread the peers") {
			t.Errorf("two workers: %v", err)
		}
	}
}

// needErrno skips the test where package syscall does not tell errors by number.
func needErrno(t *testing.T) {
	t.Helper()
	if errInUse == nil {
		t.Skipf("%s has no error numbers", runtime.GOOS)
	}
}

func TestSecondServerIsRefused(t *testing.T) {
	needErrno(t)
	for _, tt := range []struct{ first, second string }{
		{"127.0.0.1", "127.0.0.1"},
		{"0.0.0.0", "0.0.0.0"},
		{"0.0.0.0", "127.0.0.1"},
		{"", ""},
		{"", "127.0.0.1"},
		{"127.0.0.1", ""},
		{"::1", "::1"},
		{"", "::1"},
	} {
		t.Run(tt.first+" then "+tt.second, func(t *testing.T) {
			if tt.first == "::1" || tt.second == "::1" {
				needIPv6(t)
			}
			first := listenAll(t, net.JoinHostPort(tt.first, "0"))[0]
			port := strconv.Itoa(int(first.LocalAddr().Port()))
			_, err := native.Listen(net.JoinHostPort(tt.second, port), native.Options{})
			if !errors.Is(err, errInUse) {
				t.Fatalf("got %v, want EADDRINUSE", err)
			}
			if !strings.Contains(err.Error(), "another program has the port") {
				t.Errorf("%v does not say what to do", err)
			}
		})
	}
}

// answersAs checks that conns, on a wildcard address, answer at ip, from ip.
func answersAs(t *testing.T, conns []core.Conn, ip string) {
	t.Helper()
	p := newPeer(t, ip)
	to := at(ip, conns[0])
	p.send(to, []byte("who?"))
	data, from := p.receive()
	if from != to {
		t.Errorf("asked %v, and %v answered", to, from)
	}
	if string(data) != to.Addr().String() {
		t.Errorf("the server says that it was asked at %s, want %v", data, to.Addr())
	}
}

// sayTo answers with the address that was asked.
func sayTo(m *core.Message) []byte {
	if m.Group {
		return []byte("group")
	}
	return []byte(m.To.Addr().String())
}

func TestBothFamilies(t *testing.T) {
	for _, addr := range []string{":0", "[::]:0"} {
		t.Run(addr, func(t *testing.T) {
			conns := listenAll(t, addr)
			needTold(t, conns[0])
			testBothFamilies(t, conns)
		})
	}
}

// The way of most systems works on all of them.
func TestBothFamiliesBySplitting(t *testing.T) {
	conns, err := native.ListenSplit(0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, c := range conns {
			c.Close()
		}
	})
	needTold(t, conns[0])
	testBothFamilies(t, conns)

	if _, err := native.ListenSplit(conns[0].LocalAddr().Port()); err == nil {
		t.Error("a second one can listen there")
	}
}

func TestSplittingOpensBothOrNone(t *testing.T) {
	needIPv6(t)
	needErrno(t)
	six := listen(t, "[::1]:0")
	port := six.LocalAddr().Port()
	if conns, err := native.ListenSplit(port); !errors.Is(err, errInUse) {
		t.Fatalf("got %v, %v", conns, err)
	}
	four, err := native.Listen("0.0.0.0:"+strconv.Itoa(int(port)), native.Options{})
	if err != nil {
		t.Fatalf("the IPv4 socket is still open: %v", err)
	}
	four[0].Close()
}

func testBothFamilies(t *testing.T, conns []core.Conn) {
	for _, c := range conns {
		if c.LocalAddr().Port() != conns[0].LocalAddr().Port() {
			t.Errorf("the Conns listen on different ports, %v and %v", conns[0].LocalAddr(), c.LocalAddr())
		}
		serve(t, c, sayTo)
	}
	answersAs(t, conns, "127.0.0.1")
	t.Run("another address", func(t *testing.T) {
		needLoopbackNetwork(t)
		answersAs(t, conns, "127.0.0.5")
	})
	t.Run("IPv6", func(t *testing.T) {
		needIPv6(t)
		answersAs(t, conns, "::1")
	})
}

func TestIPv4WildcardIsIPv4Only(t *testing.T) {
	needIPv6(t)
	c := listen(t, "0.0.0.0:0")
	six, err := native.Listen("[::1]:"+strconv.Itoa(int(c.LocalAddr().Port())), native.Options{})
	if err != nil {
		t.Fatalf("the port is taken in IPv6 as well: %v", err)
	}
	six[0].Close()
}

func TestListenAll(t *testing.T) {
	conns, err := native.ListenAll([]string{"127.0.0.1:0", "localhost:0", "0.0.0.0:0"}, native.Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	if len(conns) != 3 {
		t.Fatalf("opened %d, want 3", len(conns))
	}
	p := newPeer(t, "127.0.0.1")
	for _, c := range conns {
		t.Cleanup(func() { c.Close() })
		serve(t, c, echo)
		to := at("127.0.0.1", c)
		p.send(to, []byte("x"))
		if data, from := p.receive(); string(data) != "x" || from != to {
			t.Errorf("%v answered %q, want %v", from, data, to)
		}
	}
}

func TestListenAllOpensNoneOnFailure(t *testing.T) {
	free := listen(t, "127.0.0.1:0")
	taken := listen(t, "127.0.0.1:0")
	addr := free.LocalAddr().String()
	free.Close()

	conns, err := native.ListenAll([]string{addr, taken.LocalAddr().String()}, native.Options{})
	if err == nil {
		t.Fatalf("opened %v", conns)
	}
	again, err := native.Listen(addr, native.Options{})
	if err != nil {
		t.Fatalf("the first address is still taken: %v", err)
	}
	again[0].Close()
}
