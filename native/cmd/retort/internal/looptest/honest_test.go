package looptest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/guard"
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

// ask sends n requests from c, with so many of them outstanding at a time, and returns how many replies never came.
// With one outstanding it sends the next when it has given up.
func ask(c *net.UDPConn, to netip.AddrPort, window, n int) (lost int, err error) {
	request, reply := make([]byte, 8), make([]byte, 64)
	sent, outstanding := 0, 0
	for {
		for ; outstanding < window && sent < n; sent++ {
			binary.BigEndian.PutUint64(request, uint64(sent))
			if _, err := c.WriteToUDPAddrPort(request, to); err != nil {
				return 0, err
			}
			outstanding++
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

// A hundred thousand honest exchanges lose exactly what is promised.
func TestHonestClientsOnSockets(t *testing.T) {
	for _, tt := range []struct {
		name     string
		clients  int // at a time
		each     int // requests
		low      bool
		window   int
		handler  core.Handler
		lostEach int
	}{
		{"one outstanding, a client's port", 1, 100_000, false, 1, tagged, 100_000 / 65_537},
		{"one outstanding, low ports", 100, 1000, true, 1, tagged, 1000 / 401},
		{"one outstanding, low ports, questions", 4, 25_000, true, 1, questions{tagged}, 0},
		{"two outstanding, a client's port", 1, 100_000, false, 2, tagged, 0},
		{"two outstanding, low ports", 4, 25_000, true, 2, tagged, 0},
		{"eight outstanding, low ports", 4, 25_000, true, 8, tagged, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // most of the time is spent in waiting for lost replies
			if testing.Short() {
				if !tt.low {
					t.Skip("one of these loses its first reply after 65,536 exchanges")
				}
				tt.each /= 2
				tt.lostEach /= 2
			}
			us := serve(t, "127.0.0.1", false, tt.handler, nil)
			var all sync.WaitGroup
			for range tt.clients {
				c, addr := socket(t, "127.0.0.1", tt.low)
				all.Go(func() {
					switch lost, err := ask(c, us.addr, tt.window, tt.each); {
					case err != nil:
						t.Errorf("the client on %v: %v", addr, err)
					case lost != tt.lostEach:
						t.Errorf("the client on %v lost %d replies, want %d", addr, lost, tt.lostEach)
					}
				})
			}
			all.Wait()
			check(t, us, tt.clients*tt.each, tt.clients*tt.lostEach)
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
			if lost, err := ask(c, us.addr, 1, each); err != nil || lost != 0 {
				t.Errorf("lost %d of %d, %v", lost, each, err)
			}
			check(t, us, each, 0)
		})
	}
}

// check compares what a server counted with what clients sent and lost.
func check(t *testing.T, s *running, sent, lost int) {
	t.Helper()
	n := s.stop()
	t.Logf("of %d datagrams %d lost; %d withheld, %d released", n.Received, n.Refused[guard.Loop], n.Withheld, n.Released)
	if n.Received != uint64(sent) || n.Refused[guard.Loop] != uint64(lost) || n.Replied != uint64(sent-lost) {
		t.Errorf("received %d and replied to %d, with %d lost; want %d, %d, %d",
			n.Received, n.Replied, n.Refused[guard.Loop], sent, sent-lost, lost)
	}
}
