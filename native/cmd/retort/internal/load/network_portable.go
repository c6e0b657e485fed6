package load

// The way of every system: package net, one datagram a call, and a goroutine for each socket that receives.

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/retort-udp/retort/core"
)

type portable struct {
	shape
	arrived chan struct{} // holds something when datagrams may have arrived since it was last read
	timer   *time.Timer
}

func newPortable(s shape) *portable {
	return &portable{shape: s, arrived: make(chan struct{}, 1), timer: time.NewTimer(time.Hour)}
}

func (n *portable) thread() bool { return false }

// rest waits for a datagram.
func (n *portable) rest(_ int, limit time.Duration) {
	if limit <= 0 {
		return
	}
	n.timer.Reset(limit)
	select {
	case <-n.arrived:
	case <-n.timer.C:
	}
}

func (n *portable) open() (socket, error) {
	network := "udp6"
	if n.target.Addr().Is4() {
		network = "udp4"
	}
	// Package net takes a zone that does not exist for none, and some systems send to whatever link they like then.
	if zone := n.target.Addr().Zone(); zone != "" {
		if _, err := net.InterfaceByName(zone); err != nil {
			return nil, fmt.Errorf("there is no interface %q: %w", zone, err)
		}
	}
	c, err := net.ListenUDP(network, n.bind())
	if err != nil {
		return nil, err
	}
	// The systems that grant less have their reasons; a window that fits is the caller's business.
	_ = errors.Join(c.SetReadBuffer(n.buffer), c.SetWriteBuffer(n.buffer))
	s := &portableSocket{portable: n, conn: c}
	s.drained.L = &s.mu
	s.ended.Go(s.read)
	return s, nil
}

// portableSocket is not connected: the kernel would hide what comes from others.
type portableSocket struct {
	*portable
	conn  *net.UDPConn
	ended sync.WaitGroup
	taken mailbag // what receive returned last

	mu      sync.Mutex
	drained sync.Cond // waiting was taken, or closed has changed
	waiting mailbag
	others  uint64
	closed  bool
}

// mailbag is datagrams, one behind the other.
type mailbag struct {
	data     []byte
	messages []mail
}

type mail struct {
	end int // in data; the datagram before ends where this one begins
	at  int64
}

// bagSize is how many bytes may wait to be received before the goroutine leaves the rest to the kernel.
const bagSize = 1 << 20

// errorPause keeps a socket that fails on and on from taking a whole processor.
const errorPause = time.Millisecond

// read runs until the socket is closed.
func (s *portableSocket) read() {
	buffer := make([]byte, core.MaxPayload6+1)
	for {
		n, from, err := s.conn.ReadFromUDPAddrPort(buffer)
		at := s.clock.now()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil && n == 0 {
			time.Sleep(errorPause) // the network's answer to a request, which is lost; or there is no network
			continue
		}
		if !s.put(buffer[:n], unmapped(from), at) {
			return
		}
	}
}

func unmapped(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// put hands a datagram over, unless the socket is closed.
func (s *portableSocket) put(data []byte, from netip.AddrPort, at int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.waiting.data) > bagSize && !s.closed {
		s.drained.Wait()
	}
	if s.closed {
		return false
	}
	if from != s.target {
		s.others++
		return true
	}
	s.waiting.data = append(s.waiting.data, data...)
	s.waiting.messages = append(s.waiting.messages, mail{len(s.waiting.data), at})
	select {
	case s.arrived <- struct{}{}:
	default:
	}
	return true
}

func (s *portableSocket) receive(in *inbox, _ int) error {
	s.mu.Lock()
	s.taken, s.waiting = s.waiting, s.taken
	s.waiting.data, s.waiting.messages = s.waiting.data[:0], s.waiting.messages[:0]
	s.drained.Signal()
	s.mu.Unlock()

	start := 0
	for _, m := range s.taken.messages {
		in.messages = append(in.messages, message{data: s.taken.data[start:m.end], at: m.at})
		start = m.end
	}
	return nil
}

func (s *portableSocket) send(packed []byte, n int) (sent int, err error) {
	for i := range n {
		if _, err := s.conn.WriteToUDPAddrPort(packed[i*s.size:(i+1)*s.size], s.target); err != nil {
			return i, err
		}
	}
	return n, nil
}

func (s *portableSocket) foreign() (n uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, s.others = s.others, 0
	return n
}

func (s *portableSocket) close() {
	s.mu.Lock()
	s.closed = true
	s.drained.Signal()
	s.mu.Unlock()
	_ = s.conn.Close() // nothing was to be kept
	s.ended.Wait()
}
