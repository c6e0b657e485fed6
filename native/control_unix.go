//go:build unix

package native

import "syscall"

// control returns what prepares a socket before it is bound, since from then on datagrams come in. On a
// wildcard address it sets told when the kernel will tell the address that each datagram is sent to.
func control(wildcard bool, told *bool) func(network, address string, c syscall.RawConn) error {
	if !wildcard {
		return nil
	}
	return func(network, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { *told = enablePktinfo(fd, network == "udp6") == nil })
	}
}
