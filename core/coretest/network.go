// Package coretest has what tests of handlers and transports need: a network in memory that loses and
// muddles datagrams on purpose, and the contract that every core.Handler can be held to.
package coretest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"

	"github.com/retort-udp/retort/core"
)

// Faults says how often a Network does to a datagram what real ones do: each is a probability from 0
// to 1, drawn for each datagram on its way. The zero Faults is a perfect network.
type Faults struct {
	Lose      float64 // it never arrives
	Duplicate float64 // it arrives twice
	Reorder   float64 // it overtakes the datagram before it, if that one still waits
	Truncate  float64 // its receiver's buffer is too small for it: a Conn counts and drops it
	Seed      uint64  // of the draws; the same order of sends meets the same faults
}

// Network carries datagrams between the Conns and Peers that are made on it. It is for tests, keeps
// within one process, and does not allocate once its queues have grown.
type Network struct {
	mu     sync.Mutex
	faults Faults
	rng    *rand.Rand
	ends   map[netip.AddrPort]*mailbox
}

// NewNetwork returns a Network with the given faults.
func NewNetwork(f Faults) *Network {
	return &Network{
		faults: f,
		rng:    rand.New(rand.NewPCG(f.Seed, 0)),
		ends:   make(map[netip.AddrPort]*mailbox),
	}
}

// Listen returns a Conn that is bound to addr. Port 0 chooses a free port from 49152 up.
func (n *Network) Listen(addr netip.AddrPort) (*Conn, error) {
	box, err := n.bind(addr)
	if err != nil {
		return nil, err
	}
	return &Conn{network: n, box: box, BatchSize: DefaultBatchSize}, nil
}

// Peer returns a bare end at addr, such as a client. Port 0 chooses a free port from 49152 up.
func (n *Network) Peer(addr netip.AddrPort) (*Peer, error) {
	box, err := n.bind(addr)
	if err != nil {
		return nil, err
	}
	return &Peer{network: n, box: box}, nil
}

func (n *Network) bind(addr netip.AddrPort) (*mailbox, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if addr.Port() == 0 {
		free, err := n.freePort(addr.Addr())
		if err != nil {
			return nil, err
		}
		addr = free
	}
	if _, taken := n.ends[addr]; taken {
		return nil, fmt.Errorf("bind %v: address already in use", addr)
	}
	box := &mailbox{addr: addr, wake: make(chan struct{}, 1)}
	n.ends[addr] = box
	return box, nil
}

// freePort looks through the dynamic ports (RFC 6335, section 6).
func (n *Network) freePort(addr netip.Addr) (netip.AddrPort, error) {
	for port := uint16(49152); port != 0; port++ {
		candidate := netip.AddrPortFrom(addr, port)
		if _, taken := n.ends[candidate]; !taken {
			return candidate, nil
		}
	}
	return netip.AddrPort{}, fmt.Errorf("bind %v: every dynamic port is in use", addr)
}

func (n *Network) unbind(box *mailbox) {
	n.mu.Lock()
	delete(n.ends, box.addr)
	n.mu.Unlock()
	box.close()
}

// send carries data from one address to another, and says whether somebody is there.
func (n *Network) send(from, to netip.AddrPort, data []byte) (reachable bool) {
	n.mu.Lock()
	box := n.ends[to]
	f := &n.faults
	lost, twice := n.draw(f.Lose), n.draw(f.Duplicate)
	overtakes, truncated := n.draw(f.Reorder), n.draw(f.Truncate)
	n.mu.Unlock()

	if box == nil {
		return false
	}
	if lost {
		return true
	}
	box.put(from, data, truncated, overtakes)
	if twice {
		box.put(from, data, truncated, false)
	}
	return true
}

// draw is called with n.mu held. A fault that is off draws nothing, so that switching one on leaves
// the draws of a network without faults alone.
func (n *Network) draw(probability float64) bool {
	return probability > 0 && n.rng.Float64() < probability
}

// Peer is an end of a Network that is no server: it sends and receives single datagrams. Its methods
// are for one goroutine.
type Peer struct {
	network *Network
	box     *mailbox
	got     []packet
}

// Addr is the address of the Peer.
func (p *Peer) Addr() netip.AddrPort { return p.box.addr }

// Send sends data to an address of the Network; if nobody is there it is lost.
func (p *Peer) Send(to netip.AddrPort, data []byte) { p.network.send(p.box.addr, to, data) }

// Forge sends data as if it came from another address.
func (p *Peer) Forge(from, to netip.AddrPort, data []byte) { p.network.send(from, to, data) }

// Receive waits for a datagram. The data is valid until the next Receive. A truncated datagram is cut
// to half.
func (p *Peer) Receive(ctx context.Context) (data []byte, from netip.AddrPort, err error) {
	p.box.giveBack(p.got)
	if p.got, err = p.box.take(ctx, p.got[:0], 1); err != nil {
		return nil, netip.AddrPort{}, err
	}
	got := &p.got[0]
	if got.truncated {
		return got.data[:len(got.data)/2], got.from, nil
	}
	return got.data, got.from, nil
}

// Waiting returns how many datagrams Receive would return without waiting.
func (p *Peer) Waiting() int { return p.box.waiting() }

// Close takes the Peer off the Network.
func (p *Peer) Close() error {
	p.network.unbind(p.box)
	return nil
}

// packet is a datagram on its way.
type packet struct {
	data      []byte
	from      netip.AddrPort
	truncated bool
}

// mailbox queues packets for one end, without bound: a test that wants loss asks for it.
type mailbox struct {
	addr netip.AddrPort
	wake chan struct{} // holds one token when the reader should look again

	mu          sync.Mutex
	queue       []packet
	free        [][]byte // buffers to use again
	interrupted bool
	closed      bool
}

func (m *mailbox) put(from netip.AddrPort, data []byte, truncated, overtakes bool) {
	m.mu.Lock()
	var buffer []byte
	if last := len(m.free) - 1; last >= 0 {
		buffer, m.free = m.free[last], m.free[:last]
	}
	m.queue = append(m.queue, packet{append(buffer[:0], data...), from, truncated})
	if last := len(m.queue) - 1; overtakes && last > 0 {
		m.queue[last], m.queue[last-1] = m.queue[last-1], m.queue[last]
	}
	m.mu.Unlock()
	m.rouse()
}

func (m *mailbox) rouse() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// take appends up to most packets to got, and waits for the first.
func (m *mailbox) take(ctx context.Context, got []packet, most int) ([]packet, error) {
	for {
		m.mu.Lock()
		var err error
		switch {
		case m.closed:
			err = net.ErrClosed
		case m.interrupted:
			err = core.ErrInterrupted
		}
		n := min(most, len(m.queue))
		if err == nil && n > 0 {
			got = append(got, m.queue[:n]...)
			m.queue = m.queue[:copy(m.queue, m.queue[n:])]
		}
		m.mu.Unlock()
		if err != nil || n > 0 {
			return got, err
		}
		select {
		case <-m.wake:
		case <-ctx.Done():
			return got, context.Cause(ctx)
		}
	}
}

// giveBack returns the buffers of packets that nobody reads any more.
func (m *mailbox) giveBack(packets []packet) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range packets {
		m.free = append(m.free, p.data)
	}
}

func (m *mailbox) waiting() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.queue)
}

func (m *mailbox) interrupt() {
	m.mu.Lock()
	m.interrupted = true
	m.mu.Unlock()
	m.rouse()
}

func (m *mailbox) close() {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.rouse()
}
