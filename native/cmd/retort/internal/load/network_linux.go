package load

// The fast way: non-blocking sockets, many datagrams a system call, and a thread that never sleeps.
//
// Sockets are connected, which saves the kernel a look-up of the route for each request. The kernel then
// keeps from them what others send; so that it is counted nevertheless, a second socket is bound to the same
// port, which gets all that the first is not for.

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// HasGSO says whether this system may have Options.GSO; an old kernel still lacks it.
const HasGSO = true

const (
	// slots is how many datagrams one call receives or sends; what the call itself costs is small beside
	// that many. With GRO and GSO each may be a piece of many.
	slots     = 64
	groSlots  = 16
	groBuffer = 1 << 16

	// maxSegments is the most that every kernel with UDP_SEGMENT takes as one piece; maxPiece is how
	// large that may be.
	maxSegments = 64
	maxPiece    = 65507

	// spins is how many fruitless rounds, of a microsecond or so, a thread makes before it lets others have
	// its processor for a moment. Where a server shares that processor nothing would come otherwise.
	spins = 100
)

// messageHeader is struct mmsghdr: recvmmsg(2).
type messageHeader struct {
	header unix.Msghdr
	length uint32
}

// fast is a network. The memory of its calls is made once, for all of its sockets.
type fast struct {
	shape
	in, out     []messageHeader
	inParts     []unix.Iovec
	outParts    []unix.Iovec
	buffers     []byte // of in, one behind the other
	bufferSize  int
	inControls  []byte // of in, controlSize bytes each
	outControls []byte // of out
	segments    int    // the most in one piece
}

// newNetwork returns the fastest network of this system.
func newNetwork(s shape) network {
	n := &fast{shape: s, bufferSize: max(64, s.most), segments: 1}
	count := slots
	if s.gso {
		count, n.bufferSize = groSlots, groBuffer
		n.segments = min(maxSegments, maxPiece/s.size)
	}
	n.prepareIn(count)
	n.prepareOut()
	return n
}

var controlSize = unix.CmsgSpace(4) // an int with GRO, 16 bits with GSO

func (n *fast) prepareIn(count int) {
	n.in = make([]messageHeader, count)
	n.inParts = make([]unix.Iovec, count)
	n.buffers = make([]byte, count*n.bufferSize)
	n.inControls = make([]byte, count*controlSize)
	for i := range n.in {
		n.inParts[i].Base = &n.buffers[i*n.bufferSize]
		n.inParts[i].SetLen(n.bufferSize)
		h := &n.in[i].header
		h.Iov = &n.inParts[i]
		h.SetIovlen(1)
		if n.gso {
			h.Control = &n.inControls[i*controlSize]
		}
	}
}

func (n *fast) prepareOut() {
	n.out = make([]messageHeader, slots)
	n.outParts = make([]unix.Iovec, slots)
	n.outControls = make([]byte, slots*controlSize)
	for i := range n.out {
		h := &n.out[i].header
		h.Iov = &n.outParts[i]
		h.SetIovlen(1)
		c := (*unix.Cmsghdr)(unsafe.Pointer(&n.outControls[i*controlSize]))
		c.Level, c.Type = unix.SOL_UDP, unix.UDP_SEGMENT
		c.SetLen(unix.CmsgLen(2))
		*(*uint16)(unsafe.Pointer(&n.outControls[i*controlSize+unix.CmsgLen(0)])) = uint16(n.size)
	}
}

func (n *fast) thread() bool { return true }

// rest does not rest, but for letting others run once in a while.
func (n *fast) rest(rounds int, _ time.Duration) {
	if rounds < spins {
		return
	}
	runtime.Gosched()
	_, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) // cannot fail
}

func (n *fast) open() (socket, error) {
	fd, err := n.connect()
	if err != nil {
		return nil, err
	}
	catcher, err := n.openCatcher(fd)
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return &fastSocket{fast: n, fd: uintptr(fd), catcher: uintptr(catcher)}, nil
}

func (n *fast) newSocket() (fd int, err error) {
	family := unix.AF_INET6
	if n.target.Addr().Is4() {
		family = unix.AF_INET
	}
	fd, err = unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	return fd, os.NewSyscallError("socket", err)
}

// connect returns a socket that talks to the target.
func (n *fast) connect() (fd int, err error) {
	to, err := sockaddr(n.target)
	if err != nil {
		return 0, err
	}
	if fd, err = n.newSocket(); err != nil {
		return 0, err
	}
	n.raise(fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF)
	n.raise(fd, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF)
	if n.gso {
		if err = n.enableGSO(fd); err != nil {
			_ = unix.Close(fd)
			return 0, err
		}
	}
	if err = os.NewSyscallError("connect", unix.Connect(fd, to)); err != nil {
		_ = unix.Close(fd)
		return 0, err
	}
	return fd, nil
}

// raise makes a buffer as large as it may be. The systems that grant less have their reasons; a window that
// fits is the caller's business.
func (n *fast) raise(fd, force, option int) {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, n.buffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, n.buffer)
	}
}

func (n *fast) enableGSO(fd int) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_GRO, 1); err != nil {
		return fmt.Errorf("gso: this kernel has no UDP_GRO (Linux 5.0): %w", err)
	}
	if _, err := unix.GetsockoptInt(fd, unix.SOL_UDP, unix.UDP_SEGMENT); err != nil {
		return fmt.Errorf("gso: this kernel has no UDP_SEGMENT (Linux 4.18): %w", err)
	}
	return nil
}

// openCatcher returns a socket that gets what comes to the port of fd from others than its target. The
// option that lets two sockets share a port is set after the first has it, so that nobody else gets in.
func (n *fast) openCatcher(fd int) (catcher int, err error) {
	local, err := unix.Getsockname(fd)
	if err != nil {
		return 0, os.NewSyscallError("getsockname", err)
	}
	if catcher, err = n.newSocket(); err != nil {
		return 0, err
	}
	for _, s := range []int{fd, catcher} {
		if err == nil {
			err = os.NewSyscallError("setsockopt", unix.SetsockoptInt(s, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1))
		}
	}
	if err == nil {
		err = os.NewSyscallError("bind", unix.Bind(catcher, local))
	}
	if err != nil {
		_ = unix.Close(catcher)
		return 0, err
	}
	return catcher, nil
}

func sockaddr(a netip.AddrPort) (unix.Sockaddr, error) {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}, nil
	}
	s := &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
	if zone := a.Addr().Zone(); zone != "" {
		i, err := net.InterfaceByName(zone)
		if err != nil {
			return nil, fmt.Errorf("there is no interface %q: %w", zone, err)
		}
		s.ZoneId = uint32(i.Index)
	}
	return s, nil
}

type fastSocket struct {
	*fast
	fd, catcher uintptr
}

// The calls below are raw: they never block, and so there is no need to tell the scheduler, which would take
// longer than some of them.

// send sends as many pieces as one call takes, each as large as it may be.
func (s *fastSocket) send(packed []byte, n int) (sent int, err error) {
	if n == 1 {
		return s.sendOne(packed)
	}
	pieces := 0
	for queued := 0; queued < n && pieces < slots; pieces++ {
		segments := min(s.segments, n-queued)
		s.setPiece(pieces, packed[queued*s.size:(queued+segments)*s.size], segments)
		queued += segments
	}
	r, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, s.fd, uintptr(unsafe.Pointer(&s.out[0])), uintptr(pieces),
		0, 0, 0)
	runtime.KeepAlive(packed)
	if errno != 0 {
		return 0, sendError("sendmmsg", errno)
	}
	return min(n, int(r)*s.segments), nil
}

// sendOne sends a single request, which is cheaper than a message with one.
func (s *fastSocket) sendOne(data []byte) (sent int, err error) {
	_, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, s.fd, uintptr(unsafe.Pointer(unsafe.SliceData(data))),
		uintptr(len(data)), 0, 0, 0)
	if errno != 0 {
		return 0, sendError("sendto", errno)
	}
	return 1, nil
}

// sendError is nil when there is no room for a request just now.
func sendError(call string, errno unix.Errno) error {
	switch errno {
	case unix.EAGAIN, unix.ENOBUFS, unix.EINTR:
		return nil
	}
	return os.NewSyscallError(call, errno)
}

// setPiece makes header i send data, of so many segments.
func (s *fastSocket) setPiece(i int, data []byte, segments int) {
	part, h := &s.outParts[i], &s.out[i].header
	part.Base = unsafe.SliceData(data)
	part.SetLen(len(data))
	h.Control = nil
	h.SetControllen(0)
	if segments > 1 {
		h.Control = &s.outControls[i*controlSize]
		h.SetControllen(unix.CmsgSpace(2))
	}
}

func (s *fastSocket) receive(in *inbox, most int) error {
	if most == 1 && !s.gso {
		return s.receiveOne(in)
	}
	headers := s.in[:min(most, len(s.in))]
	n, errno := s.receiveInto(s.fd, headers)
	if errno != 0 {
		return os.NewSyscallError("recvmmsg", errno)
	}
	if n == 0 {
		return nil
	}
	at := s.clock.now()
	for i := range n {
		m := message{data: s.buffers[i*s.bufferSize:][:headers[i].length], at: at}
		if s.gso {
			m.segment = s.segmentSize(i)
		}
		in.messages = append(in.messages, m)
	}
	return nil
}

// receiveOne receives a single datagram, which is cheaper than a message with one.
func (s *fastSocket) receiveOne(in *inbox) error {
	r, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, s.fd, uintptr(unsafe.Pointer(&s.buffers[0])),
		uintptr(s.bufferSize), 0, 0, 0)
	switch errno {
	case 0:
		in.messages = append(in.messages, message{data: s.buffers[:r], at: s.clock.now()})
	case unix.EAGAIN, unix.EINTR:
	default:
		return os.NewSyscallError("recvfrom", errno)
	}
	return nil
}

func (s *fastSocket) receiveInto(fd uintptr, headers []messageHeader) (n int, errno unix.Errno) {
	if s.gso {
		for i := range headers {
			headers[i].header.SetControllen(controlSize)
		}
	}
	r, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&headers[0])), uintptr(len(headers)),
		unix.MSG_DONTWAIT, 0, 0)
	if errno == unix.EAGAIN || errno == unix.EINTR {
		return 0, 0
	}
	if errno != 0 {
		return 0, errno
	}
	return int(r), 0
}

// segmentSize returns the size of the datagrams that the kernel put into buffer i, 0 if that is one.
func (s *fastSocket) segmentSize(i int) int {
	if int(s.in[i].header.Controllen) < unix.CmsgLen(4) {
		return 0
	}
	b := s.inControls[i*controlSize:]
	if c := (*unix.Cmsghdr)(unsafe.Pointer(&b[0])); c.Level != unix.SOL_UDP || c.Type != unix.UDP_GRO {
		return 0
	}
	return int(*(*int32)(unsafe.Pointer(&b[unix.CmsgLen(0)])))
}

func (s *fastSocket) foreign() (count uint64) {
	for range sweeps {
		n, errno := s.receiveInto(s.catcher, s.in)
		if errno != 0 || n == 0 {
			break
		}
		count += uint64(n)
	}
	return count
}

func (s *fastSocket) close() {
	_ = unix.Close(int(s.fd)) // nothing was to be kept
	_ = unix.Close(int(s.catcher))
}
