//go:build !unix

package native

import (
	"fmt"
	"net"
)

// setBuffers sets the sizes of the kernel's buffers.
func setBuffers(c *net.UDPConn, o Options) error {
	if o.ReadBuffer != 0 {
		if err := c.SetReadBuffer(o.ReadBuffer); err != nil {
			return fmt.Errorf("the system refuses a read buffer of %d bytes: %w", o.ReadBuffer, err)
		}
	}
	if o.WriteBuffer != 0 {
		if err := c.SetWriteBuffer(o.WriteBuffer); err != nil {
			return fmt.Errorf("the system refuses a write buffer of %d bytes: %w", o.WriteBuffer, err)
		}
	}
	return nil
}
