// Package capture writes what a server received and answered into a pcapng file, beside the datagrams' way, and reads
// such files, and those of tcpdump, back.
//
// A request is a packet, and so is its reply; what became of a request stands in its comment, so that Wireshark shows
// it. The packets have no link layer: they begin with the IP header, which is made up from the addresses.
package capture

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/server"
)

// DefaultSize is how many bytes a capture takes on disk, unless Open is told otherwise.
const DefaultSize = 64 << 20

// queueBytes is how many bytes of datagrams may wait to be written. What finds no room is left out, and counted.
const queueBytes = 8 << 20

// Capture is a capture that is being written.
type Capture struct {
	log  *slog.Logger
	file *file

	mu      sync.Mutex
	waiting []*entry
	bytes   int // of them
	free    []*entry
	closed  bool
	news    chan struct{} // holds something when there may be entries, or the end

	missed  atomic.Uint64
	written atomic.Uint64
	stopped atomic.Bool // writing has failed, or the capture is closed: nothing more is taken
	reclaim atomic.Bool // the file was set aside for nothing
	begun   bool
	done    chan struct{}
	number  uint64 // of requests, by the writer
	err     error  // of the writer, once done
}

// entry is a request, and its reply if it got one.
type entry struct {
	handler  string
	outcome  string
	from, to netip.AddrPort
	when     time.Time
	request  []byte
	reply    []byte
	replied  bool
}

// New returns a capture for the file at path, which takes up at most size bytes together with one that has the older
// half. What befalls the capture goes to log. Nothing is written before Begin.
func New(path string, size int64, log *slog.Logger) (*Capture, error) {
	if size < minSize {
		return nil, fmt.Errorf("capture: %d bytes are too few: the least is %d", size, minSize)
	}
	f := &file{path: path, older: olderOf(path), half: size / 2}
	return &Capture{log: log, file: f, news: make(chan struct{}, 1), done: make(chan struct{})}, nil
}

// Begin makes the file, in the place of what was there. With aside that becomes the older one first: another process
// still writes it.
func (c *Capture) Begin(aside bool) error {
	if aside {
		if err := c.file.setAside(); err != nil {
			return fmt.Errorf("capture: %w", err)
		}
	}
	if err := c.file.begin(); err != nil {
		return fmt.Errorf("capture: %w", err)
	}
	c.begun = true
	go c.write()
	return nil
}

// Reclaim has the file at its path again, if another process has set it aside, and has failed then.
func (c *Capture) Reclaim() {
	c.reclaim.Store(true)
	c.rouse()
}

// Observer returns what a server's Observe takes. Handler returns the name of the handler that answers.
func (c *Capture) Observer(handler func() string) func(*server.Observation) {
	return func(o *server.Observation) { c.observe(handler(), o) }
}

// observe takes a copy of an observation, if there is room.
func (c *Capture) observe(handler string, o *server.Observation) {
	if c.stopped.Load() {
		c.missed.Add(1)
		return
	}
	size := len(o.Datagram.Data) + len(o.Reply)
	c.mu.Lock()
	if c.closed || c.bytes+size > queueBytes || len(c.waiting) > queueBytes/64 {
		c.mu.Unlock()
		c.missed.Add(1)
		return
	}
	e := new(entry)
	if n := len(c.free); n > 0 {
		e, c.free[n-1] = c.free[n-1], nil // or the array would keep it
		c.free = c.free[:n-1]
	}
	e.handler, e.outcome = handler, outcome(o)
	e.from, e.to, e.when = o.Datagram.From, o.Datagram.To, o.Datagram.Time
	e.request = append(e.request[:0], o.Datagram.Data...)
	e.reply, e.replied = append(e.reply[:0], o.Reply...), o.Reply != nil
	c.waiting = append(c.waiting, e)
	c.bytes += size
	c.mu.Unlock()
	c.rouse()
}

// outcome says in a word or two what became of a datagram.
func outcome(o *server.Observation) string {
	var code core.Code
	switch {
	case o.Outcome == server.Refused:
		return "refused: " + o.Verdict.String()
	case o.Outcome == server.Coded && errors.As(o.Err, &code):
		return fmt.Sprintf("code %d", code)
	}
	return o.Outcome.String()
}

func (c *Capture) rouse() {
	select {
	case c.news <- struct{}{}:
	default:
	}
}

// write writes entries until the capture is closed, or cannot be written any more.
func (c *Capture) write() {
	defer close(c.done)
	var batch []*entry
	for {
		<-c.news
		c.mu.Lock()
		batch, c.waiting = c.waiting, batch[:0]
		c.bytes = 0
		closed := c.closed
		c.mu.Unlock()
		if c.reclaim.Swap(false) {
			if err := c.file.reclaim(); err != nil {
				c.log.Warn("the capture stays aside, where a successor that has failed has put it", "file", c.file.older, "error", err)
			}
		}
		written := 0
		for _, e := range batch {
			if c.err == nil {
				c.number++
				c.err = c.file.add(c.number, e)
			}
			if c.err == nil {
				written++
			}
		}
		if c.err == nil && len(batch) > 0 {
			c.err = c.file.flush()
		}
		c.written.Add(uint64(written))
		c.missed.Add(uint64(len(batch) - written))
		if c.err != nil && !c.stopped.Swap(true) {
			c.log.Error("the capture has ended, and the server goes on", "error", c.err)
		}
		c.recycle(batch)
		if closed {
			return
		}
	}
}

// What is kept of entries for the next ones: as much as a usual batch needs, and not what the largest one did.
const (
	mostFree     = 4096
	mostFreeSize = 4096 // bytes of each
)

// recycle keeps entries that were written for the next observations.
func (c *Capture) recycle(batch []*entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range batch {
		if len(c.free) < mostFree && cap(e.request)+cap(e.reply) <= mostFreeSize {
			c.free = append(c.free, e)
		}
	}
	clear(batch) // or its array would keep them
}

// Close writes what is left and closes the file, within ctx. It returns why the capture ended early, if it did.
func (c *Capture) Close(ctx context.Context) error {
	c.mu.Lock()
	again := c.closed
	c.closed = true
	c.mu.Unlock()
	if again || !c.begun {
		return nil
	}
	c.stopped.Store(true)
	c.rouse()
	select {
	case <-c.done:
		if c.err != nil {
			_ = c.file.disk.Close() // it has failed before
			return c.err
		}
		return c.file.close()
	case <-ctx.Done():
		return fmt.Errorf("capture %s: what was left could not be written in time: %w", c.file.path, ctx.Err())
	}
}

// Counts returns how many requests were written, and how many were left out because the disk was too slow, or failed.
func (c *Capture) Counts() (written, missed uint64) { return c.written.Load(), c.missed.Load() }
