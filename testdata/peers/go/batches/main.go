// Command batches answers up to 64 datagrams at a time, through golang.org/x/net.
package main

import (
	"golang.org/x/net/ipv4"

	"github.com/retort-udp/retort/testdata/peers/go/internal/answer"
)

const batch = 64

func main() {
	c := ipv4.NewPacketConn(answer.Listen())
	requests := make([]ipv4.Message, batch)
	replies := make([]ipv4.Message, batch)
	for i := range batch {
		requests[i].Buffers = [][]byte{make([]byte, 65535)}
		replies[i].Buffers = [][]byte{make([]byte, 0, 64)}
	}
	for {
		n, err := c.ReadBatch(requests, 0)
		if err != nil {
			continue
		}
		for i, m := range requests[:n] {
			replies[i].Buffers[0] = answer.Append(replies[i].Buffers[0][:0], m.N)
			replies[i].Addr = m.Addr
		}
		for sent := 0; sent < n; {
			more, err := c.WriteBatch(replies[sent:n], 0)
			if err != nil {
				more = 1 // one that cannot be sent must not hold up the others
			}
			sent += more
		}
	}
}
