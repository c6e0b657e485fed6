// Package core is the contract between a transport, which receives and sends UDP datagrams, and a
// handler, which turns one datagram into its reply; everything in it is pure and builds for every GOOS.
//
// Read it in this order: a [Datagram] is what arrived, a [Handler] answers it, a [Conn] is where
// datagrams come from and go to. Package server, below, walks from one to the other.
package core

import (
	"net/netip"
	"time"
)

// The largest payload that one UDP datagram carries, in bytes: what the 16-bit length fields leave
// after the 8 bytes of UDP header (RFC 768) and, in IPv4, the 20 bytes of IP header (RFC 791), which
// that length counts too. IPv6 does not count its own header (RFC 8200, section 3).
const (
	MaxPayload4 = 65535 - 20 - 8
	MaxPayload6 = 65535 - 8
)

// MaxPayload returns the largest payload in bytes that can be sent to addr, by its family.
// An IPv4-mapped IPv6 address travels as IPv4.
func MaxPayload(addr netip.Addr) int {
	if addr.Is4() || addr.Is4In6() {
		return MaxPayload4
	}
	return MaxPayload6
}

// Datagram is one received UDP datagram.
type Datagram struct {
	Data []byte         // the payload: valid until Reply returns, and read-only
	From netip.AddrPort // the peer; IPv4 peers are never in their IPv4-mapped form
	To   netip.AddrPort // the local address that was asked
	Time time.Time      // when the batch that it came in arrived
}
