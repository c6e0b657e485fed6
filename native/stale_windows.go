package native

import (
	"errors"
	"fmt"
	"net"
	"unsafe"

	"golang.org/x/sys/windows"
)

// maxStale bounds how many datagrams are discarded at once. A buffer of common size holds some hundreds;
// a flood must not keep a Client from asking.
const maxStale = 1 << 16

// fionbio is FIONBIO (winsock2.h).
const fionbio = 0x8004667e

// newStale returns what discards the datagrams that wait in c, and counts them. Calls with an OVERLAPPED,
// such as those of package net, do not mind that the socket is non-blocking.
func newStale(c *net.UDPConn) (func() int, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		on, returned := uint32(1), uint32(0)
		failed = windows.WSAIoctl(windows.Handle(fd), fionbio,
			(*byte)(unsafe.Pointer(&on)), uint32(unsafe.Sizeof(on)), nil, 0, &returned, nil, 0)
	})
	if err = errors.Join(err, failed); err != nil {
		return nil, fmt.Errorf("make the socket non-blocking: %w", err)
	}

	count, first := 0, make([]byte, 1) // the system drops the rest of each
	buffer := &windows.WSABuf{Len: uint32(len(first)), Buf: &first[0]}
	var received, flags uint32
	read := func(fd uintptr) {
		for range maxStale {
			flags = 0
			err := windows.WSARecv(windows.Handle(fd), buffer, 1, &received, &flags, nil, nil)
			switch {
			case err == nil, errors.Is(err, windows.WSAEMSGSIZE):
				count++
			case errors.Is(err, windows.WSAEWOULDBLOCK):
				return
			case causeOfErrno(err) == closed, causeOfErrno(err) == other:
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
