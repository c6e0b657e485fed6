package impair

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/retort-udp/retort/core"
)

// batchSize is how many datagrams are delivered at once, at most.
const batchSize = 64

// Conn is a core.Conn whose datagrams have the faults of its Settings. Two goroutines of its own use the Conn below
// it: one receives, and one sends.
type Conn struct {
	// Stray sends the replies that leave from the wrong port. Without it all leave from the right one. Set it before
	// the first Receive; the Conn closes it with itself.
	Stray Stray

	below    core.Conn
	in, out  *lane
	start    sync.Once
	started  atomic.Bool
	ended    sync.WaitGroup // the two goroutines
	received chan struct{}  // closed when nothing more is received
	failed   error          // then: why
	closing  chan struct{}
	closed   atomic.Bool
	broken   atomic.Pointer[error] // what Send returned below
	losses   losses

	got []*parcel // that the batch at hand points to
}

var _ core.Conn = (*Conn)(nil)

// Stray is a port that nobody asked; package native has one for UDP.
type Stray interface {
	// Send sends a reply to a peer. It is called by one goroutine.
	Send(to netip.AddrPort, reply []byte) error
	Close() error
}

// Wrap returns a Conn around c. Worker is the number of the worker that will have it, so that each has faults of its
// own. The settings must be valid.
func Wrap(c core.Conn, s Settings, worker int) *Conn {
	out := newFates(s, s.Replies, worker, 1)
	out.swap, out.wrongPort = s.Swap, s.WrongPort
	return &Conn{
		below:    c,
		in:       newLane(newFates(s, s.Requests, worker, 0)),
		out:      newLane(out),
		received: make(chan struct{}),
		closing:  make(chan struct{}),
	}
}

// Stats counts what was done to the datagrams of one direction.
type Stats struct {
	Datagrams  uint64 // that went this way
	Lost       uint64
	Duplicated uint64
	Reordered  uint64 // that another one has overtaken
	Truncated  uint64
	Corrupted  uint64
	Swapped    uint64
	Strayed    uint64 // that left, or were to leave, from the wrong port
}

// Stats returns what was done so far. It may be called from any goroutine.
func (c *Conn) Stats() (requests, replies Stats) {
	read := func(l *lane) Stats {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.stats
	}
	return read(c.in), read(c.out)
}

// Unwrap returns the Conn below.
func (c *Conn) Unwrap() core.Conn { return c.below }

// begin starts the two goroutines.
func (c *Conn) begin() {
	c.start.Do(func() {
		c.started.Store(true)
		c.ended.Go(c.receiveAll)
		c.ended.Go(c.sendAll)
	})
}

// receiveAll sends what arrives below on its way in.
func (c *Conn) receiveAll() {
	defer close(c.received)
	b := core.NewBatch()
	for {
		if c.failed = c.below.Receive(b); c.failed != nil {
			return
		}
		for _, m := range b.Messages {
			for rest := m.Data; ; {
				n := len(rest)
				if m.Segment > 0 {
					n = min(n, m.Segment)
				}
				if !c.in.add(parcel{data: rest[:n], from: m.From, to: m.To, group: m.Group}, b.Time) {
					b.Losses.Kernel++
				}
				if rest = rest[n:]; len(rest) == 0 {
					break
				}
			}
		}
		c.losses.take(&b.Losses)
	}
}

// Receive implements core.Conn.
func (c *Conn) Receive(b *core.Batch) error {
	c.begin()
	c.in.giveBack(c.got)
	b.Messages = b.Messages[:0]
	for {
		// Once nothing more is received, what is still on its way has no server to arrive at.
		select {
		case <-c.received:
			c.got = c.got[:0]
			c.losses.give(&b.Losses)
			return c.failed
		default:
		}
		now := time.Now()
		var next time.Time
		if c.got, next = c.in.pop(c.got[:0], batchSize, now, false); len(c.got) > 0 {
			b.Time, b.More = now, !next.IsZero() && !next.After(now)
			for _, p := range c.got {
				b.Messages = append(b.Messages, core.Message{Data: p.data, From: p.from, To: p.to, Group: p.group})
			}
			c.losses.give(&b.Losses)
			return nil
		}
		if until := b.Until; !until.IsZero() {
			if !now.Before(until) {
				b.Time, b.More = now, false
				return nil
			}
			if next.IsZero() || until.Before(next) {
				next = until
			}
		}
		wait(next, now, c.in.wake, c.received)
	}
}

// wait waits until next, if that is a time, or until one of the channels has something.
func wait(next, now time.Time, wake, ended <-chan struct{}) {
	var due <-chan time.Time
	if !next.IsZero() {
		t := time.NewTimer(next.Sub(now))
		defer t.Stop()
		due = t.C
	}
	select {
	case <-due:
	case <-wake:
	case <-ended:
	}
}

// Send implements core.Conn. Replies are copied, and sent when they are due.
func (c *Conn) Send(b *core.Batch) error {
	c.begin()
	now := time.Now()
	for _, r := range b.Replies {
		m := &b.Messages[r.Message]
		if !c.out.add(parcel{data: r.Data, from: m.From, to: m.To, group: m.Group}, now) {
			b.Losses.NoBuffer++
		}
	}
	if err := c.broken.Load(); err != nil {
		return *err
	}
	return nil
}

// sendAll sends replies when they are due, and all that are left when the Conn is closed.
func (c *Conn) sendAll() {
	b := core.NewBatch()
	var got []*parcel
	for last := false; ; {
		now := time.Now()
		var next time.Time
		got, next = c.out.pop(got[:0], batchSize, now, last)
		if err := c.sendNow(b, got); err != nil {
			c.broken.Store(&err)
			return
		}
		c.out.giveBack(got)
		switch {
		case len(got) > 0:
		case last:
			return
		default:
			wait(next, now, c.out.wake, c.closing)
			select {
			case <-c.closing:
				last = true
			default:
			}
		}
	}
}

// sendNow sends replies by the Conn below.
func (c *Conn) sendNow(b *core.Batch, replies []*parcel) error {
	b.Messages = b.Messages[:0]
	defer func() { c.losses.take(&b.Losses) }()
	for _, p := range replies {
		if p.stray && c.Stray != nil {
			if c.Stray.Send(p.from, p.data) != nil {
				b.Losses.Unsent++
			}
			continue
		}
		if b.Room(len(p.data)) == nil {
			if err := c.below.Send(b); err != nil {
				return err
			}
			b.Clear()
		}
		b.Messages = append(b.Messages, core.Message{From: p.from, To: p.to, Group: p.group})
		b.Answer(len(b.Messages)-1, p.data)
	}
	if len(b.Replies) == 0 {
		return nil
	}
	defer b.Clear()
	return c.below.Send(b)
}

// Interrupt implements core.Conn.
func (c *Conn) Interrupt() { c.below.Interrupt() }

// LocalAddr implements core.Conn.
func (c *Conn) LocalAddr() netip.AddrPort { return c.below.LocalAddr() }

// Close implements core.Conn. Replies that are on their way are sent at once.
func (c *Conn) Close() error {
	if c.closed.Swap(true) {
		return net.ErrClosed
	}
	c.start.Do(func() {}) // from now on nothing begins
	if !c.started.Load() {
		close(c.received)
		c.failed = net.ErrClosed
	} else {
		c.below.Interrupt()
		close(c.closing)
		c.ended.Wait()
	}
	err := c.below.Close()
	if c.Stray != nil {
		err = errors.Join(err, c.Stray.Close())
	}
	return err
}

// losses passes counts from the two goroutines to the worker.
type losses struct {
	mu  sync.Mutex
	sum core.Losses
}

// take adds from to the sum and clears it.
func (l *losses) take(from *core.Losses) {
	if *from == (core.Losses{}) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	add(&l.sum, from)
	*from = core.Losses{}
}

// give adds the sum to to and clears it.
func (l *losses) give(to *core.Losses) {
	l.mu.Lock()
	defer l.mu.Unlock()
	add(to, &l.sum)
	l.sum = core.Losses{}
}

func add(to, from *core.Losses) {
	to.Truncated += from.Truncated
	to.Kernel += from.Kernel
	to.Unreachable += from.Unreachable
	to.TooLong += from.TooLong
	to.NoBuffer += from.NoBuffer
	to.Forbidden += from.Forbidden
	to.Unsent += from.Unsent
}
