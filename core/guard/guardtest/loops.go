package guardtest

import (
	"encoding/binary"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/guard"
	"github.com/retort-udp/retort/core/reply/cookie"
	"github.com/retort-udp/retort/core/server"
)

// What a loop may live after one forged datagram, in datagrams that one of ours receives.
const (
	MostLow    = 500    // from a peer below the ports of clients, or from a known service: 1,000 with its replies
	MostClient = 70_000 // from a peer on a client's port, which may have 65,536 exchanges: they are twice as many with its replies
)

// Most returns the bound on a loop with a peer on that port, as far as ports tell.
func Most(port uint16) uint64 {
	if port < guard.DefaultClientPorts {
		return MostLow
	}
	return MostClient
}

// Forged are datagrams that begin a loop, if anything does: a byte, and questions in the protocols that a handler may
// speak.
func Forged() [][]byte {
	ntp := make([]byte, 48)
	ntp[0] = 0x23                                                                 // version 4, client (RFC 5905)
	stun := append([]byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, "transaction."...) // a binding request (RFC 8489)
	coap := []byte{0x40, 1, 0x12, 0x34}                                           // a confirmable GET (RFC 7252)
	dns := append(make([]byte, 0, 29), 0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0)  // one question (RFC 1035)
	dns = append(dns, "\x07example\x03com\x00\x00\x01\x00\x01"...)                // of type A, class IN
	return [][]byte{[]byte("x"), dns, ntp, stun, coap, []byte("<13>x"), []byte("a:1|c"), {0},
		cookie.AppendQuestion(nil, cookie.Cookie{}, []byte("x"))}
}

// FirstAnswered returns the first of the forged datagrams that h answers, or else the first.
func FirstAnswered(t testing.TB, h core.Handler) []byte {
	t.Helper()
	us, peer := netip.MustParseAddrPort("127.0.0.1:1060"), netip.MustParseAddrPort("127.0.0.1:40000")
	for _, data := range Forged() {
		n := New(1, Path{})
		n.Listen(us)
		n.Send(peer, us, data)
		if n.Run(t, &server.Server{Handler: h})[0].Replied > 0 {
			return data
		}
	}
	return Forged()[0]
}

// Loop is what one forged datagram led to.
type Loop struct {
	Datagrams uint64        // that the server received; of two the one that was asked first
	Lasted    time.Duration // virtual time
	Over      bool          // nothing is on its way any more
	Stats     []server.Stats
}

// patience is when a simulation of a loop gives up: after 100,000 exchanges, or a minute.
func (p Path) patience() time.Duration { return time.Minute + 200_000*(p.Latency+p.Jitter) }

// LoopWith forges a datagram from the service s, which is at them, to a server of ours with the handler h at us.
func (n *Network) LoopWith(t testing.TB, h core.Handler, us netip.AddrPort, s Service, them netip.AddrPort, data []byte) Loop {
	t.Helper()
	n.Until = n.Path.patience()
	n.Listen(us)
	n.Serve(them, s)
	n.Send(them, us, data)
	return n.loop(n.Run(t, &server.Server{Handler: h, Guard: &guard.Policy{Seed: 1}}))
}

// LoopBetween forges a datagram from one server of ours to another.
func (n *Network) LoopBetween(t testing.TB, a core.Handler, us netip.AddrPort, b core.Handler, them netip.AddrPort, data []byte) Loop {
	t.Helper()
	n.Until = n.Path.patience()
	n.Listen(us)
	n.Listen(them)
	n.Send(them, us, data)
	return n.loop(n.Run(t,
		&server.Server{Handler: a, Guard: &guard.Policy{Seed: 1}},
		&server.Server{Handler: b, Guard: &guard.Policy{Seed: 2}}))
}

func (n *Network) loop(stats []server.Stats) Loop {
	return Loop{Datagrams: stats[0].Received, Lasted: n.now, Over: n.Pending() == 0, Stats: stats}
}

// Counting answers with a number that grows and the address that was asked, so that nothing ever comes to a fixed point,
// nor two of them.
func Counting() core.Handler {
	var n atomic.Uint64
	return core.HandlerFunc(func(dst []byte, d *core.Datagram) ([]byte, error) {
		return d.To.AppendBinary(binary.BigEndian.AppendUint64(dst, n.Add(1)))
	})
}
