package guard_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/guard"
	"github.com/retort-udp/retort/core/guard/guardtest"
	"github.com/retort-udp/retort/core/reply"
	"github.com/retort-udp/retort/core/server"
)

// amount is how many datagrams of honest traffic a scenario has in which one of so many is lost, ten million in
// all; in each of them when RETORT_TEST_LONG is set.
func amount(every int) int {
	switch {
	case long():
		return 10_000_000
	case quick():
		return max(20_000, every*11/10)
	}
	return 150_000
}

// tagged answers with the request behind a letter, so that a reply differs from its request.
var tagged = core.HandlerFunc(func(dst []byte, d *core.Datagram) ([]byte, error) {
	return append(append(dst, 'r'), d.Data...), nil
})

// questions is a Classifier to which everything is a question.
type questions struct{ core.HandlerFunc }

func (questions) IsResponse(*core.Datagram) bool { return false }

// numbered makes requests of so many bytes.
func numbered(size int) func(n int) []byte {
	data := make([]byte, size)
	return func(n int) []byte {
		binary.BigEndian.PutUint64(data, uint64(n))
		return data
	}
}

// What honest clients lose, exactly: with one request outstanding one datagram in 401 on a low port and one
// in 65,537 on a client's, with more nothing; and nothing where the handler tells questions from answers.
func TestHonestClients(t *testing.T) {
	const loopback, network = "127.0.0.1:1060", "192.0.2.1:1060"
	const ntpPort, sipPort = 123, 5060
	fast := guardtest.Path{Latency: 20 * time.Microsecond}
	jittery := guardtest.Path{Latency: 50 * time.Microsecond, Jitter: 5 * time.Millisecond}
	far := guardtest.Path{Latency: 100 * time.Millisecond, Jitter: 200 * time.Millisecond}
	unlimited := &guard.Policy{RateLimit: guard.Off, Seed: 1}
	for _, tt := range []struct {
		listening string
		port      uint16
		window    int
		path      guardtest.Path
		handler   core.Handler
		every     int // one of so many is lost; 0: none
		size      int // of requests; 0: 8 bytes
	}{
		{loopback, clientPort, 1, fast, tagged, 65_537, 0},
		{loopback, clientPort, 1, fast, reply.Echo{}, 65_537, 0},
		{loopback, clientPort, 1, fast, reply.Length{}, 65_537, 0},
		{network, clientPort, 1, jittery, tagged, 65_537, 0},
		{network, clientPort, 1, far, tagged, 65_537, 0},
		{loopback, lowPort, 1, fast, tagged, 401, 0},
		{network, lowPort, 1, jittery, tagged, 401, 0},
		{network, ntpPort, 1, jittery, tagged, 401, 0},
		{network, clientPort, 1, jittery, questions{tagged}, 0, 0},
		{loopback, ntpPort, 1, fast, questions{tagged}, 0, 0},
		{network, sipPort, 1, jittery, questions{tagged}, 0, 0},

		{loopback, clientPort, 2, fast, tagged, 0, 0},
		{loopback, lowPort, 2, fast, tagged, 0, 0},
		{network, lowPort, 2, jittery, tagged, 0, 0},
		{network, lowPort, 2, far, tagged, 0, 0},
		{network, lowPort, 3, jittery, tagged, 0, 0},
		{network, lowPort, 3, far, tagged, 0, 0},
		{network, lowPort, 8, jittery, reply.Echo{}, 0, 0},
		{network, clientPort, 8, far, tagged, 0, 0},
		{network, lowPort, 8, far, tagged, 0, 0},
		{loopback, lowPort, 64, fast, tagged, 0, 0},
		{network, lowPort, 64, jittery, tagged, 0, 0},
		{network, lowPort, 64, far, tagged, 0, 0},
		{loopback, lowPort, 1, fast, tagged, 401, 4000}, // which must be kept like others
		{loopback, lowPort, 2, fast, tagged, 0, 4000},
		{network, lowPort, 3, jittery, tagged, 0, 1500},
	} {
		for _, batch := range []int{1, 64} {
			if tt.window == 1 && batch > 1 {
				continue
			}
			name := fmt.Sprintf("port %d, window %d, %d bytes, %v+%v, batches of %d, %T, %s", tt.port, tt.window,
				max(tt.size, 8), tt.path.Latency, tt.path.Jitter, batch, tt.handler, tt.listening)
			t.Run(name, func(t *testing.T) {
				n := guardtest.New(uint64(tt.port)+uint64(tt.window), tt.path)
				n.Batch, n.Busy = batch, 5*time.Microsecond
				us := n.Listen(netip.MustParseAddrPort(tt.listening)).LocalAddr()
				c := &guardtest.Client{
					Addr: netip.AddrPortFrom(us.Addr().Next(), tt.port), Server: us,
					Window: tt.window, Left: amount(tt.every), Request: numbered(max(tt.size, 8)),
				}
				c.Start(n)
				s := n.Run(t, &server.Server{Handler: tt.handler, Guard: unlimited})[0]
				want := 0
				if tt.every > 0 {
					want = int(s.Received) / tt.every
				}
				t.Logf("of %d datagrams %d lost; %d withheld, %d released; %v of virtual time",
					s.Received, s.Refused[guard.Loop], s.Withheld, s.Released, n.Now())
				if lost := int(s.Refused[guard.Loop]); lost != want || tt.window == 1 && c.Missed != want {
					t.Errorf("%d replies were lost, and the client missed %d; want %d", lost, c.Missed, want)
				}
				if s.Replied != s.Received-uint64(want) {
					t.Errorf("%d of %d were answered, want all but %d", s.Replied, s.Received, want)
				}
				if tt.window > 1 && c.Got < c.Sent-tt.window {
					t.Errorf("the client sent %d and got %d", c.Sent, c.Got)
				}
			})
		}
	}
}
