//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly || windows)

package native

import (
	"errors"
	"net/netip"
)

// The kernel is not asked for the address that a datagram was sent to: a socket serves whatever package
// net can bind it to.

const (
	oneSocketForBoth = true
	truncationFlags  = 0 // a datagram that is too large fills the buffer
	controlRoom      = 0
)

func enablePktinfo(uintptr, bool) error                     { return errors.ErrUnsupported }
func parsePktinfo([]byte) (p pktinfo)                       { return p }
func appendPktinfo(b []byte, _ netip.Addr, _ uint32) []byte { return b }
