// Command goroutine answers each datagram in a goroutine of its own, with buffers from a pool.
package main

import (
	"net"
	"net/netip"
	"sync"

	"github.com/retort-udp/retort/testdata/peers/go/internal/answer"
)

// maxRequest is enough for what the peers are asked; larger requests are cut.
const maxRequest = 2048

func main() {
	c := answer.Listen()
	pool := sync.Pool{New: func() any { return new([maxRequest]byte) }}
	for {
		buffer := pool.Get().(*[maxRequest]byte)
		n, peer, err := c.ReadFromUDPAddrPort(buffer[:])
		if err != nil {
			continue
		}
		go func() {
			reply(c, buffer, n, peer)
			pool.Put(buffer)
		}()
	}
}

func reply(c *net.UDPConn, buffer *[maxRequest]byte, n int, peer netip.AddrPort) {
	// A reply that cannot be sent is lost, as UDP's are.
	_, _ = c.WriteToUDPAddrPort(answer.Append(buffer[:0], n), peer)
}
