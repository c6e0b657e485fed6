package load

// A network in memory, on which nothing gets lost, and nothing takes time but what is told to. In a bubble of
// testing/synctest a run goes the same way each time, whatever else the machine does.

import (
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Memory is such a network with one server on it. Its methods are for answer, which is never called twice at a
// time.
type Memory struct {
	// Way is how long a reply takes.
	Way time.Duration

	// Accept is how many requests a socket takes at once, 0 for all: the system's buffers are small then.
	Accept int

	// Answer is called for the n-th request, counted from 0.
	Answer func(n int, request []byte, from netip.AddrPort)

	mu      sync.Mutex
	asked   int
	opened  uint16
	sockets map[netip.AddrPort]*memorySocket
}

// In returns options for a run in that memory.
func (o Options) In(m *Memory) Options {
	m.sockets = make(map[netip.AddrPort]*memorySocket)
	o.Target = netip.MustParseAddrPort("127.0.0.1:1")
	o.sockets = func(s shape) network { return &memoryNetwork{m, s} }
	return o
}

// Send sends a reply, which arrives later than others by that delay.
func (m *Memory) Send(data []byte, to netip.AddrPort, delay time.Duration) {
	if s := m.sockets[to]; s != nil {
		s.put(slices.Clone(data), 0, delay)
	}
}

// SendJoined sends replies of so many bytes each, the last may be shorter, which arrive in one piece.
func (m *Memory) SendJoined(data []byte, segment int, to netip.AddrPort) {
	if s := m.sockets[to]; s != nil {
		s.put(slices.Clone(data), segment, 0)
	}
}

// SendForeign sends a datagram that is not from the server.
func (m *Memory) SendForeign(to netip.AddrPort) {
	if s := m.sockets[to]; s != nil {
		s.strangers++
	}
}

// Refuse has the network say that a request could not be delivered.
func (m *Memory) Refuse(from netip.AddrPort, err error) {
	if s := m.sockets[from]; s != nil {
		s.err = err
	}
}

// Asked is how many requests there were.
func (m *Memory) Asked() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.asked
}

// memoryNetwork is that of one worker.
type memoryNetwork struct {
	*Memory
	shape
}

func (n *memoryNetwork) thread() bool { return false }

func (n *memoryNetwork) open() (socket, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.opened++
	s := &memorySocket{memoryNetwork: n, addr: netip.AddrPortFrom(n.target.Addr(), 1024+n.opened)}
	n.sockets[s.addr] = s
	return s, nil
}

// rest sleeps until the next datagram arrives. Those that are there wait for who does not want them just now.
func (n *memoryNetwork) rest(_ int, limit time.Duration) {
	n.mu.Lock()
	now := n.clock.now()
	for _, s := range n.sockets {
		i := slices.IndexFunc(s.arriving, func(m message) bool { return m.at > now })
		if s.memoryNetwork == n && i >= 0 {
			limit = min(limit, time.Duration(s.arriving[i].at-now))
		}
	}
	n.mu.Unlock()
	time.Sleep(max(limit, 1))
}

type memorySocket struct {
	*memoryNetwork
	addr      netip.AddrPort
	arriving  []message // the earliest first
	strangers uint64
	err       error
}

func (s *memorySocket) put(data []byte, segment int, delay time.Duration) {
	m := message{data: data, segment: segment, at: s.clock.now() + int64(s.Way+delay)}
	i, _ := slices.BinarySearchFunc(s.arriving, m.at+1, func(other message, at int64) int { return int(other.at - at) })
	s.arriving = slices.Insert(s.arriving, i, m)
}

func (s *memorySocket) send(packed []byte, n int) (sent int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Accept > 0 {
		n = min(n, s.Accept)
	}
	for i := range n {
		s.asked++
		s.Answer(s.asked-1, packed[i*s.size:(i+1)*s.size], s.addr)
	}
	return n, nil
}

func (s *memorySocket) receive(in *inbox, _ int) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err, s.err = s.err, nil; err != nil {
		return err
	}
	now := s.clock.now()
	for len(s.arriving) > 0 && s.arriving[0].at <= now {
		in.messages = append(in.messages, s.arriving[0])
		s.arriving = s.arriving[1:]
	}
	return nil
}

func (s *memorySocket) foreign() (n uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, s.strangers = s.strangers, 0
	return n
}

func (s *memorySocket) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sockets, s.addr)
}
