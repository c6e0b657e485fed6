package guard_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/guard"
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
	return 300_000
}

// long says whether tests may take minutes.
func long() bool { return os.Getenv("RETORT_TEST_LONG") != "" }

// quick says whether they must not take more than a few seconds.
func quick() bool { return testing.Short() || raced || runtime.GOARCH == "wasm" }

// tagged answers with the request behind a letter, so that a reply differs from its request.
var tagged = core.HandlerFunc(func(dst []byte, d *core.Datagram) ([]byte, error) {
	return append(append(dst, 'r'), d.Data...), nil
})

// questions is a Classifier to which everything is a question.
type questions struct{ core.HandlerFunc }

func (questions) IsResponse(*core.Datagram) bool { return false }

func numbered(n int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

// What honest clients lose, exactly: with one request outstanding one datagram in 401 on a low port and one
// in 65,537 on a client's, with more nothing; and nothing where the handler tells questions from answers.
func TestHonestClients(t *testing.T) {
	const loopback, network = "127.0.0.1:1060", "192.0.2.1:1060"
	const ntpPort, sipPort = 123, 5060
	fast := path{latency: 20 * time.Microsecond}
	jittery := path{latency: 50 * time.Microsecond, jitter: 5 * time.Millisecond}
	far := path{latency: 100 * time.Millisecond, jitter: 200 * time.Millisecond}
	unlimited := &guard.Policy{RateLimit: guard.Off, Seed: 1}
	for _, tt := range []struct {
		listening string
		port      uint16
		window    int
		path      path
		handler   core.Handler
		every     int // one of so many is lost; 0: none
	}{
		{loopback, clientPort, 1, fast, tagged, 65_537},
		{loopback, clientPort, 1, fast, reply.Echo{}, 65_537},
		{loopback, clientPort, 1, fast, reply.Length{}, 65_537},
		{network, clientPort, 1, jittery, tagged, 65_537},
		{network, clientPort, 1, far, tagged, 65_537},
		{loopback, lowPort, 1, fast, tagged, 401},
		{network, lowPort, 1, jittery, tagged, 401},
		{network, ntpPort, 1, jittery, tagged, 401},
		{network, clientPort, 1, jittery, questions{tagged}, 0},
		{loopback, ntpPort, 1, fast, questions{tagged}, 0},
		{network, sipPort, 1, jittery, questions{tagged}, 0},

		{loopback, clientPort, 2, fast, tagged, 0},
		{loopback, lowPort, 2, fast, tagged, 0},
		{network, lowPort, 2, jittery, tagged, 0},
		{network, lowPort, 2, far, tagged, 0},
		{network, lowPort, 3, jittery, tagged, 0},
		{network, lowPort, 3, far, tagged, 0},
		{network, lowPort, 8, jittery, reply.Echo{}, 0},
		{network, clientPort, 8, far, tagged, 0},
		{network, lowPort, 8, far, tagged, 0},
		{loopback, lowPort, 64, fast, tagged, 0},
		{network, lowPort, 64, jittery, tagged, 0},
		{network, lowPort, 64, far, tagged, 0},
	} {
		for _, batch := range []int{1, 64} {
			if tt.window == 1 && batch > 1 {
				continue
			}
			name := fmt.Sprintf("port %d, window %d, %v+%v, batches of %d, %T, %s", tt.port, tt.window,
				tt.path.latency, tt.path.jitter, batch, tt.handler, tt.listening)
			t.Run(name, func(t *testing.T) {
				w := newWorld(uint64(tt.port)+uint64(tt.window), tt.path)
				w.batch, w.busy = batch, 5*time.Microsecond
				h := w.listen(tt.listening)
				c := &client{
					addr: netip.AddrPortFrom(h.addr.Addr().Next(), tt.port), server: h.addr,
					window: tt.window, left: amount(tt.every), request: numbered,
				}
				c.start(w)
				s := w.run(t, &server.Server{Handler: tt.handler, Guard: unlimited})[0]
				want := 0
				if tt.every > 0 {
					want = int(s.Received) / tt.every
				}
				t.Logf("of %d datagrams %d lost; %d withheld, %d released; %v of virtual time",
					s.Received, s.Refused[guard.Loop], s.Withheld, s.Released, w.now)
				if lost := int(s.Refused[guard.Loop]); lost != want || tt.window == 1 && c.lost != want {
					t.Errorf("%d replies were lost, and the client missed %d; want %d", lost, c.lost, want)
				}
				if s.Replied != s.Received-uint64(want) {
					t.Errorf("%d of %d were answered, want all but %d", s.Replied, s.Received, want)
				}
				if tt.window > 1 && c.got < c.sent-tt.window {
					t.Errorf("the client sent %d and got %d", c.sent, c.got)
				}
			})
		}
	}
}
