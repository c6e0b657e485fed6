package native

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/windows"
)

// soExclusiveAddrUse is SO_EXCLUSIVEADDRUSE (winsock2.h). Without it another program that asks for
// SO_REUSEADDR can take over the port.
const soExclusiveAddrUse = ^windows.SO_REUSEADDR

// control returns what prepares a socket before it is bound, since from then on datagrams come in. On a
// wildcard address it sets told when the kernel will tell the address that each datagram is sent to.
func control(wildcard, _ bool, told *bool) func(network, address string, c syscall.RawConn) error {
	return func(network, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) {
			failed = windows.SetsockoptInt(windows.Handle(fd), windows.SOL_SOCKET, soExclusiveAddrUse, 1)
			if wildcard {
				*told = enablePktinfo(fd, network == "udp6") == nil
			}
		})
		if err == nil && failed != nil {
			err = fmt.Errorf("claim the address: %w", failed)
		}
		return err
	}
}
