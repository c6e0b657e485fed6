//go:build !unix && !windows

package native

import (
	"net"
	"time"
)

// maxStale bounds how many datagrams are discarded at once.
const maxStale = 1 << 16

// newStale returns what discards the datagrams that wait in c, and counts them. There is no way to ask
// whether one waits but to wait for it.
func newStale(c *net.UDPConn) (func() int, error) {
	first := make([]byte, 1)
	return func() int {
		_ = c.SetReadDeadline(time.Now().Add(time.Millisecond)) // fails on a closed socket only
		for count := range maxStale {
			if _, _, err := c.ReadFromUDPAddrPort(first); err != nil {
				return count
			}
		}
		return maxStale
	}, nil
}
