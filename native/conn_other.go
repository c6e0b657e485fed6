//go:build !linux

package native

import (
	"errors"
	"net"
	"net/netip"

	"github.com/retort-udp/retort/core"
)

// What Options may ask for: one socket, one worker, one datagram at a time.
const (
	balances = false
	batches  = false
)

func defaultWorkers() int { return 1 }

// share is not called where nothing balances.
func share(uintptr) error { return errors.ErrUnsupported }

// newConn returns a Conn on a socket that is bound to local. Told says that the kernel tells the address
// that each datagram was sent to.
func newConn(conn *net.UDPConn, local netip.AddrPort, told, _ bool, b Buffers, o Options) (core.Conn, error) {
	c := newPortable(newSocket(conn), local, told)
	c.buffers, c.log = b, o.Log
	return c, nil
}
