package native

import (
	"encoding/binary"
	"net/netip"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/retort-udp/retort/core"
)

// offload is what the kernel takes over: cutting one piece of memory into datagrams as it sends it
// (UDP_SEGMENT), and joining neighbouring datagrams of a peer as it receives them (UDP_GRO): udp(7). Joining
// shows in what is received only.
type offload struct {
	cuts     atomic.Bool   // UDP_SEGMENT works, as far as is known
	joins    atomic.Bool   // UDP_GRO is on
	unwanted bool          // it is, and is to be turned off
	most     int           // datagrams of one message
	loopback bool          // peers are on this host, where no link limits the size of a segment
	resent   atomic.Uint64 // replies that were sent singly, because the kernel did not take them together
}

const (
	// maxSegments is the most datagrams of one message: 64 on older kernels, 128 on newer ones.
	maxSegments = 64

	// maxSegmented is the most bytes of one message, of which the kernel makes one IP packet first.
	maxSegmented = core.MaxPayload4

	// safeSegment is the largest segment to a peer that is not on this host, in bytes. One that is larger
	// than the path takes fails, and these pass every IPv6 link there is: 1,280 less 40 and 8 bytes of
	// headers (RFC 8200, section 5).
	safeSegment = 1232
)

// prepare turns on, for the socket, what mode asks for. The error says that the kernel lacks it.
func (o *offload) prepare(fd int, mode GSO, local netip.Addr) error {
	o.loopback = local.IsLoopback()
	o.most = maxSegments
	if mode == GSOOff || mode == GSOAuto && !o.loopback {
		o.unwanted = isJoining(fd) // by the socket's last owner
		o.joins.Store(o.unwanted)
		return nil
	}
	// A kernel that knows the option takes a size of 0, which changes nothing.
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_SEGMENT, 0); err != nil {
		return err
	}
	o.cuts.Store(true)
	err := unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_GRO, 1)
	o.joins.Store(err == nil)
	return err
}

// isJoining says whether UDP_GRO is on.
func isJoining(fd int) bool {
	on, err := unix.GetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_GRO)
	return err == nil && on != 0
}

// stopJoining turns UDP_GRO off. Who reads is told how a message was joined as long as it is on, whenever the message came:
// one that still waits when it is turned off looks like one large datagram, to this process and to another that serves the
// socket. So it is turned off when nothing waits, and on again if something has come just then; later is soon enough.
func (o *offload) stopJoining(fd int) {
	if unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_GRO, 0) != nil {
		o.unwanted = false // it never will
		return
	}
	waiting := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	if n, err := unix.Poll(waiting[:], 0); n != 0 || err != nil {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_GRO, 1) // as it was
		return
	}
	o.joins.Store(false)
	o.unwanted = false
}

// run returns how many replies, from first on, can be one message: they answer one peer from one address,
// lie behind each other in memory, and have one size, but for the last, which may be shorter.
func (o *offload) run(b *core.Batch, first int) int {
	r := b.Replies[first]
	size := len(r.Data)
	if !o.cuts.Load() || size == 0 || size > safeSegment && !o.loopback {
		return 1
	}
	m := &b.Messages[r.Message]
	start, total := address(r.Data), size
	n := 1
	for _, next := range b.Replies[first+1:] {
		length := len(next.Data)
		if n == o.most || length == 0 || length > size || total+length > maxSegmented ||
			address(next.Data) != start+uintptr(total) || !samePath(m, &b.Messages[next.Message]) {
			break
		}
		n++
		total += length
		if length < size {
			break
		}
	}
	return n
}

func address(data []byte) uintptr { return uintptr(unsafe.Pointer(&data[0])) }

// samePath says whether the answers to two messages go the same way.
func samePath(a, b *core.Message) bool {
	return a == b || a.From == b.From && a.To == b.To && a.Group == b.Group
}

// appendSegmentSize appends what has the kernel cut a message into datagrams of that size.
func appendSegmentSize(control []byte, size int) []byte {
	control, data := appendControl(control, unix.IPPROTO_UDP, unix.UDP_SEGMENT, 2)
	binary.NativeEndian.PutUint16(data, uint16(size))
	return control
}

// failed takes note of what the kernel said to a message of several datagrams. Three errors say that it, or the
// device on the way, cannot cut after all, though it said so when it was asked; then it is not asked again, and
// failed returns true, once.
func (o *offload) failed(errno syscall.Errno) bool {
	switch errno {
	case unix.EIO, unix.EINVAL, unix.EOPNOTSUPP:
		return o.cuts.Swap(false)
	}
	return false
}
