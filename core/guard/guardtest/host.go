package guardtest

import (
	"net/netip"
	"time"

	"github.com/retort-udp/retort/core"
)

// Host is the Conn of a server. Its Receive runs the clock: of all hosts one moves at a time, and hands over to another
// when that has something to receive.
type Host struct {
	network *Network
	addr    netip.AddrPort
	turn    chan struct{} // holds one token when this host's worker may move
	moves   bool
	freed   time.Duration // when it is done with the batch at hand
	inbox   []event
	taken   int           // of the inbox, by the batch at hand
	until   time.Duration // when it does not wait any longer; 0: it waits for ever
}

var _ core.Conn = (*Host)(nil)

// Listen puts a server on the network, which Run will be given.
func (n *Network) Listen(addr netip.AddrPort) *Host {
	h := &Host{network: n, addr: addr, turn: make(chan struct{}, 1)}
	n.hosts = append(n.hosts, h)
	return h
}

// Receive lets everybody else go on until there is something to receive.
func (h *Host) Receive(b *core.Batch) error {
	n := h.network
	h.wait()
	for _, e := range h.inbox[:h.taken] {
		n.free = append(n.free, e.data)
	}
	h.inbox = h.inbox[:copy(h.inbox, h.inbox[h.taken:])]
	h.taken, h.until = 0, 0
	if !b.Until.IsZero() {
		h.until = b.Until.Sub(Epoch)
	}
	for {
		h.wait()
		for len(n.events) > 0 && n.events[0].at <= h.freed && n.step() {
		}
		if len(h.inbox) > 0 && !n.over {
			h.fill(b)
			return nil
		}
		other := n.waiting()
		if other == nil {
			other = n.due()
		}
		if other == h {
			n.now = max(n.now, h.until)
			h.fill(b)
			return nil
		}
		if other != nil {
			h.handOver(other)
			continue
		}
		if !n.step() || n.over {
			n.over = true
			for _, other := range n.hosts {
				if other != h {
					h.handOver(other)
				}
			}
			return core.ErrInterrupted
		}
	}
}

// wait waits until it is this host's turn to move.
func (h *Host) wait() {
	if !h.moves {
		<-h.turn
		h.moves = true
	}
}

// handOver lets another host move.
func (h *Host) handOver(to *Host) {
	h.moves = false
	select {
	case to.turn <- struct{}{}:
	default:
	}
}

// waiting returns a host that has something to receive.
func (n *Network) waiting() *Host {
	for _, h := range n.hosts {
		if len(h.inbox) > 0 && !n.over {
			return h
		}
	}
	return nil
}

// due returns the host that stops waiting first, if that is before anything else happens.
func (n *Network) due() (first *Host) {
	if n.stopped || n.over {
		return nil
	}
	for _, h := range n.hosts {
		if h.until > 0 && h.until <= n.Until && (first == nil || h.until < first.until) {
			first = h
		}
	}
	if first != nil && len(n.events) > 0 && n.events[0].at <= first.until {
		return nil
	}
	return first
}

// fill fills b with what h has received, if anything.
func (h *Host) fill(b *core.Batch) {
	n := h.network
	n.now = max(n.now, h.freed)
	h.freed = n.now + n.Busy
	h.taken = min(len(h.inbox), n.Batch)
	b.Time = Epoch.Add(n.now)
	b.Messages = b.Messages[:0]
	for _, e := range h.inbox[:h.taken] {
		b.Messages = append(b.Messages, core.Message{Data: e.data, From: e.from, To: h.addr})
	}
	b.More = len(h.inbox) > h.taken
}

// Send sends the replies.
func (h *Host) Send(b *core.Batch) error {
	for _, r := range b.Replies {
		h.network.Send(h.addr, b.Messages[r.Message].From, r.Data)
	}
	return nil
}

// Interrupt does nothing: Receive ends by itself.
func (h *Host) Interrupt() {}

// LocalAddr returns the address that Listen was given.
func (h *Host) LocalAddr() netip.AddrPort { return h.addr }

// Close does nothing.
func (h *Host) Close() error { return nil }
