package native

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/impair"
)

// Impair puts faults between a server and c, stray replies included. Worker is the number of the worker that will
// have the Conn, so that each has faults of its own. Closing what it returns closes c; when there is an error c is
// as it was.
func Impair(c core.Conn, s impair.Settings, worker int) (core.Conn, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	impaired := impair.Wrap(c, s, worker)
	if s.WrongPort > 0 {
		stray, err := NewStray(c.LocalAddr().Addr())
		if err != nil {
			return nil, err
		}
		impaired.Stray = stray
	}
	return impaired, nil
}

// Stray sends datagrams from a port that nobody asked, so that one can see what a client makes of them: package impair
// takes it as the wrong port. A good client takes an answer from nobody but the server that it asked.
type Stray struct{ conn *net.UDPConn }

// NewStray returns a Stray on a free port of a local address; the unspecified address is every one.
func NewStray(local netip.Addr) (*Stray, error) {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(local, 0)))
	if err != nil {
		return nil, fmt.Errorf("a port for stray replies on %v: %w", local, err)
	}
	return &Stray{conn}, nil
}

// Send sends data to a peer.
func (s *Stray) Send(to netip.AddrPort, data []byte) error {
	_, err := s.conn.WriteToUDPAddrPort(data, to)
	return err
}

// Close releases the port.
func (s *Stray) Close() error { return s.conn.Close() }
