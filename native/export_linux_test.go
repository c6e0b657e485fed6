package native

import (
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/retort-udp/retort/core"
)

func (c *batched) shrink(size int) {
	for i := range c.inBuffer {
		c.inBuffer[i].SetLen(size)
	}
}

func (c *batched) isTold() bool { return c.told }

// BatchSize is how many datagrams one system call takes.
const BatchSize = batchSize

// MaxSkip is in how many waits, at most, a Conn that polls does not look for datagrams.
const MaxSkip = maxSkip

// Cuts says whether c has the kernel cut replies.
func Cuts(c core.Conn) bool { return c.(*batched).offload.cuts.Load() }

// CutTooMuch has c ask the kernel for more datagrams of one message than any kernel cuts, which it refuses.
func CutTooMuch(c core.Conn) { c.(*batched).offload.most = 1000 }

// TellsDropped has c take note of how many datagrams the kernel has dropped in all.
func TellsDropped(c core.Conn, dropped uint32, b *core.Batch) { c.(*batched).tellsDropped(dropped, b) }

// Looks returns which of waits for datagrams a Conn that polls looks for them in, when found says whether each ends
// in one that comes at once.
func Looks(found []bool) (looked []bool) {
	s := spin{longest: time.Microsecond}
	for _, f := range found {
		look := s.worthIt()
		if look {
			s.ended(f)
		}
		looked = append(looked, look)
	}
	return looked
}

// DoNotCut has c send each reply by itself.
func DoNotCut(c core.Conn) { c.(*batched).offload.cuts.Store(false) }

// Sabotage has c call f before each sendmmsg, with how many messages there are and how many replies the first
// of them carries. F returns how many messages the kernel is to see, or what the call fails with instead. Nil ends
// it.
func Sabotage(c core.Conn, f func(messages, replies int) (most int, errno syscall.Errno)) {
	b := c.(*batched)
	b.sabotage = nil
	if f == nil {
		return
	}
	b.sabotage = func(messages []mmsghdr) (int, syscall.Errno) {
		replies := b.outReplies[b.sent]
		n := 1
		if carriesSegmentSize(&messages[0]) {
			n = replies[1] - replies[0]
		}
		return f(len(messages), n)
	}
}

// carriesSegmentSize says whether the kernel is to cut a message.
func carriesSegmentSize(m *mmsghdr) bool {
	if m.header.Control == nil {
		return false
	}
	control := unsafe.Slice(m.header.Control, m.header.Controllen)
	for {
		level, kind, _, rest, ok := nextControl(control)
		if !ok {
			return false
		}
		if level == unix.IPPROTO_UDP && kind == unix.UDP_SEGMENT {
			return true
		}
		control = rest
	}
}

// TakeAgain returns what turns the slots of the last Receive into messages again, as Receive does after its system
// call, with what the kernel said beside each.
func TakeAgain(c core.Conn, b *core.Batch) func() {
	r := c.(*batched)
	n, controls := len(b.Messages), [batchSize]int{}
	for i := range n {
		// The header was made ready for the next call. What the kernel wrote lies behind it still.
		control := r.inControl[i][:]
		for {
			_, _, _, rest, ok := nextControl(control)
			if !ok {
				break
			}
			controls[i] = controlSlot - len(rest)
			control = rest
		}
	}
	return func() {
		b.Messages = b.Messages[:0]
		for i := range n {
			r.in[i].header.SetControllen(controls[i])
			r.take(b, i)
		}
	}
}

// Queue makes messages of b's replies, as Send does before its system calls, and returns how many.
func Queue(c core.Conn, b *core.Batch) (messages int) {
	s := c.(*batched)
	for next := 0; next < len(b.Replies); {
		next = s.queue(b, next)
		messages += s.queued
	}
	return messages
}
