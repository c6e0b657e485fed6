// Package alive finds out whether the workers of a server get on: a worker is stuck when datagrams wait in its socket
// and it has taken none since somebody last looked.
package alive

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/retort-udp/retort/core"
)

// Monitor looks after Conns. The zero Monitor has none.
type Monitor struct {
	mu    sync.Mutex
	conns []*conn
}

// conn counts what is received, once a batch.
type conn struct {
	core.Conn
	socket   core.Conn
	received atomic.Uint64

	last    uint64 // received, when Stuck looked
	waiting bool   // there were datagrams then
}

// Receive implements core.Conn.
func (c *conn) Receive(b *core.Batch) error {
	err := c.Conn.Receive(b)
	c.received.Add(1)
	return err
}

// Around returns what is to be served in the place of c, whose socket is that of another Conn of package native, or
// its own. The Monitor forgets it when the socket is closed.
func (m *Monitor) Around(c, socket core.Conn) core.Conn {
	m.mu.Lock()
	defer m.mu.Unlock()
	watched := &conn{Conn: c, socket: socket}
	m.conns = append(m.conns, watched)
	return watched
}

// Stuck returns the addresses whose workers have taken nothing since the last call, although something waited then
// and waits now.
func (m *Monitor) Stuck() (list []netip.AddrPort) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.conns = slices.DeleteFunc(m.conns, func(c *conn) bool {
		waits, err := waiting(c.socket)
		if err != nil {
			return true
		}
		now := c.received.Load()
		if waits && c.waiting && now == c.last {
			list = append(list, c.LocalAddr())
		}
		c.last, c.waiting = now, waits
		return false
	})
	return list
}
