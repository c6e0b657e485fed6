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

	trySend func(fd uintptr) bool // sendNow, made once
	batch   *core.Batch           // that is being sent
	queued  int                   // messages in out
	sent    int                   // of them
	retried bool                  // the message that is next was refused once
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
	c.batch = b
	defer func() { c.batch = nil }()
	for next := 0; next < len(b.Replies); {
		next = c.queue(b, next)
		if c.queued == 0 {
			continue
		}
		if err := c.raw.Write(c.trySend); err != nil {
			for _, replies := range c.outReplies[c.sent:c.queued] {
				b.Losses.Unsent += uint64(replies[1] - replies[0])
			}
			b.Losses.Unsent += uint64(len(b.Replies) - next)
			return c.socketError("send", err)
		}
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

// sendNow sends what is queued. It returns false, for the poller to wait, when the kernel's buffer is full.
// A message that cannot be sent stops sendmmsg, which the next call then tells: it is counted and left out.
func (c *batched) sendNow(fd uintptr) bool {
	for c.sent < c.queued {
		n, errno := mmsg(unix.SYS_SENDMMSG, fd, c.out[c.sent:c.queued])
		switch {
		case errno == 0:
			c.sent += n
			c.retried = false
		case errno == unix.EAGAIN:
			return false
		case causeOfErrno(errno) == refused && !c.retried:
			// The refusal of an earlier datagram's peer, handed to whoever sends next.
			c.retried = true
		default:
			c.lose(fd, errno)
			c.sent++
			c.retried = false
		}
	}
	return true
}

// lose deals with the message at sent, which the kernel did not take.
func (c *batched) lose(fd uintptr, errno syscall.Errno) {
	replies := c.outReplies[c.sent]
	if replies[1]-replies[0] > 1 {
		c.offload.failed(errno)
		c.sendSingly(fd, replies)
		return
	}
	*causeOfErrno(errno).counter(&c.batch.Losses)++
}

// sendSingly sends replies that the kernel did not take together. It uses the message's own slot, since
// what lies behind that is still to be sent.
func (c *batched) sendSingly(fd uintptr, replies [2]int) {
	for i := replies[0]; i < replies[1]; i++ {
		c.write(c.sent, c.batch, &c.batch.Messages[c.batch.Replies[i].Message], i, i+1)
		if _, errno := mmsg(unix.SYS_SENDMMSG, fd, c.out[c.sent:c.sent+1]); errno != 0 {
			*causeOfErrno(errno).counter(&c.batch.Losses)++
		}
	}
}
