//go:build unix

package native_test

import (
	"syscall"

	"github.com/retort-udp/retort/core"
)

// What errors.Is finds when somebody else has the port, and when nobody listens at the peer's.
var errInUse, errRefused error = syscall.EADDRINUSE, syscall.ECONNREFUSED

var passingReceiveErrors = []error{
	syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ENETDOWN,
	syscall.EHOSTDOWN, syscall.ENETRESET, syscall.EMSGSIZE, syscall.EINTR, syscall.EAGAIN, syscall.ENOBUFS,
	syscall.ENOMEM, syscall.EPERM, syscall.EACCES,
}

var endingErrors = []error{syscall.EBADF, syscall.ENOTSOCK}

var lossesOfSend = []sendLoss{
	{syscall.ECONNREFUSED, core.Losses{Unreachable: 1}, true},
	{syscall.ECONNRESET, core.Losses{Unreachable: 1}, true},
	{syscall.ENETUNREACH, core.Losses{Unreachable: 1}, false},
	{syscall.EHOSTUNREACH, core.Losses{Unreachable: 1}, false},
	{syscall.EMSGSIZE, core.Losses{TooLong: 1}, false},
	{syscall.ENOBUFS, core.Losses{NoBuffer: 1}, false},
	{syscall.ENOMEM, core.Losses{NoBuffer: 1}, false},
	{syscall.EPERM, core.Losses{Forbidden: 1}, false},
	{syscall.EACCES, core.Losses{Forbidden: 1}, false},
	{syscall.EINVAL, core.Losses{Unsent: 1}, false},
	{syscall.EADDRNOTAVAIL, core.Losses{Unsent: 1}, false},
	{syscall.EIO, core.Losses{Unsent: 1}, false},
}
