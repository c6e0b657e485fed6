//go:build unix

package native

import (
	"errors"
	"syscall"
)

// control returns what prepares a socket before it is bound, since from then on datagrams come in. On a
// wildcard address it sets told when the kernel will tell the address that each datagram is sent to. A
// shared socket joins another one at its address.
func control(wildcard, shared bool, told *bool) func(network, address string, c syscall.RawConn) error {
	return func(network, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) {
			if wildcard {
				*told = enablePktinfo(fd, network == "udp6") == nil
			}
			if shared {
				failed = share(fd)
			}
		})
		return errors.Join(err, failed)
	}
}
