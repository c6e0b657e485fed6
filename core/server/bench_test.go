package server_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/guard"
	"github.com/retort-udp/retort/core/reply"
	"github.com/retort-udp/retort/core/server"
)

// unlimited is a guard that does all its work and refuses nobody, since there are not as many datagrams as it allows.
var unlimited = guard.Policy{Rate: 1_000_000, Burst: 60_000_000}

// unguarded is a guard that does as little as one can.
var unguarded = guard.Policy{LoopGuard: guard.Off, RateLimit: guard.Off}

// BenchmarkServe is what a datagram costs between Receive and Send: the walk through the batch, the guard, the
// handler and the counters.
func BenchmarkServe(b *testing.B) {
	one := func(int) string { return "127.0.0.1:40000" }
	ports := func(i int) string { return fmt.Sprint("127.0.0.1:", 40000+i) }
	for _, bb := range []struct {
		name    string
		from    func(i int) string // the peer of message i of a batch
		segment int                // datagrams that the transport has joined to one message
		handler core.Handler
		policy  guard.Policy
	}{
		{"one peer", one, 1, reply.Length{}, unlimited},
		{"one peer, no guard", one, 1, reply.Length{}, unguarded},
		{"one peer, echo", one, 1, reply.Echo{}, unlimited},
		{"one peer, joined", one, 64, reply.Length{}, unlimited},
		{"one peer, joined, no guard", one, 64, reply.Length{}, unguarded},
		{"64 ports on loopback", ports, 1, reply.Length{}, unlimited},
		{"64 ports on loopback, no guard", ports, 1, reply.Length{}, unguarded},
		{"64 hosts of one network", func(i int) string { return fmt.Sprintf("198.51.100.%d:40000", i) }, 1, reply.Length{}, unlimited},
		{"64 networks", func(i int) string { return fmt.Sprintf("198.18.%d.1:40000", i) }, 1, reply.Length{}, unlimited},
	} {
		b.Run(bb.name, func(b *testing.B) {
			conn := &treadmill{left: b.N, segment: bb.segment, data: bytes.Repeat([]byte("x"), 32*bb.segment)}
			for i := range 64 {
				conn.peers = append(conn.peers, netip.MustParseAddrPort(bb.from(i)))
			}
			s := &server.Server{Handler: bb.handler, Guard: &bb.policy}
			b.ReportAllocs()
			b.ResetTimer()
			if err := s.Serve(b.Context(), conn); err != nil {
				b.Fatal(err)
			}
			if replied := s.Stats().Replied; replied != uint64(b.N) {
				b.Errorf("%d of %d were answered", replied, b.N)
			}
		})
	}
}

// treadmill is a Conn that costs nothing: the same batch again and again, with a datagram of 32 bytes for each left.
type treadmill struct {
	left    int
	segment int    // datagrams of a message
	data    []byte // of a message
	peers   []netip.AddrPort
}

func (c *treadmill) Receive(b *core.Batch) error {
	if c.left <= 0 {
		return core.ErrInterrupted
	}
	b.Messages = b.Messages[:0]
	for i := 0; i < len(c.peers) && c.left > 0; i++ {
		n := min(c.segment, c.left)
		m := core.Message{Data: c.data[:32*n], From: c.peers[i], To: listener}
		if n > 1 {
			m.Segment = 32
		}
		b.Messages = append(b.Messages, m)
		c.left -= n
	}
	b.Time = time.Now()
	return nil
}

func (c *treadmill) Send(*core.Batch) error    { return nil }
func (c *treadmill) Interrupt()                {}
func (c *treadmill) LocalAddr() netip.AddrPort { return listener }
func (c *treadmill) Close() error              { return nil }
