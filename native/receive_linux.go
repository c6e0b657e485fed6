package native

import (
	"encoding/binary"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/retort-udp/retort/core"
)

// slotSize is the room of one datagram, or of those that UDP_GRO puts together. It is a little more than
// 64 KiB, and an odd number of cache lines: the beginnings of the slots, which are all that short datagrams
// touch, then do not compete for the same sets of a cache.
//
// A handler's own memory is no slot: BenchmarkGuestMemory shows what it would take and save to receive straight
// into that of a WebAssembly guest.
const slotSize = 1027 * 64

// controlSlot has room for what the kernel says beside a datagram: two kinds of pktinfo, its count of drops, the size of
// segments, and what else an inherited socket was told to say, such as when the datagram came (SO_TIMESTAMPNS).
const controlSlot = 192

// receiver is the part of a batched Conn that receives.
type receiver struct {
	in        [batchSize]mmsghdr
	inName    [batchSize][unix.SizeofSockaddrInet6]byte
	inBuffer  [batchSize]unix.Iovec
	inControl [batchSize][controlSlot]byte
	inMemory  []byte // batchSize slots

	spin        spin
	failures    int         // one behind the other
	dropped     uint32      // by the kernel, until the last datagram that told it
	saidRefused atomic.Bool // that a peer refused a reply was logged; who sends may be told, too
}

func (r *receiver) prepareReceiver(busyPoll time.Duration) {
	r.inMemory = make([]byte, batchSize*slotSize)
	r.spin.longest = busyPoll
	for i := range r.in {
		r.inBuffer[i].Base = &r.inMemory[i*slotSize]
		r.inBuffer[i].SetLen(slotSize)
		h := &r.in[i].header
		h.Iov = &r.inBuffer[i]
		h.SetIovlen(1)
		h.Name = &r.inName[i][0]
		h.Control = &r.inControl[i][0]
		r.ready(h)
	}
}

// ready sets what the kernel overwrites.
func (r *receiver) ready(h *unix.Msghdr) {
	h.Namelen = unix.SizeofSockaddrInet6
	h.SetControllen(controlSlot)
	h.Flags = 0
}

// Receive implements core.Conn.
func (c *batched) Receive(b *core.Batch) error {
	b.Messages, b.More = b.Messages[:0], false
	b.Clear()
	if err := c.begin(); err != nil {
		return c.socketError("receive", err)
	}
	defer c.end()
	for {
		if err := c.over(); err == core.ErrInterrupted {
			return err
		} else if err != nil {
			return c.socketError("receive", err)
		}
		n, errno := c.receiveNow()
		switch {
		case errno == unix.EAGAIN && c.offload.unwanted:
			c.offload.stopJoining(c.fd)
			continue
		case errno == unix.EAGAIN:
			if c.awaitDatagrams(b.Until) {
				b.Time = time.Now()
				return nil
			}
			continue
		case errno != 0:
			if !c.endures(errno, &b.Losses) {
				return c.socketError("receive", errno)
			}
			continue
		}
		c.failures = 0
		b.Time = time.Now()
		b.More = n == batchSize
		for i := range n {
			c.take(b, i)
		}
		if len(b.Messages) > 0 {
			return nil
		}
	}
}

// receiveNow receives what is there, into the first slots. When that is nothing, now and for as long as it is
// worth looking again and again, it returns EAGAIN.
func (c *batched) receiveNow() (n int, errno syscall.Errno) {
	n, errno = mmsg(unix.SYS_RECVMMSG, c.fd, c.in[:])
	if errno != unix.EAGAIN || !c.spin.worthIt() {
		return n, errno
	}
	// Who looks all the time finds one datagram, and need not ask whether there is a second before it is
	// answered.
	began := time.Now()
	for errno == unix.EAGAIN && time.Since(began) < c.spin.longest && c.over() == nil {
		n, errno = mmsg(unix.SYS_RECVMMSG, c.fd, c.in[:1])
	}
	c.spin.ended(errno != unix.EAGAIN)
	return n, errno
}

// endures says whether an error belongs to one datagram only, and counts it. What was refused is a reply that
// left before: the host of its peer says that nobody listens there any more.
func (c *batched) endures(errno syscall.Errno, l *core.Losses) bool {
	why := causeOfErrno(errno)
	switch why {
	case refused, unreachable:
		c.wasRefused(errno, l)
	case tooLong, noBuffer, forbidden, again:
	default:
		return false
	}
	c.failures++
	if c.failures > patience {
		time.Sleep(time.Millisecond)
	}
	return true
}

// wasRefused counts a reply that had left and was refused where it came to.
func (c *batched) wasRefused(errno syscall.Errno, l *core.Losses) {
	l.Unreachable++
	if !c.saidRefused.Swap(true) {
		c.warn(saidOnceRefused, errno)
	}
}

// take appends the message in slot i to b, and makes the slot ready again.
func (c *batched) take(b *core.Batch, i int) {
	h, n := &c.in[i].header, int(c.in[i].length)
	flags, control := h.Flags, c.inControl[i][:h.Controllen]
	from := c.peer(&c.inName[i])
	c.ready(h)
	m := core.Message{Data: c.inMemory[i*slotSize:][:n:n], From: from, To: c.local, Group: c.group}
	if len(control) > 0 {
		c.readControl(b, &m, control)
	}
	if flags&truncationFlags != 0 {
		b.Losses.Truncated++
		return
	}
	if m.Group && c.shared {
		return
	}
	b.Messages = append(b.Messages, m)
}

// peer reads a struct sockaddr_in or sockaddr_in6.
func (c *batched) peer(name *[unix.SizeofSockaddrInet6]byte) netip.AddrPort {
	port := binary.BigEndian.Uint16(name[2:])
	if binary.NativeEndian.Uint16(name[:]) == unix.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(name[4:8])), port)
	}
	ip := netip.AddrFrom16([16]byte(name[8:24])).Unmap()
	if scope := binary.NativeEndian.Uint32(name[24:]); scope != 0 && ip.Is6() {
		ip = ip.WithZone(c.zones.name(scope))
	}
	return netip.AddrPortFrom(ip, port)
}

// tellsDropped counts what the kernel had dropped in all when a datagram came in, as far as that is news: one that
// waited while the socket was handed over may tell less than is known. The kernel counts in 32 bits, and begins
// anew.
func (r *receiver) tellsDropped(dropped uint32, b *core.Batch) {
	if more := int32(dropped - r.dropped); more > 0 {
		b.Losses.Kernel += uint64(more)
		r.dropped = dropped
	}
}

// readControl takes what the kernel says about m: where it was sent to, how it is cut, what was dropped.
func (c *batched) readControl(b *core.Batch, m *core.Message, control []byte) {
	if c.told {
		c.setTo(m, parsePktinfo(control), b.Time)
	}
	for {
		level, kind, data, rest, ok := nextControl(control)
		switch {
		case !ok:
			return
		case level == unix.SOL_SOCKET && kind == unix.SO_RXQ_OVFL && len(data) >= 4:
			c.tellsDropped(binary.NativeEndian.Uint32(data), b)
		case level == unix.SOL_UDP && kind == unix.UDP_GRO && len(data) >= 4:
			if segment := int(binary.NativeEndian.Uint32(data)); segment > 0 && segment < len(m.Data) {
				m.Segment = segment
			}
		}
		control = rest
	}
}
