package native

import (
	"net"
	"net/netip"
)

// plan9Socket makes up for the calls that package net does not have on Plan 9; there are no control
// messages.
type plan9Socket struct{ *net.UDPConn }

// newSocket returns c with those calls.
func newSocket(c *net.UDPConn) socket { return plan9Socket{c} }

func (s plan9Socket) ReadMsgUDPAddrPort(data, _ []byte) (
	n, controls, flags int, from netip.AddrPort, err error,
) {
	n, from, err = s.ReadFromUDPAddrPort(data)
	return n, 0, 0, from, err
}

func (s plan9Socket) WriteMsgUDPAddrPort(data, _ []byte, to netip.AddrPort) (n, controls int, err error) {
	if !to.IsValid() { // connected
		n, err = s.Write(data)
		return n, 0, err
	}
	n, err = s.WriteToUDPAddrPort(data, to)
	return n, 0, err
}
