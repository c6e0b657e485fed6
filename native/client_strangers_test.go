package native_test

// What is no answer: what others send, what comes twice or late, and what the network says in its place.

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/native"
)

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
