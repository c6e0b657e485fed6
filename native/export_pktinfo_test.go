//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly || windows

package native

import (
	"net/netip"

	"github.com/retort-udp/retort/core"
)

const ControlRoom = controlRoom

func AppendPktinfo(b []byte, ip netip.Addr, index uint32) []byte { return appendPktinfo(b, ip, index) }

// ParsePktinfo also returns the data of the first control message.
func ParsePktinfo(b []byte) (to, local netip.Addr, index uint32, data []byte) {
	p := parsePktinfo(b)
	_, _, data, _, _ = nextControl(b)
	return p.to, p.local, p.index, data
}

// NextControl cuts the first control message from b.
func NextControl(b []byte) (data, rest []byte, ok bool) {
	_, _, data, rest, ok = nextControl(b)
	return data, rest, ok
}

// NewToldConn is NewConn for a socket that tells the address that each datagram was sent to.
func NewToldConn(s Socket, local netip.AddrPort) core.Conn { return newPortable(s, local, true) }
