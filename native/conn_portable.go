package native

// The transport that works everywhere: one datagram at a time through package net.

import (
	"fmt"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/retort-udp/retort/core"
)

// socket is what portable needs of a *net.UDPConn.
type socket interface {
	ReadMsgUDPAddrPort(data, control []byte) (n, controls, flags int, from netip.AddrPort, err error)
	WriteMsgUDPAddrPort(data, control []byte, to netip.AddrPort) (n, controls int, err error)
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
	Close() error
}

// bufferSize is one byte more than the largest datagram, so that one that fills the buffer is too large.
const bufferSize = core.MaxPayload6 + 1

// portable is a core.Conn.
type portable struct {
	socket socket
	local  netip.AddrPort
	group  bool // local is a broadcast or multicast address itself
	told   bool // the kernel tells the address that each datagram was sent to

	data     []byte // the datagram
	control  []byte // what the kernel says about it; empty unless told
	source   []byte // what the kernel is told about a reply
	failures int    // of Receive, one behind the other
	buffers  Buffers

	interrupted atomic.Bool
	limited     bool // Receive has a deadline
	stuck       bool // nothing has left for lastPatience since

	log         *slog.Logger // nil: silence
	saidRefused atomic.Bool
	destinations
}

var _ core.Conn = (*portable)(nil)

// newPortable returns a Conn on a socket that is bound to local. Told says that the socket was prepared
// by enablePktinfo.
func newPortable(s socket, local netip.AddrPort, told bool) *portable {
	c := &portable{socket: s, local: local, told: told, data: make([]byte, bufferSize)}
	c.port = local.Port()
	c.group = c.isGroup(local.Addr())
	if told {
		c.control = make([]byte, controlRoom)
		c.source = make([]byte, 0, controlRoom)
	}
	return c
}

// LocalAddr implements core.Conn.
func (c *portable) LocalAddr() netip.AddrPort { return c.local }

// Close implements core.Conn.
func (c *portable) Close() error { return c.socket.Close() }

// socketState is what Inspect returns.
func (c *portable) socketState() SocketInfo { return SocketInfo{Buffers: c.buffers} }

// longAgo is a deadline that has passed.
func longAgo() time.Time { return time.Unix(1, 0) }

const (
	// lastPatience is how long a worker that is to end waits for room in the send queue when nothing leaves that.
	lastPatience = time.Second

	// lastLook is how long it waits after that: who has no room by then loses what it sends. It is also how long
	// Receive looks for what is there when it is to wait no longer.
	lastLook = time.Millisecond
)

// Interrupt implements core.Conn. A deadline in the past ends the Receive that waits and all that
// follow; the deadline of Send is another.
func (c *portable) Interrupt() {
	c.interrupted.Store(true)
	// These fail on a closed socket only, where Receive and Send fail anyway.
	_ = c.socket.SetReadDeadline(longAgo())
	_ = c.socket.SetWriteDeadline(time.Now().Add(lastPatience)) // for one that waits; the others have their own
}

// limitReceive has Receive wait until a time at most, or for ever if that is the zero one.
func (c *portable) limitReceive(until time.Time) {
	if until.IsZero() && !c.limited {
		return
	}
	c.limited = !until.IsZero()
	if soon := time.Now().Add(lastLook); c.limited && until.Before(soon) {
		until = soon // package net does not look for a datagram that waits when the deadline has passed
	}
	_ = c.socket.SetReadDeadline(until) // fails on a closed socket only, where Receive fails anyway
	if c.interrupted.Load() {           // whose deadline this one may have replaced
		_ = c.socket.SetReadDeadline(longAgo())
	}
}

// Receive implements core.Conn.
func (c *portable) Receive(b *core.Batch) error {
	b.Messages, b.More = b.Messages[:0], false
	b.Clear()
	c.limitReceive(b.Until)
	for {
		n, controls, flags, from, err := c.socket.ReadMsgUDPAddrPort(c.data, c.control)
		if err != nil {
			err := c.endure(err, &b.Losses)
			if err == core.ErrInterrupted && !c.interrupted.Load() { // the deadline was that of limitReceive
				b.Time = time.Now()
				return nil
			} else if err != nil {
				return err
			}
			continue
		}
		c.failures = 0
		if n == len(c.data) || flags&truncationFlags != 0 {
			b.Losses.Truncated++
			continue
		}
		b.Time = time.Now()
		m := core.Message{Data: c.data[:n], From: unmapped(from), To: c.local, Group: c.group}
		if c.told {
			c.setTo(&m, parsePktinfo(c.control[:controls]), b.Time)
		}
		if m.Group && c.shared {
			continue
		}
		b.Messages = append(b.Messages, m)
		return nil
	}
}

// destinations finds out where messages were sent to, and sends their answers from there.
type destinations struct {
	port   uint16
	shared bool // another socket has the address too, and gets every group message that this one gets
	zones  zones
	hosts  broadcasts // for who receives
}

// isGroup says whether a socket that is bound to ip receives what is sent to a group.
func (c *destinations) isGroup(ip netip.Addr) bool {
	return ip.IsMulticast() || ip.Is4() && !ip.IsUnspecified() && c.hosts.has(ip, time.Now())
}

// setTo fills in the address that m was sent to, as the kernel tells it.
func (c *destinations) setTo(m *core.Message, p pktinfo, now time.Time) {
	if !p.to.IsValid() {
		return
	}
	if needsZone(p.to) {
		zone := m.From.Addr().Zone() // a link-local peer is on the same link
		if zone == "" {
			zone = c.zones.name(p.index)
		}
		p.to = p.to.WithZone(zone)
	}
	m.To = netip.AddrPortFrom(p.to, c.port)
	switch {
	case p.to.IsMulticast():
		m.Group = true
	case p.to.Is6(): // which has no broadcast
	case p.local.IsValid():
		m.Group = p.local != p.to
	default:
		m.Group = c.hosts.has(p.to, now)
	}
}

// patience is how many failures in a row Receive takes without a pause. What one peer causes comes in
// ones and twos; a kernel that is out of memory, say, fails on and on.
const patience = 64

// wasRefused counts a reply that had left and was refused where it came to, and says so once. Who receives and who
// sends may both be told, at the same time.
func (c *portable) wasRefused(err error, l *core.Losses) {
	l.Unreachable++
	if c.log != nil && !c.saidRefused.Swap(true) {
		c.log.Warn(saidOnceRefused, "listener", c.local, "error", bare(err))
	}
}

// saidOnceRefused is logged once for each Conn.
const saidOnceRefused = "a peer has gone away before its reply came; this is said once, and counted from here on"

// endure returns nil for an error of Receive that belongs to one datagram, and counts it where it says that a reply was refused.
func (c *portable) endure(err error, l *core.Losses) error {
	switch why := causeOfReceive(err); why {
	case pastDeadline:
		return core.ErrInterrupted
	case truncated:
		c.failures = 0
		l.Truncated++
		return nil
	case refused, unreachable, tooLong, noBuffer, forbidden, again:
		if why == refused || why == unreachable {
			c.wasRefused(err, l)
		}
		c.failures++
		if c.failures > patience {
			time.Sleep(time.Millisecond)
		}
		return nil
	default:
		return fmt.Errorf("receive on %v: %w", c.local, bare(err))
	}
}

// Send implements core.Conn. After Interrupt it does not wait for ever for room in a queue that nothing leaves.
func (c *portable) Send(b *core.Batch) error {
	for i, r := range b.Replies {
		c.limitSend()
		err := c.send(r.Data, &b.Messages[r.Message], &b.Losses)
		if err == nil {
			c.stuck = false
			continue
		}
		why := causeOfSend(err)
		switch why {
		case closed:
			b.Losses.Unsent += uint64(len(b.Replies) - i)
			return fmt.Errorf("send on %v: %w", c.local, bare(err))
		case pastDeadline:
			b.Losses.Unsent += uint64(len(b.Replies) - i)
			c.stuck = true
			return nil // it can still be sent on, should there be room again
		}
		*why.counter(&b.Losses)++
	}
	return nil
}

// limitSend bounds how long the next reply may wait, once the Conn is interrupted.
func (c *portable) limitSend() {
	if !c.interrupted.Load() {
		return
	}
	wait := lastPatience
	if c.stuck {
		wait = lastLook
	}
	_ = c.socket.SetWriteDeadline(time.Now().Add(wait)) // fails on a closed socket only, as send does
}

// send sends data as the answer to m.
//
// An address that the peer asked and that is not ours any more does not make it leave from another one:
// the peer would not take the answer, and a stranger would learn of that address. It is lost, and Unsent.
func (c *portable) send(data []byte, m *core.Message, l *core.Losses) error {
	if m.From.Port() == 0 {
		return errPortZero
	}
	_, _, err := c.socket.WriteMsgUDPAddrPort(data, c.sourceOf(m), m.From)
	if err != nil && causeOfSend(err) == refused {
		// Some kernels hand what a peer's host said of an earlier datagram to whoever sends next,
		// and send nothing. That peer's refusal must not cost this one its answer.
		c.wasRefused(err, l)
		_, _, err = c.socket.WriteMsgUDPAddrPort(data, c.sourceOf(m), m.From)
	}
	return err
}

// sourceOf returns the control message that makes the answer to m leave from the address that m was sent to.
func (c *portable) sourceOf(m *core.Message) []byte {
	if !c.told {
		return nil
	}
	return c.appendSource(c.source[:0], m)
}

// appendSource appends that control message, unless the kernel is to choose.
func (c *destinations) appendSource(control []byte, m *core.Message) []byte {
	ip := m.To.Addr()
	if m.Group || !ip.IsValid() || ip.IsUnspecified() {
		return control
	}
	var index uint32
	if needsZone(ip) {
		index = c.zones.index(ip.Zone())
	}
	return appendPktinfo(control, ip, index)
}
