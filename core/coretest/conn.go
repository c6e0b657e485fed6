package coretest

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/retort-udp/retort/core"
)

// DefaultBatchSize is how many messages a Conn receives at once, unless BatchSize says otherwise.
const DefaultBatchSize = 64

// Conn is a core.Conn on a Network. Set its fields before the first Receive.
type Conn struct {
	// BatchSize is the most messages of one batch.
	BatchSize int

	// Coalesce puts neighbouring datagrams of one peer and one size into one message, with a shorter
	// one at its end perhaps, as Linux does with UDP_GRO.
	Coalesce bool

	network *Network
	box     *mailbox
	got     []packet // what the batch at hand points to
	joined  []byte   // the data of coalesced messages
}

var _ core.Conn = (*Conn)(nil)

// Receive implements core.Conn.
func (c *Conn) Receive(b *core.Batch) error {
	for {
		c.box.giveBack(c.got)
		got, err := c.take(b.Until)
		c.got = got
		if err != nil {
			return fmt.Errorf("receive on %v: %w", c.box.addr, err)
		}
		b.Time = time.Now()
		b.Messages, c.joined = b.Messages[:0], c.joined[:0]
		if len(c.got) == 0 {
			b.More = false
			return nil
		}
		for _, p := range c.got {
			if p.truncated {
				b.Losses.Truncated++
				continue
			}
			if c.Coalesce && c.coalesce(b, p) {
				continue
			}
			b.Messages = append(b.Messages, core.Message{Data: p.data, From: p.from, To: c.box.addr})
		}
		b.More = c.box.waiting() > 0
		if len(b.Messages) > 0 {
			return nil
		}
	}
}

// take waits for packets until a time, or for ever if that is the zero one, and takes those that are there.
func (c *Conn) take(until time.Time) (got []packet, err error) {
	ctx := context.Background()
	if !until.IsZero() {
		limited, cancel := context.WithDeadline(ctx, until)
		defer cancel()
		ctx = limited
	}
	got, err = c.box.take(ctx, c.got[:0], max(c.BatchSize, 1))
	if err == context.DeadlineExceeded {
		err = nil
	}
	return got, err
}

// coalesce joins p to the last message of b if it may follow there: same peer, no longer than the
// segments before it, which were all of one size.
func (c *Conn) coalesce(b *core.Batch, p packet) bool {
	if len(b.Messages) == 0 || len(p.data) == 0 {
		return false
	}
	m := &b.Messages[len(b.Messages)-1]
	segment := m.Segment
	if segment == 0 {
		segment = len(m.Data)
	}
	if m.From != p.from || segment == 0 || len(m.Data)%segment != 0 || len(p.data) > segment ||
		len(m.Data)+len(p.data) > core.MaxPayload4 {
		return false
	}
	start := len(c.joined)
	if m.Segment != 0 {
		start -= len(m.Data) // it is the last thing in joined
		c.joined = append(c.joined, p.data...)
	} else {
		c.joined = append(append(c.joined, m.Data...), p.data...)
	}
	m.Data, m.Segment = c.joined[start:], segment
	return true
}

// Send implements core.Conn. A reply to an address where nobody is counts as unreachable.
func (c *Conn) Send(b *core.Batch) error {
	for _, r := range b.Replies {
		to := b.Messages[r.Message].From
		if len(r.Data) > core.MaxPayload(to.Addr()) {
			b.Losses.TooLong++
		} else if !c.network.send(c.box.addr, to, r.Data) {
			b.Losses.Unreachable++
		}
	}
	return nil
}

// Interrupt implements core.Conn.
func (c *Conn) Interrupt() { c.box.interrupt() }

// LocalAddr implements core.Conn.
func (c *Conn) LocalAddr() netip.AddrPort { return c.box.addr }

// Close implements core.Conn.
func (c *Conn) Close() error {
	c.network.unbind(c.box)
	return nil
}
