//go:build !plan9

package native

import "net"

// newSocket returns c.
func newSocket(c *net.UDPConn) socket { return c }
