package capture

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
)

// Exchange is a request of a capture and the reply that was recorded for it.
type Exchange struct {
	Packet        // the request
	Number int    // of the exchange, from 1
	Reply  []byte // what was answered
	Silent bool   // nothing was

	// Known says that the capture tells which reply is whose. Other captures leave that open: there the first
	// reply to a peer belongs to its first request that has none yet.
	Known bool
}

// Unasked says that the guard kept the request from the handler, or its reply from the peer, so that a handler has
// nothing to be compared with.
func (e *Exchange) Unasked() bool {
	return strings.HasPrefix(e.Outcome, "refused") || e.Outcome == "withheld" || e.Outcome == "oversize"
}

// Exchanges pairs requests with replies. Server is where the requests of a capture went that is not ours: an address
// and a port, or a port alone with the zero address; the zero AddrPort is where the first packet went.
func (f *File) Exchanges(server netip.AddrPort) (all []*Exchange) {
	ours := slices.ContainsFunc(f.Packets, func(p Packet) bool { return p.Request != 0 })
	if ours {
		return f.numbered()
	}
	if server == (netip.AddrPort{}) && len(f.Packets) > 0 {
		server = f.Packets[0].To
	}
	isServer := func(a netip.AddrPort) bool {
		return a == server || !server.Addr().IsValid() && a.Port() == server.Port()
	}
	type flow struct{ client, server netip.AddrPort }
	waiting := make(map[flow][]*Exchange)
	for _, p := range f.Packets {
		if isServer(p.To) {
			e := &Exchange{Packet: p, Number: len(all) + 1, Silent: true}
			all = append(all, e)
			key := flow{p.From, p.To}
			waiting[key] = append(waiting[key], e)
			continue
		}
		key := flow{p.To, p.From}
		if asked := waiting[key]; isServer(p.From) && len(asked) > 0 {
			asked[0].Reply, asked[0].Silent = p.Data, false
			waiting[key] = asked[1:]
		}
	}
	return all
}

// numbered pairs the packets of one of our captures.
func (f *File) numbered() (all []*Exchange) {
	byNumber := make(map[uint64]*Exchange)
	for _, p := range f.Packets {
		switch e := byNumber[p.Request]; {
		case p.Request == 0:
		case !p.Reply:
			e := &Exchange{Packet: p, Number: int(p.Request), Silent: true, Known: true}
			byNumber[p.Request] = e
			all = append(all, e)
		case e != nil:
			e.Reply, e.Silent = p.Data, false
		}
	}
	return all
}

// Same says whether a handler's answer is what was recorded; nil is silence.
func (e *Exchange) Same(answer []byte) bool {
	return e.Silent == (answer == nil) && bytes.Equal(e.Reply, answer)
}
