//go:build unix

package alive

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/native"
)

// waiting says whether a datagram could be received from c.
func waiting(c core.Conn) (waits bool, err error) {
	err = native.WithDescriptor(c, func(fd uintptr) error {
		look := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(look, 0)
		if errors.Is(err, unix.EINTR) {
			return nil // the next look will tell
		}
		waits = n > 0 && look[0].Revents&unix.POLLIN != 0
		return err
	})
	return waits, err
}
