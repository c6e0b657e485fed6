package looptest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/guard"
	"github.com/retort-udp/retort/core/server"
)

// tagged answers with the request behind a letter, so that a reply differs from its request.
var tagged = core.HandlerFunc(func(dst []byte, d *core.Datagram) ([]byte, error) {
	return append(append(dst, 'r'), d.Data...), nil
})

// questions is a Classifier to which everything is a question.
type questions struct{ core.HandlerFunc }

func (questions) IsResponse(*core.Datagram) bool { return false }

// retry is when a client gives a reply up for lost: later than the guard withholds any, so that it cannot ask again
// before, however late it is woken up.
const retry = 2200 * time.Millisecond

// client is an honest client that keeps a number of requests outstanding.
type client struct {
	*net.UDPConn
	addr   netip.AddrPort
	window int
	taken  chan struct{} // has one when the server has taken a request from its socket; nil: that makes no difference
}

// telling returns tagged, which has pipelined clients know when they are answered.
func telling(clients []*client) core.HandlerFunc {
	taken := make(map[netip.AddrPort]chan struct{})
	for _, c := range clients {
		if c.window > 1 {
			c.taken = make(chan struct{}, 1)
			taken[c.addr] = c.taken
		}
	}
	return func(dst []byte, d *core.Datagram) ([]byte, error) {
		if c := taken[d.From]; c != nil {
			c <- struct{}{}
		}
		return tagged(dst, d)
	}
}

// ask sends n requests, and returns how many replies never came. It sends one when the server has taken the one
// before: two in one batch would prove at once that this is no loop, and here the guard has to find out. With one
// outstanding it sends the next when it has given up.
func (c *client) ask(to netip.AddrPort, n int) (lost int, err error) {
	request, reply := make([]byte, 8), make([]byte, 64)
	sent, outstanding := 0, 0
	for {
		for ; outstanding < c.window && sent < n; sent++ {
			binary.BigEndian.PutUint64(request, uint64(sent))
			if _, err := c.WriteToUDPAddrPort(request, to); err != nil {
				return 0, err
			}
			outstanding++
			if c.taken == nil {
				continue
			}
			select {
			case <-c.taken:
			case <-time.After(patience):
				return 0, fmt.Errorf("request %d has not arrived", sent)
			}
		}
		if outstanding == 0 {
			return lost, nil
		}
		c.SetReadDeadline(time.Now().Add(retry))
		switch _, _, err := c.ReadFromUDPAddrPort(reply); {
		case errors.Is(err, os.ErrDeadlineExceeded):
			lost += outstanding
			outstanding = 0
		case err != nil:
			return 0, err
		default:
			outstanding--
		}
	}
}

// slow is a Conn whose clock goes slower than others, so that a client that a busy machine holds up is not late: what
// befalls it follows from the order in which datagrams arrive alone.
type slow struct {
	core.Conn
	began time.Time
}

func slowed(c core.Conn) core.Conn { return &slow{c, time.Now()} }

func (s *slow) Receive(b *core.Batch) error {
	if !b.Until.IsZero() {
		b.Until = s.began.Add(b.Until.Sub(s.began) * 50)
	}
	err := s.Conn.Receive(b)
	b.Time = s.began.Add(b.Time.Sub(s.began) / 50)
	return err
}

// A hundred thousand honest exchanges lose no more than what is promised. What is withheld from pipelined clients
// reaches them all the same.
func TestHonestClientsOnSockets(t *testing.T) {
	for _, tt := range []struct {
		name      string
		clients   int // at a time
		each      int // requests
		low       bool
		window    int
		questions bool // says a Classifier
		most      int  // that each may lose; if any then one at least, or its exchange would never end
	}{
		{"one outstanding, a client's port", 1, 100_000, false, 1, false, 100_000 / 65_538},
		{"one outstanding, low ports", 100, 1000, true, 1, false, 1000 / 402},
		{"one outstanding, low ports, questions", 4, 25_000, true, 1, true, 0},
		{"two outstanding, a client's port", 1, 100_000, false, 2, false, 0},
		{"two outstanding, low ports", 4, 25_000, true, 2, false, 0},
		{"eight outstanding, low ports", 4, 25_000, true, 8, false, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // most of the time is spent in waiting for lost replies
			if testing.Short() {
				if !tt.low {
					t.Skip("one of these has its first reply withheld after 65,536 exchanges")
				}
				tt.clients /= 2
			}
			var clients []*client
			for range tt.clients {
				c, addr := socket(t, "127.0.0.1", tt.low)
				clients = append(clients, &client{UDPConn: c, addr: addr, window: tt.window})
			}
			var h core.Handler = telling(clients)
			if tt.questions {
				h = questions{tagged}
			}
			var around []func(core.Conn) core.Conn
			if tt.window > 1 {
				around = append(around, slowed)
			}
			us := serve(t, "127.0.0.1", false, h, nil, around...)
			var all sync.WaitGroup
			var lost atomic.Int64
			for _, c := range clients {
				all.Go(func() {
					n, err := c.ask(us.addr, tt.each)
					if lost.Add(int64(n)); err != nil {
						t.Errorf("the client on %v: %v", c.addr, err)
					} else if n > tt.most || n < min(tt.most, tt.each/498) { // on a low port one is lost by then
						t.Errorf("the client on %v lost %d replies, the most is %d", c.addr, n, tt.most)
					}
				})
			}
			all.Wait()
			n := check(t, us, tt.clients*tt.each, int(lost.Load()))
			if some := !tt.questions; (n.Withheld > 0) != some || n.Released != n.Withheld-uint64(lost.Load()) {
				t.Errorf("%d replies were withheld, and %d of them released", n.Withheld, n.Released)
			}
		})
	}
}

// Source ports of services that do ask questions, with a handler that knows one when it sees it.
func TestQuestionsFromServicePorts(t *testing.T) {
	needLoopbackNetwork(t)
	const each = 2000
	for _, port := range []uint16{123, 5060} {
		t.Run(fmt.Sprint(port), func(t *testing.T) {
			// An address of its own, for somebody may have the port on others.
			at := &net.UDPAddr{IP: net.IPv4(127, 12, 3, byte(port)), Port: int(port)}
			c, err := net.ListenUDP("udp4", at)
			if errors.Is(err, os.ErrPermission) {
				t.Skipf("this user may not have port %d", port)
			}
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			us := serve(t, "127.0.0.1", false, questions{tagged}, nil)
			asks := &client{UDPConn: c, window: 1}
			if lost, err := asks.ask(us.addr, each); err != nil || lost != 0 {
				t.Errorf("lost %d of %d, %v", lost, each, err)
			}
			check(t, us, each, 0)
		})
	}
}

// check compares what a server counted with what clients sent and lost.
func check(t *testing.T, s *running, sent, lost int) (n server.Stats) {
	t.Helper()
	n = s.stop()
	t.Logf("of %d datagrams %d lost; %d withheld, %d released", n.Received, n.Refused[guard.Loop], n.Withheld, n.Released)
	if n.Received != uint64(sent) || n.Refused[guard.Loop] != uint64(lost) || n.Replied != uint64(sent-lost) {
		t.Errorf("received %d and replied to %d, with %d lost; want %d, %d, %d",
			n.Received, n.Replied, n.Refused[guard.Loop], sent, sent-lost, lost)
	}
	return n
}
