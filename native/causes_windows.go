package native

import (
	"errors"
	"syscall"

	"golang.org/x/sys/windows"
)

// truncationIsError says that the system reports a datagram that was larger than the buffer as an error,
// not by a flag.
const truncationIsError = true

// causeOfErrno knows Winsock's errors and those by which the I/O manager names some of them when an
// operation ends later than it began.
func causeOfErrno(err error) cause {
	errno, ok := errors.AsType[syscall.Errno](err)
	if !ok {
		return other
	}
	switch errno {
	case windows.WSAENOTSOCK, windows.WSAEBADF, windows.ERROR_INVALID_HANDLE:
		return closed
	case windows.WSAECONNRESET, windows.WSAECONNREFUSED,
		windows.ERROR_PORT_UNREACHABLE, windows.ERROR_NETNAME_DELETED:
		return refused
	case windows.WSAENETUNREACH, windows.WSAEHOSTUNREACH, windows.WSAENETDOWN, windows.WSAENETRESET,
		windows.WSAEHOSTDOWN, windows.ERROR_NETWORK_UNREACHABLE, windows.ERROR_HOST_UNREACHABLE:
		return unreachable
	case windows.WSAEMSGSIZE, windows.ERROR_MORE_DATA:
		return tooLong
	case windows.WSAENOBUFS, windows.ERROR_NOT_ENOUGH_MEMORY:
		return noBuffer
	case windows.WSAEACCES:
		return forbidden
	case windows.WSAEINTR, windows.WSAEWOULDBLOCK:
		return again
	}
	return other
}

func isInUse(err error) bool {
	return errors.Is(err, windows.WSAEADDRINUSE) || errors.Is(err, syscall.EADDRINUSE)
}
func isNoLocalAddr(err error) bool { return errors.Is(err, windows.WSAEADDRNOTAVAIL) }
func isNoFamily(err error) bool    { return errors.Is(err, windows.WSAEAFNOSUPPORT) }

// inUse is Winsock's error under the name that other systems have for it too.
type inUse struct{ error }

func (e inUse) Unwrap() error        { return e.error }
func (e inUse) Is(target error) bool { return target == syscall.EADDRINUSE }

// asInUse returns err such that it is a syscall.EADDRINUSE.
func asInUse(err error) error { return inUse{err} }
