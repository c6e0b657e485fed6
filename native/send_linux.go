package native

import (
	"encoding/binary"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/retort-udp/retort/core"
)

// sender is the part of a batched Conn that sends.
type sender struct {
	out        [batchSize]mmsghdr
	outName    [batchSize][unix.SizeofSockaddrInet6]byte
	outBuffer  [batchSize]unix.Iovec
	outControl [batchSize][controlSlot]byte
	outReplies [batchSize][2]int // which replies each message carries: from the first to before the second

	queued int // messages in out
	sent   int // of them

	// For tests; else nil. It says how many of the messages the kernel is to see, or what sendmmsg fails with.
	sabotage func(messages []mmsghdr) (most int, errno syscall.Errno)
}

func (s *sender) prepareSender() {
	for i := range s.out {
		h := &s.out[i].header
		h.Iov = &s.outBuffer[i]
		h.SetIovlen(1)
		h.Name = &s.outName[i][0]
	}
}

// Send implements core.Conn.
func (c *batched) Send(b *core.Batch) error {
	err := c.begin()
	if err == nil {
		defer c.end()
	}
	for next := 0; next < len(b.Replies); {
		if err != nil {
			b.Losses.Unsent += uint64(len(b.Replies) - next)
			return c.socketError("send", err)
		}
		next = c.queue(b, next)
		err = c.sendQueued(b)
	}
	if err != nil {
		return c.socketError("send", err)
	}
	return nil
}

// queue fills out with replies from next on and returns the first that it left. It leaves out those that
// have no way to go: to port 0 (RFC 768), or over IPv6 from a socket for IPv4.
func (c *batched) queue(b *core.Batch, next int) int {
	c.queued, c.sent = 0, 0
	for c.queued < batchSize && next < len(b.Replies) {
		m := &b.Messages[b.Replies[next].Message]
		if m.From.Port() == 0 || !c.six && !m.From.Addr().Unmap().Is4() {
			b.Losses.Unsent++
			next++
			continue
		}
		end := next + c.offload.run(b, next)
		c.write(c.queued, b, m, next, end)
		c.queued++
		next = end
	}
	return next
}

// write makes a message of the replies from first to before end, which all answer m's peer and are packed.
func (c *batched) write(i int, b *core.Batch, m *core.Message, first, end int) {
	c.outReplies[i] = [2]int{first, end}
	length := 0
	for _, r := range b.Replies[first:end] {
		length += len(r.Data)
	}
	c.outBuffer[i].Base = nil
	if length > 0 {
		c.outBuffer[i].Base = &b.Replies[first].Data[0]
	}
	c.outBuffer[i].SetLen(length)

	control := c.outControl[i][:0]
	if c.told {
		control = c.appendSource(control, m)
	}
	if end-first > 1 {
		control = appendSegmentSize(control, len(b.Replies[first].Data))
	}
	h := &c.out[i].header
	h.Namelen = c.putPeer(&c.outName[i], m.From)
	h.Control = nil
	if len(control) > 0 {
		h.Control = &control[0]
	}
	h.SetControllen(len(control))
}

// putPeer writes a struct sockaddr_in or sockaddr_in6, as the socket's family wants it, and returns its size.
func (c *batched) putPeer(name *[unix.SizeofSockaddrInet6]byte, to netip.AddrPort) uint32 {
	binary.BigEndian.PutUint16(name[2:], to.Port())
	if !c.six {
		binary.NativeEndian.PutUint16(name[:], unix.AF_INET)
		*(*[4]byte)(name[4:]) = to.Addr().As4()
		return unix.SizeofSockaddrInet4
	}
	binary.NativeEndian.PutUint16(name[:], unix.AF_INET6)
	binary.NativeEndian.PutUint32(name[4:], 0) // flow
	*(*[16]byte)(name[8:]) = to.Addr().As16()
	var scope uint32
	if zone := to.Addr().Zone(); zone != "" {
		scope = c.zones.index(zone)
	}
	binary.NativeEndian.PutUint32(name[24:], scope)
	return unix.SizeofSockaddrInet6
}

// sendQueued sends what is queued, and waits where the kernel's buffer is full. A message that cannot be sent
// stops sendmmsg, which the next call then tells: it is counted and left out, as are all when it is no use to wait
// any longer. The error is net.ErrClosed.
func (c *batched) sendQueued(b *core.Batch) error {
	retried := false // the message that is next was refused once
	for c.sent < c.queued {
		n, errno := c.sendmmsg(c.out[c.sent:c.queued])
		switch {
		case errno == 0:
			c.sent += n
			retried = false
		case errno == unix.EAGAIN:
			if err := c.awaitRoom(); err != nil {
				c.leave(b)
				if err == core.ErrInterrupted {
					return nil // it can still be sent on, should there be room again
				}
				return err
			}
		case causeOfErrno(errno) == refused && !retried:
			// The refusal of an earlier datagram's peer, handed to whoever sends next.
			c.wasRefused(errno, &b.Losses)
			retried = true
		default:
			c.lose(b, errno)
			c.sent++
			retried = false
		}
	}
	return nil
}

// leave counts what is still queued as lost.
func (c *batched) leave(b *core.Batch) {
	for _, replies := range c.outReplies[c.sent:c.queued] {
		b.Losses.Unsent += uint64(replies[1] - replies[0])
	}
}

// sendmmsg makes the system call.
func (c *batched) sendmmsg(messages []mmsghdr) (int, syscall.Errno) {
	if c.sabotage != nil {
		most, errno := c.sabotage(messages)
		if errno != 0 {
			return 0, errno
		}
		messages = messages[:most]
	}
	return mmsg(unix.SYS_SENDMMSG, c.fd, messages)
}

// lose deals with the message at sent, which the kernel did not take.
func (c *batched) lose(b *core.Batch, errno syscall.Errno) {
	replies := c.outReplies[c.sent]
	if replies[1]-replies[0] > 1 {
		if c.offload.failed(errno) {
			c.warn("the kernel cannot cut replies after all: from here on they are sent one by one", errno)
		}
		c.sendSingly(b, replies)
		return
	}
	*causeOfErrno(errno).counter(&b.Losses)++
}

// sendSingly sends replies that the kernel did not take together. It uses the message's own slot, since
// what lies behind that is still to be sent.
func (c *batched) sendSingly(b *core.Batch, replies [2]int) {
	c.offload.resent.Add(uint64(replies[1] - replies[0]))
	for i := replies[0]; i < replies[1]; i++ {
		c.write(c.sent, b, &b.Messages[b.Replies[i].Message], i, i+1)
		if errno := c.sendNext(b); errno != 0 {
			*causeOfErrno(errno).counter(&b.Losses)++
		}
	}
}

// sendNext sends the message at sent by itself, with the patience of sendQueued.
func (c *batched) sendNext(b *core.Batch) syscall.Errno {
	for retried := false; ; {
		_, errno := c.sendmmsg(c.out[c.sent : c.sent+1])
		switch {
		case errno == unix.EAGAIN && c.awaitRoom() == nil:
		case causeOfErrno(errno) == refused && !retried:
			c.wasRefused(errno, &b.Losses)
			retried = true
		default:
			return errno
		}
	}
}
