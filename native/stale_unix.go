//go:build unix

package native

import (
	"net"
	"syscall"
)

// maxStale bounds how many datagrams are discarded at once. A buffer of common size holds some hundreds;
// a flood must not keep a Client from asking.
const maxStale = 1 << 16

// newStale returns what discards the datagrams that wait in c, and counts them.
func newStale(c *net.UDPConn) (func() int, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	count, first := 0, make([]byte, 1) // the kernel drops the rest of each
	read := func(fd uintptr) {
		for range maxStale {
			_, err := syscall.Read(int(fd), first)
			switch {
			case err == nil:
				count++
			case err == syscall.EAGAIN:
				return
			case causeOfErrno(err) == closed:
				return
			}
		}
	}
	return func() int {
		count = 0
		_ = raw.Control(read) // fails on a closed socket only, where the next call fails too
		return count
	}, nil
}
