package native_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
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

func TestWaits(t *testing.T) {
	ms := func(n ...time.Duration) []time.Duration {
		for i := range n {
			n[i] *= time.Millisecond
		}
		return n
	}
	const tenth = 100 * time.Millisecond
	for _, tt := range []struct {
		name string
		o    native.ClientOptions
		want []time.Duration
	}{
		{"default", native.ClientOptions{Jitter: -1}, ms(1000, 2000, 4000, 8000)},
		{"five tries", native.ClientOptions{FirstWait: tenth, Tries: 5, Jitter: -1}, ms(100, 200, 400, 800, 1600)},
		{
			"bounded",
			native.ClientOptions{FirstWait: tenth, Factor: 3, MaxWait: time.Second, Tries: 4, Jitter: -1},
			ms(100, 300, 900, 1000),
		},
		{"constant", native.ClientOptions{FirstWait: tenth, Factor: 1, Tries: 3, Jitter: -1}, ms(100, 100, 100)},
		{"long first", native.ClientOptions{FirstWait: 20 * time.Second, Tries: 2, Jitter: -1}, ms(20000, 20000)},
		{"huge factor", native.ClientOptions{Factor: 1e300, Tries: 3, Jitter: -1}, ms(1000, 8000, 8000)},
	} {
		if got, err := native.Waits(tt.o); err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v %v, want %v", tt.name, got, err, tt.want)
		}
	}
}

func TestJitter(t *testing.T) {
	for _, tt := range []struct{ jitter, low, high float64 }{
		{0, 0.9, 1.1}, // the default
		{0.5, 0.5, 1.5},
		{1, 0, 2},
	} {
		o := native.ClientOptions{FirstWait: time.Second, Factor: 1, Tries: 1000, Jitter: tt.jitter}
		waits, err := native.Waits(o)
		if err != nil {
			t.Fatal(err)
		}
		shorter, longer := 0, 0
		for _, w := range waits {
			if s := w.Seconds(); s < tt.low || s > tt.high {
				t.Fatalf("jitter %v: %v", tt.jitter, w)
			}
			switch {
			case w < time.Second:
				shorter++
			case w > time.Second:
				longer++
			}
		}
		if shorter < 300 || longer < 300 { // 500 expected, with a deviation of 16
			t.Errorf("jitter %v: %d waits are shorter and %d longer", tt.jitter, shorter, longer)
		}
	}
}

func TestAskAgain(t *testing.T) {
	for _, connect := range []bool{false, true} {
		t.Run(fmt.Sprint("connect ", connect), func(t *testing.T) {
			s := listen(t, "127.0.0.1:0")
			drops := 3
			serve(t, s, func(m *core.Message) []byte {
				if drops--; drops >= 0 {
					return nil
				}
				return m.Data
			})
			type waiting struct {
				try  int
				wait time.Duration
			}
			var waits []waiting
			o := native.ClientOptions{
				Connect: connect, FirstWait: 5 * time.Millisecond, MaxWait: patience, Tries: 100, Jitter: -1,
				Waiting: func(try int, wait time.Duration) { waits = append(waits, waiting{try, wait}) },
			}
			a, err := dial(t, s.LocalAddr().String(), o).Ask(t.Context(), []byte("again?"))
			if err != nil {
				t.Fatal(err)
			}
			// A slow machine may ask once more before the answer is there.
			if string(a.Data) != "again?" || a.Tries < 4 || a.Tries != len(waits) {
				t.Errorf("got %q after %d requests and %d waits", a.Data, a.Tries, len(waits))
			}
			for i, w := range waits {
				if w.try != i+1 || w.wait != 5*time.Millisecond<<i {
					t.Errorf("wait %d is %+v", i, w)
				}
			}
		})
	}
}

func TestNoReply(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	serve(t, s, func(*core.Message) []byte { return nil })
	_, err := dial(t, s.LocalAddr().String(), shortWaits).Ask(t.Context(), []byte("anyone?"))
	no, ok := errors.AsType[*native.NoReplyError](err)
	if !ok {
		t.Fatalf("got %v", err)
	}
	if no.Server != s.LocalAddr() || no.Tries != 4 || no.Foreign != 0 || no.Refusal != nil || no.Cause != nil {
		t.Errorf("got %+v", no)
	}
	want := fmt.Sprintf("no reply from %v to 4 requests in %v", s.LocalAddr(), no.Elapsed.Round(time.Millisecond))
	if err.Error() != want {
		t.Errorf("it says %q, want %q", err, want)
	}
}

func TestNoReplyErrorText(t *testing.T) {
	e := native.NoReplyError{
		Server: netip.MustParseAddrPort("127.0.0.1:1060"), Tries: 1, Elapsed: 3100 * time.Millisecond,
		Foreign: 2, Refusal: errors.New("connection refused"), Cause: context.Canceled,
	}
	want := "no reply from 127.0.0.1:1060 to 1 request in 3.1s; ignored 2 datagrams from others; " +
		"the network said: connection refused; stopped: context canceled"
	if e.Error() != want {
		t.Errorf("it says %q,\nwant %q", e.Error(), want)
	}
	if !errors.Is(&e, context.Canceled) || !errors.Is(&e, e.Refusal) ||
		errors.Is(&native.NoReplyError{}, context.Canceled) {
		t.Error("it wraps something else than its Cause and its Refusal")
	}
}

// strangers returns sockets whose datagrams are no answer of the server's: another port of its address,
// and its port at another address.
func strangers(t *testing.T, server netip.AddrPort) []*peer {
	t.Helper()
	all := []*peer{newPeer(t, "127.0.0.1")}
	if runtime.GOOS == "linux" {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 9), Port: int(server.Port())})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		all = append(all, &peer{UDPConn: c, t: t})
	}
	return all
}

func TestForeignDatagramsAreNoAnswer(t *testing.T) {
	for _, tt := range []struct {
		name string
		o    native.ClientOptions
	}{
		{"unconnected", native.ClientOptions{}},
		{"connected", native.ClientOptions{Connect: true}},
		{"promiscuous", native.ClientOptions{Promiscuous: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := listen(t, "127.0.0.1:0")
			others := strangers(t, s.LocalAddr())
			serve(t, s, func(m *core.Message) []byte {
				for _, o := range others {
					o.send(m.From, []byte("I am the server"))
				}
				return []byte("the answer")
			})
			o := tt.o
			o.FirstWait, o.Tries = time.Hour, 1
			a, err := dial(t, s.LocalAddr().String(), o).Ask(t.Context(), []byte("who?"))
			if err != nil {
				t.Fatal(err)
			}
			switch tt.name {
			case "unconnected":
				if string(a.Data) != "the answer" || a.From != s.LocalAddr() || a.Foreign != len(others) {
					t.Errorf("got %q from %v, %d foreign ones", a.Data, a.From, a.Foreign)
				}
			case "connected":
				if string(a.Data) != "the answer" || a.From != s.LocalAddr() || a.Foreign != 0 {
					t.Errorf("got %q from %v, %d foreign ones", a.Data, a.From, a.Foreign)
				}
			case "promiscuous":
				if string(a.Data) != "I am the server" || a.From != others[0].addr() || a.Foreign != 0 {
					t.Errorf("got %q from %v, %d foreign ones", a.Data, a.From, a.Foreign)
				}
			}
		})
	}
}

func TestForeignDatagramsDoNotEndTheWaiting(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	other := newPeer(t, "127.0.0.1")
	serve(t, s, func(m *core.Message) []byte {
		other.send(m.From, []byte("I am the server"))
		return nil
	})
	_, err := dial(t, s.LocalAddr().String(), shortWaits).Ask(t.Context(), []byte("who?"))
	no, ok := errors.AsType[*native.NoReplyError](err)
	if !ok || no.Foreign == 0 || no.Tries != shortWaits.Tries {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(fmt.Sprint(err), "from others") {
		t.Errorf("%v does not tell of the others", err)
	}
}

func TestLateDuplicatesAreDropped(t *testing.T) {
	for _, connect := range []bool{false, true} {
		t.Run(fmt.Sprint("connect ", connect), func(t *testing.T) {
			s := listen(t, "127.0.0.1:0")
			o := longWaits
			o.Connect = connect
			c := dial(t, s.LocalAddr().String(), o)
			done := make(chan error, 1)
			go func() { // answers each request three times, the first ones and the last one empty
				b := core.NewBatch()
				for range 2 {
					if err := s.Receive(b); err != nil {
						done <- err
						return
					}
					b.Answer(0, b.Messages[0].Data)
					b.Answer(0, b.Messages[0].Data)
					b.Answer(0, nil)
					done <- s.Send(b)
				}
			}()
			for i, question := range []string{"one", "two"} {
				a, err := c.Ask(t.Context(), []byte(question))
				if err != nil {
					t.Fatal(err)
				}
				if string(a.Data) != question || a.Late != 2*i || a.Foreign != 0 {
					t.Errorf("asked %q, got %q with %d late and %d foreign ones", question, a.Data, a.Late, a.Foreign)
				}
				if err := waitFor(t, done); err != nil { // all three are there
					t.Fatal(err)
				}
			}
		})
	}
}

// closedPort returns an address where nobody listens, and a function that has somebody listen there.
func closedPort(t *testing.T) (addr netip.AddrPort, open func() core.Conn) {
	t.Helper()
	s := listen(t, "127.0.0.1:0")
	addr = s.LocalAddr()
	s.Close()
	return addr, func() core.Conn { return listen(t, addr.String()) }
}

// needRefusals skips the test where a connected socket does not learn that nobody listens.
func needRefusals(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skipf("whether %s tells a refusal depends", runtime.GOOS)
	}
}

func TestRefusalIsTold(t *testing.T) {
	needRefusals(t)
	addr, _ := closedPort(t)
	for _, connect := range []bool{true, false} {
		o := shortWaits
		o.Connect = connect
		_, err := dial(t, addr.String(), o).Ask(t.Context(), []byte("anyone?"))
		no, ok := errors.AsType[*native.NoReplyError](err)
		if !ok || no.Tries != 4 {
			t.Fatalf("connect %v: %v", connect, err)
		}
		if told := errors.Is(err, errRefused); told != connect {
			t.Errorf("connect %v: %v", connect, err)
		}
		if connect && !strings.Contains(err.Error(), "the network said: connection refused") {
			t.Errorf("it says %q", err)
		}
	}
}

// What the server's host said of an earlier datagram does not stop the next.
func TestSendAfterARefusal(t *testing.T) {
	addr, open := closedPort(t)
	c := dial(t, addr.String(), native.ClientOptions{Connect: true})
	for range 3 {
		if err := c.Send([]byte("lost")); err != nil {
			t.Fatal(err)
		}
	}
	s := open()
	if err := c.Send([]byte("found")); err != nil {
		t.Fatal(err)
	}
	if m := receiveOne(t, s, core.NewBatch()); string(m.Data) != "found" {
		t.Errorf("received %q", m.Data)
	}
}

// A server that comes up late is found.
func TestRefusalIsNotTheEnd(t *testing.T) {
	addr, open := closedPort(t)
	var opened atomic.Bool
	o := native.ClientOptions{Connect: true, FirstWait: 10 * time.Millisecond, Factor: 1, Tries: 2000, Jitter: -1}
	o.Waiting = func(try int, _ time.Duration) {
		if try == 3 && !opened.Swap(true) {
			serve(t, open(), echo)
		}
	}
	a, err := dial(t, addr.String(), o).Ask(t.Context(), []byte("up?"))
	if err != nil {
		t.Fatal(err)
	}
	if string(a.Data) != "up?" || a.Tries < 4 {
		t.Errorf("got %q after %d requests", a.Data, a.Tries)
	}
}

func TestAskHonoursItsContext(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	serve(t, s, func(m *core.Message) []byte {
		if string(m.Data) == "silence" {
			return nil
		}
		return m.Data
	})
	o := longWaits
	asked := make(chan struct{}, 1)
	o.Waiting = func(int, time.Duration) { asked <- struct{}{} }
	c := dial(t, s.LocalAddr().String(), o)
	why := errors.New("changed my mind")

	t.Run("cancelled while it waits", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		result := make(chan error, 1)
		go func() {
			_, err := c.Ask(ctx, []byte("silence"))
			result <- err
		}()
		<-asked
		cancel(why)
		err := waitFor(t, result)
		no, ok := errors.AsType[*native.NoReplyError](err)
		if !ok || !errors.Is(err, why) || no.Tries != 1 {
			t.Errorf("got %v", err)
		}
	})
	t.Run("cancelled before", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(why)
		_, err := c.Ask(ctx, []byte("silence"))
		if no, ok := errors.AsType[*native.NoReplyError](err); !ok || !errors.Is(err, why) || no.Tries != 0 {
			t.Errorf("got %v", err)
		}
	})
	t.Run("deadline", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		_, err := c.Ask(ctx, []byte("silence"))
		<-asked
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("asked again afterwards", func(t *testing.T) {
		a, err := c.Ask(t.Context(), []byte("hello"))
		<-asked
		if err != nil || string(a.Data) != "hello" {
			t.Errorf("got %q, %v", a.Data, err)
		}
	})
}

// Cancelling at any moment spoils no later question.
func TestCancelRaces(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	serve(t, s, echo)
	c := dial(t, s.LocalAddr().String(), longWaits)
	for range 300 {
		ctx, cancel := context.WithCancel(t.Context())
		go cancel()
		if _, err := c.Ask(ctx, []byte("hello")); err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		cancel()
	}
	if _, err := c.Ask(t.Context(), []byte("last")); err != nil {
		t.Errorf("after all that: %v", err)
	}
}

func TestClosingEndsAsk(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	serve(t, s, func(*core.Message) []byte { return nil })
	o := longWaits
	asked := make(chan struct{}, 1)
	o.Waiting = func(int, time.Duration) { asked <- struct{}{} }
	c := dial(t, s.LocalAddr().String(), o)
	result := make(chan error, 1)
	go func() {
		_, err := c.Ask(context.Background(), []byte("anyone?"))
		result <- err
	}()
	<-asked
	c.Close()
	if err := waitFor(t, result); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
	if _, err := c.Ask(t.Context(), nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("asking a closed client: %v", err)
	}
	if err := c.Send(nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("sending by a closed client: %v", err)
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

func TestGroupsAreNotAsked(t *testing.T) {
	for _, addr := range []string{"255.255.255.255:9", "224.0.0.1:9"} {
		_, err := dial(t, addr, longWaits).Ask(t.Context(), nil)
		if err == nil || !strings.Contains(err.Error(), "use a promiscuous client") {
			t.Errorf("%s: %v", addr, err)
		}
	}
}

func TestBroadcast(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux broadcasts on the loopback interface")
	}
	s := listen(t, "0.0.0.0:0")
	addr := at("127.255.255.255", s).String()
	b := core.NewBatch()
	if err := dial(t, addr, native.ClientOptions{}).Send([]byte("Broadcast datagram!")); err != nil {
		t.Fatal(err)
	}
	if m := receiveOne(t, s, b); string(m.Data) != "Broadcast datagram!" || !m.Group {
		t.Errorf("received %+v", m)
	}

	serve(t, s, echo)
	o := longWaits
	o.Promiscuous = true
	a, err := dial(t, addr, o).Ask(t.Context(), []byte("who is there?"))
	if err != nil || string(a.Data) != "who is there?" || a.From != at("127.0.0.1", s) {
		t.Errorf("%v answered %q, %v", a.From, a.Data, err)
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
