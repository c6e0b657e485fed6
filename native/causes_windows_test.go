package native_test

import (
	"syscall"

	"golang.org/x/sys/windows"

	"github.com/retort-udp/retort/core"
)

// What errors.Is finds when somebody else has the port, and when nobody listens at the peer's.
var errInUse, errRefused error = syscall.EADDRINUSE, windows.WSAECONNRESET

var passingReceiveErrors = []error{
	windows.WSAECONNRESET, windows.WSAENETRESET, windows.WSAEMSGSIZE, windows.WSAENETUNREACH,
	windows.WSAEHOSTUNREACH, windows.WSAENOBUFS, windows.WSAEINTR, windows.WSAEACCES,
	windows.ERROR_PORT_UNREACHABLE, windows.ERROR_NETNAME_DELETED, windows.ERROR_MORE_DATA,
}

var endingErrors = []error{windows.WSAEBADF, windows.WSAENOTSOCK}

var lossesOfSend = []sendLoss{
	{windows.WSAECONNRESET, core.Losses{Unreachable: 1}, true},
	{windows.WSAENETUNREACH, core.Losses{Unreachable: 1}, false},
	{windows.WSAEHOSTUNREACH, core.Losses{Unreachable: 1}, false},
	{windows.WSAEMSGSIZE, core.Losses{TooLong: 1}, false},
	{windows.WSAENOBUFS, core.Losses{NoBuffer: 1}, false},
	{windows.WSAEACCES, core.Losses{Forbidden: 1}, false},
	{windows.WSAEINVAL, core.Losses{Unsent: 1}, false},
	{windows.WSAEADDRNOTAVAIL, core.Losses{Unsent: 1}, false},
}
