//go:build unix

package native

import (
	"errors"
	"syscall"
)

// truncationIsError says that the system reports a datagram that was larger than the buffer as an error,
// not by a flag.
const truncationIsError = false

func causeOfErrno(err error) cause {
	errno, ok := errors.AsType[syscall.Errno](err)
	if !ok {
		return other
	}
	switch errno {
	case syscall.EBADF, syscall.ENOTSOCK:
		return closed
	case syscall.ECONNREFUSED, syscall.ECONNRESET:
		return refused
	case syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ENETDOWN, syscall.ENETRESET, syscall.EHOSTDOWN:
		return unreachable
	case syscall.EMSGSIZE:
		return tooLong
	case syscall.ENOBUFS, syscall.ENOMEM:
		return noBuffer
	case syscall.EPERM, syscall.EACCES:
		return forbidden
	case syscall.EINTR, syscall.EAGAIN:
		return again
	}
	return other
}

func isInUse(err error) bool       { return errors.Is(err, syscall.EADDRINUSE) }
func isNoLocalAddr(err error) bool { return errors.Is(err, syscall.EADDRNOTAVAIL) }
func isNoFamily(err error) bool    { return errors.Is(err, syscall.EAFNOSUPPORT) }

// asInUse returns err such that it is a syscall.EADDRINUSE.
func asInUse(err error) error { return err }
