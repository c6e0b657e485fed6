package guard_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/guard"
	"github.com/retort-udp/retort/core/guard/guardtest"
	"github.com/retort-udp/retort/core/reply"
	"github.com/retort-udp/retort/core/server"
)

// amount is how many datagrams of honest traffic a scenario has in which one of so many is lost. All scenarios together
// have more than ten million; when RETORT_TEST_LONG is set each of them has, but for those of bursts.
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

// What honest clients lose: with one request outstanding one datagram in 402 on a low port and one in 65,538 on a
// client's, exactly where all exchanges take as long, and else a little less; with more nothing; and nothing where the
// handler tells questions from answers.
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
		{loopback, clientPort, 1, fast, tagged, 65_538, 0},
		{loopback, clientPort, 1, fast, reply.Echo{}, 65_538, 0},
		{loopback, clientPort, 1, fast, reply.Length{}, 65_538, 0},
		{network, clientPort, 1, jittery, tagged, 65_538, 0},
		{network, clientPort, 1, far, tagged, 65_538, 0},
		{loopback, lowPort, 1, fast, tagged, 402, 0},
		{network, lowPort, 1, jittery, tagged, 402, 0},
		{network, ntpPort, 1, jittery, tagged, 402, 0},
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
		{loopback, lowPort, 1, fast, tagged, 402, 4000}, // which must be kept like others
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
				most := 0
				if tt.every > 0 {
					most = int(s.Received) / tt.every
				}
				least := most
				if tt.path.Jitter > 0 { // it may be later that a gap is as long as others
					least = most * 4 / 5
				}
				t.Logf("of %d datagrams %d lost; %d withheld, %d released; %v of virtual time",
					s.Received, s.Refused[guard.Loop], s.Withheld, s.Released, n.Now())
				lost := int(s.Refused[guard.Loop])
				if lost < least || lost > most || tt.window == 1 && c.Missed != lost {
					t.Errorf("%d replies were lost, and the client missed %d; want from %d to %d", lost, c.Missed, least, most)
				}
				if s.Replied != s.Received-uint64(lost) {
					t.Errorf("%d of %d were answered, want all but %d", s.Replied, s.Received, lost)
				}
				if tt.window > 1 && c.Got < c.Sent-tt.window {
					t.Errorf("the client sent %d and got %d", c.Sent, c.Got)
				}
			})
		}
	}
}

// What asks a handler that tells questions from answers loses nothing, one request after the other, even from the ports
// of services: those that NTP and SIP ask from are among them.
func TestQuestionsLoseNothing(t *testing.T) {
	tested := 0
	for _, name := range names(t) {
		h := guardtest.Handlers(t)[name]
		if _, is := h.(core.Classifier); !is {
			continue
		}
		question := guardtest.FirstAnswered(t, h)
		for _, port := range []uint16{123, 5060} {
			for _, listening := range []string{"127.0.0.1:1060", public.String()} {
				n := guardtest.New(1, guardtest.Path{Latency: 50 * time.Microsecond, Jitter: 20 * time.Microsecond})
				us := n.Listen(netip.MustParseAddrPort(listening)).LocalAddr()
				c := &guardtest.Client{
					Addr: netip.AddrPortFrom(us.Addr().Next(), port), Server: us, Window: 1,
					Left: min(amount(0), 1_000_000), Request: func(int) []byte { return question },
				}
				c.Start(n)
				policy := &guard.Policy{RateLimit: guard.Off, Seed: 1}
				s := n.Run(t, &server.Server{Handler: guardtest.Handlers(t)[name], Guard: policy})[0]
				tested++
				if s.Replied != s.Received || s.Withheld != 0 || c.Missed != 0 || c.Got < c.Sent-1 || c.Left != 0 {
					t.Errorf("%s, port %d, %s: of %d datagrams %d were answered, %d withheld; the client missed %d",
						name, port, listening, s.Received, s.Replied, s.Withheld, c.Missed)
				}
			}
		}
	}
	if tested < 3*4 { // dns, ntp and stun at least
		t.Errorf("%d were tested", tested)
	}
}

// Nor do such clients lose anything beside others that have one request on their way, and with replies that there is
// little room for.
func TestBurstsBesideOthersLoseNothing(t *testing.T) {
	long := make([]byte, 2000)
	h := core.HandlerFunc(func(dst []byte, d *core.Datagram) ([]byte, error) {
		return append(append(dst, d.Data...), long...), nil
	})
	lost := 0
	for seed := range uint64(5) {
		n := guardtest.New(seed, guardtest.Path{Latency: 2 * time.Millisecond, Jitter: 4 * time.Millisecond})
		n.Busy = 5 * time.Microsecond
		us := n.Listen(netip.MustParseAddrPort("127.0.0.1:1060")).LocalAddr()
		addr := us.Addr()
		var bursts []*guardtest.Client
		for i := range 16 {
			addr = addr.Next()
			c := &guardtest.Client{
				Addr: netip.AddrPortFrom(addr, lowPort), Server: us, Window: 1, Left: 1 << 30, Request: numbered(8),
			}
			if i < 8 {
				c.Window, c.Bursts = []int{2, 3, 4, 8}[i%4], true
				bursts = append(bursts, c)
			}
			if i == 0 {
				c.Left = 8000 // then it is over
			}
			c.Start(n)
		}
		s := n.Run(t, &server.Server{Handler: h, Guard: &guard.Policy{RateLimit: guard.Off, Seed: 1}})[0]
		for _, c := range bursts {
			if c.Missed > 0 {
				t.Errorf("seed %d: one that sends %d at once missed %d of %d", seed, c.Window, c.Missed, c.Sent)
			}
		}
		lost += int(s.Refused[guard.Loop])
	}
	if lost == 0 {
		t.Error("nobody else lost anything either: there was room for all")
	}
}

// A client that sends several requests at once, and the next when it has all answers, loses nothing, however short or
// long its pauses are, and even where they are lost in the jitter. Now and then a reply comes late.
func TestBurstsLoseNothing(t *testing.T) {
	always := func(d time.Duration) func(*rand.Rand) time.Duration {
		return func(*rand.Rand) time.Duration { return d }
	}
	evenly := func(most time.Duration) func(*rand.Rand) time.Duration {
		return func(rng *rand.Rand) time.Duration { return time.Duration(rng.Int64N(int64(most))) }
	}
	nowAndThen := func(usual, seldom time.Duration, every int) func(*rand.Rand) time.Duration {
		return func(rng *rand.Rand) time.Duration {
			if rng.IntN(every) == 0 {
				return seldom
			}
			return usual
		}
	}
	for _, tt := range []struct {
		name  string
		path  guardtest.Path
		think func(*rand.Rand) time.Duration
	}{
		{"fast", guardtest.Path{Latency: 20 * time.Microsecond}, nil},
		{"fast, and thinks", guardtest.Path{Latency: 20 * time.Microsecond}, always(10 * time.Millisecond)},
		{"jittery", guardtest.Path{Latency: 2 * time.Millisecond, Jitter: 4 * time.Millisecond}, nil},
		{"more jitter than anything", guardtest.Path{Latency: 50 * time.Microsecond, Jitter: 5 * time.Millisecond}, nil},
		{"some take much longer than others", guardtest.Path{Latency: 50 * time.Microsecond, Tail: time.Millisecond}, nil},
		{"some take longer than others", guardtest.Path{Latency: time.Millisecond, Tail: time.Millisecond}, nil},
		{"some take much longer than others, and thinks", guardtest.Path{Latency: 50 * time.Microsecond, Tail: 5 * time.Millisecond},
			evenly(20 * time.Millisecond)},
		{"jittery, and thinks", guardtest.Path{Latency: time.Millisecond, Jitter: 2 * time.Millisecond}, evenly(20 * time.Millisecond)},
		{"far", guardtest.Path{Latency: 100 * time.Millisecond, Jitter: 200 * time.Millisecond}, nil},
		{"thinks for long", guardtest.Path{Latency: 20 * time.Microsecond, Jitter: 100 * time.Microsecond}, evenly(1900 * time.Millisecond)},
		{"pauses now and then", guardtest.Path{Latency: 20 * time.Microsecond, Jitter: 100 * time.Microsecond},
			nowAndThen(2*time.Millisecond, 1500*time.Millisecond, 200)},
		{"far, and pauses now and then", guardtest.Path{Latency: 5 * time.Millisecond, Jitter: time.Millisecond},
			nowAndThen(0, 1500*time.Millisecond, 400)},
	} {
		for _, port := range []uint16{lowPort, clientPort} {
			if port == clientPort && !long() { // there are two chances to lose something
				continue
			}
			windows := []int{2, 3, 4, 8, 16}
			switch {
			case long():
				windows = []int{2, 3, 4, 5, 6, 7, 8, 16, 64}
			case quick():
				windows = []int{2, 3, 8}
			}
			for _, window := range windows {
				n := guardtest.New(uint64(window), tt.path)
				n.Batch, n.Busy = 1, 5*time.Microsecond
				us := n.Listen(public).LocalAddr()
				c := &guardtest.Client{
					Addr: netip.AddrPortFrom(us.Addr().Next(), port), Server: us, Window: window, Bursts: true,
					Left: min(amount(0), 1_000_000), Request: numbered(8), Think: tt.think,
				}
				c.Start(n)
				s := n.Run(t, &server.Server{Handler: tagged, Guard: &guard.Policy{RateLimit: guard.Off, Seed: 1}})[0]
				report(t, "%s, port %d, bursts of %d: of %d datagrams %d lost, %d withheld", tt.name, port, window,
					s.Received, s.Refused[guard.Loop], s.Withheld)
				if s.Refused[guard.Loop] > 0 || c.Missed > 0 {
					t.Errorf("%s, port %d, bursts of %d: of %d datagrams %d lost, of %d withheld; the client missed %d",
						tt.name, port, window, s.Received, s.Refused[guard.Loop], s.Withheld, c.Missed)
				}
				if port == lowPort && s.Withheld < s.Received/1000 {
					t.Errorf("%s, bursts of %d: of %d datagrams only %d withheld", tt.name, window, s.Received, s.Withheld)
				}
			}
		}
	}
}
