package native_test

// A client asks, and has the answer.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/native"
)

// dial returns a Client that is closed when the test ends.
func dial(t testing.TB, addr string, o native.ClientOptions) *native.Client {
	t.Helper()
	c, err := native.Dial(context.Background(), addr, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// longWaits are options with which nothing but an answer ends a wait, as far as a test goes.
var longWaits = native.ClientOptions{FirstWait: time.Hour, Tries: 1}

// shortWaits are options of tests in which nobody answers at first.
var shortWaits = native.ClientOptions{FirstWait: 5 * time.Millisecond, Factor: 1, Tries: 4, Jitter: -1}

func TestAsk(t *testing.T) {
	for _, tt := range []struct {
		listen  string
		ip      string
		connect bool
		largest int
	}{
		{"127.0.0.1:0", "127.0.0.1", false, core.MaxPayload4},
		{"127.0.0.1:0", "127.0.0.1", true, core.MaxPayload4},
		{"[::1]:0", "::1", false, core.MaxPayload6},
		{"[::1]:0", "::1", true, core.MaxPayload6},
		{":0", "::ffff:127.0.0.1", false, core.MaxPayload4}, // the answer comes from 127.0.0.1
		{":0", "localhost", false, core.MaxPayload4},
		{":0", "", false, core.MaxPayload4},
		{":0", "0.0.0.0", false, core.MaxPayload4},
		{":0", "::", false, core.MaxPayload6},
	} {
		t.Run(fmt.Sprintf("%s at %q connect %v", tt.listen, tt.ip, tt.connect), func(t *testing.T) {
			if strings.HasPrefix(tt.ip, "::") && !strings.Contains(tt.ip, "ffff") {
				needIPv6(t)
			}
			conns := listenAll(t, tt.listen)
			for _, s := range conns {
				serve(t, s, echo)
			}
			o := longWaits
			o.Connect = tt.connect
			c := dial(t, net.JoinHostPort(tt.ip, fmt.Sprint(conns[0].LocalAddr().Port())), o)
			for _, size := range []int{32, 0, 1, 1400, tt.largest} {
				want := pattern(size)
				a, err := c.Ask(t.Context(), want)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(a.Data, want) || a.Data == nil {
					t.Errorf("asked %d bytes, got %d", size, len(a.Data))
				}
				if a.From != c.RemoteAddr() || a.Tries != 1 || a.Foreign != 0 || a.Late != 0 || a.Elapsed <= 0 {
					t.Errorf("asked %v: %+v", c.RemoteAddr(), a.From)
				}
			}
		})
	}
}

func TestClientAddresses(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	free := dial(t, s.LocalAddr().String(), native.ClientOptions{})
	if a := free.LocalAddr(); a.Addr() != netip.IPv4Unspecified() || a.Port() == 0 {
		t.Errorf("the address is %v, want the wildcard and a port", a)
	}
	bound := dial(t, s.LocalAddr().String(), native.ClientOptions{Connect: true})
	if a := bound.LocalAddr(); a.Addr() != netip.MustParseAddr("127.0.0.1") || a.Port() == 0 {
		t.Errorf("connected, the address is %v, want what the server sees", a)
	}
	if bound.RemoteAddr() != s.LocalAddr() {
		t.Errorf("the server is %v, want %v", bound.RemoteAddr(), s.LocalAddr())
	}

	b := core.NewBatch()
	if err := bound.Send(nil); err != nil {
		t.Fatal(err)
	}
	if m := receiveOne(t, s, b); m.From != bound.LocalAddr() {
		t.Errorf("the server sees %v, the client says %v", m.From, bound.LocalAddr())
	}
	if err := free.Send(nil); err != nil {
		t.Fatal(err)
	}
	if m := receiveOne(t, s, b); m.From.Port() != free.LocalAddr().Port() {
		t.Errorf("the server sees %v, the client says %v", m.From, free.LocalAddr())
	}
}

func TestClientSpellsAddressesOneWay(t *testing.T) {
	if c := dial(t, "127.0.0.1:domain", native.ClientOptions{}); c.RemoteAddr().Port() != 53 {
		t.Errorf("domain is port %d", c.RemoteAddr().Port())
	}
	needInterfaces(t)
	needIPv6(t)
	i, err := loopback()
	if err != nil {
		t.Skip(err)
	}
	want := netip.MustParseAddrPort("[fe80::1%" + i.Name + "]:1060")
	for _, zone := range []string{i.Name, fmt.Sprint(i.Index)} {
		if c := dial(t, "[fe80::1%"+zone+"]:1060", native.ClientOptions{}); c.RemoteAddr() != want {
			t.Errorf("zone %s: %v, want %v", zone, c.RemoteAddr(), want)
		}
	}
}

func TestDialErrors(t *testing.T) {
	for _, tt := range []struct {
		addr string
		o    native.ClientOptions
		want string
	}{
		{"127.0.0.1:0", native.ClientOptions{}, "port 0 is no destination"},
		{"127.0.0.1:65536", native.ClientOptions{}, "port 65536 is out of range 0 to 65535"},
		{"127.0.0.1", native.ClientOptions{}, "there is no port"},
		{"[fe80::1]:1060", native.ClientOptions{}, "say which interface"},
		{"127.0.0.1:1060", native.ClientOptions{Connect: true, Promiscuous: true}, "cannot be promiscuous"},
		{"127.0.0.1:1060", native.ClientOptions{FirstWait: -1}, "negative"},
		{"127.0.0.1:1060", native.ClientOptions{Tries: -1}, "negative"},
		{"127.0.0.1:1060", native.ClientOptions{Factor: 0.5}, "factor of 0.5"},
		{"127.0.0.1:1060", native.ClientOptions{Factor: math.NaN()}, "factor of NaN"},
		{"127.0.0.1:1060", native.ClientOptions{Jitter: 1.5}, "jitter of 1.5"},
		{"127.0.0.1:1060", native.ClientOptions{Jitter: math.NaN()}, "jitter of NaN"},
		{"127.0.0.1:1060", native.ClientOptions{MaxWait: time.Millisecond}, "shorter than the first"},
	} {
		_, err := native.Dial(t.Context(), tt.addr, tt.o)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %+v: %v, want it to say %q", tt.addr, tt.o, err, tt.want)
		}
	}
}

func TestDialHonoursItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := native.Dial(ctx, "a-name-to-look-up.invalid:1060", native.ClientOptions{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestTooLongForADatagram(t *testing.T) {
	for _, tt := range []struct {
		ip      string
		largest int
	}{{"127.0.0.1", 65507}, {"::1", 65527}} {
		t.Run(tt.ip, func(t *testing.T) {
			if tt.ip == "::1" {
				needIPv6(t)
			}
			s := listen(t, net.JoinHostPort(tt.ip, "0"))
			o := longWaits
			o.Waiting = func(int, time.Duration) { t.Error("it was sent") }
			c := dial(t, s.LocalAddr().String(), o)
			_, err := c.Ask(t.Context(), make([]byte, tt.largest+1))
			limit := fmt.Sprintf("carries %d at most", tt.largest)
			if !errors.Is(err, native.ErrTooLong) || !strings.Contains(fmt.Sprint(err), limit) {
				t.Errorf("Ask: %v", err)
			}
			if err := c.Send(make([]byte, tt.largest+1)); !errors.Is(err, native.ErrTooLong) {
				t.Errorf("Send: %v", err)
			}
			if err := c.Send(make([]byte, tt.largest)); err != nil {
				t.Errorf("%d bytes: %v", tt.largest, err)
			}
		})
	}
}

func TestAskAppend(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	serve(t, s, echo)
	c := dial(t, s.LocalAddr().String(), longWaits)
	dst := append(make([]byte, 0, 100), "before:"...)
	a, err := c.AskAppend(t.Context(), dst, []byte("after"))
	if err != nil || string(a.Data) != "before:after" || &a.Data[0] != &dst[0] {
		t.Errorf("got %q, %v, in other memory perhaps", a.Data, err)
	}
}

func TestClientAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, connect := range []bool{false, true} {
		t.Run(fmt.Sprint("connect ", connect), func(t *testing.T) {
			s := listen(t, "127.0.0.1:0")
			serve(t, s, echo)
			o := longWaits
			o.Connect = connect
			c := dial(t, s.LocalAddr().String(), o)
			dst, request := make([]byte, 0, 100), pattern(32)
			n := testing.AllocsPerRun(500, func() {
				a, err := c.AskAppend(context.Background(), dst, request)
				if err != nil || len(a.Data) != len(request) {
					t.Fatal(len(a.Data), err)
				}
			})
			want := 0.0
			if runtime.GOOS == "windows" {
				want = 1 // an error number
			}
			if n > want {
				t.Errorf("%v allocations for each question", n)
			}
		})
	}
}
