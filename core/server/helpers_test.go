package server_test

import (
	"context"
	"net/netip"
	"testing"

	"github.com/retort-udp/retort/core/coretest"
	"github.com/retort-udp/retort/core/server"
)

var (
	listener = netip.MustParseAddrPort("127.0.0.1:1060")
	anybody  = netip.MustParseAddrPort("127.0.0.1:0")
)

// house is a Server that serves one Conn of a network in memory, and a peer beside it.
type house struct {
	*server.Server
	network *coretest.Network
	conn    *coretest.Conn
	peer    *coretest.Peer
}

func open(t testing.TB, s *server.Server) *house {
	t.Helper()
	n := coretest.NewNetwork(coretest.Faults{})
	c, err := n.Listen(listener)
	if err != nil {
		t.Fatal(err)
	}
	p, err := n.Peer(anybody)
	if err != nil {
		t.Fatal(err)
	}
	return &house{s, n, c, p}
}

// onLowPort gives the house a peer on a port that a service may have.
func (h *house) onLowPort(t testing.TB) {
	t.Helper()
	p, err := h.network.Peer(netip.MustParseAddrPort("127.0.0.1:2000"))
	if err != nil {
		t.Fatal(err)
	}
	h.peer = p
}

// serve runs the Server until the returned function is called, which returns what Serve did.
func (h *house) serve() (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- h.Serve(ctx, h.conn) }()
	return func() error {
		cancel()
		return <-result
	}
}

func (h *house) ask(t testing.TB, request string) string {
	t.Helper()
	h.peer.Send(listener, []byte(request))
	data, from, err := h.peer.Receive(context.Background())
	if err != nil || from != listener {
		t.Fatalf("reply from %v, %v", from, err)
	}
	return string(data)
}

// accounted is the sum of what a datagram can come to.
func accounted(s server.Stats) uint64 {
	n := s.Replied + s.Silent + s.Malformed + s.OtherCodes + s.Faults + s.Panics + s.Oversize
	for _, c := range s.Codes {
		n += c
	}
	for _, c := range s.Refused {
		n += c
	}
	return n
}
