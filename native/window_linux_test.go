package native_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/native"
)

// BenchmarkGuestMemory asks whether a guest that is never reset should have its requests received straight into its
// memory, rather than copied there. A guest has one window for one request, so receiving into it takes a system
// call for each, where copying lets one call receive many. It prints what each way costs for a datagram, the copy
// by itself, and what the direct way saves (less than 0: it costs more).
//
// The verdict is to copy, always. What this printed on Linux 6.18 (AMD EPYC), in nanoseconds a datagram:
//
//	bytes    batch and copy   of which copying   straight   saved by going straight
//	    32              560                  4        730                      -170
//	   512              560                 10        725                      -165
//	 1,400              565                 18        725                      -160
//	65,507            3,940              1,360      2,520                     1,420
//
// Requests that fit one packet lose nine times what the copy costs, because each takes a system call. Only the
// largest gain, and only where guests are never reset: too little for a second way in.
func BenchmarkGuestMemory(b *testing.B) {
	for _, size := range []int{32, 512, 1400, core.MaxPayload4} {
		b.Run(fmt.Sprintf("%d bytes", size), func(b *testing.B) {
			c := transport{Workers: 1, ReadBuffer: 16 << 20}.listen(b, "127.0.0.1:0")
			p := newPeer(b, "127.0.0.1")
			p.SetDeadline(time.Time{})
			n := native.BatchSize
			if info, _ := native.Inspect(c); info.Buffers.Read < 2*n*size {
				b.Skipf("the system grants a read buffer of %d bytes only", info.Buffers.Read)
			}
			send := func() {
				data := pattern(size)
				for range n {
					p.send(c.LocalAddr(), data)
				}
			}
			window, batch := make([]byte, 1<<16), core.NewBatch()
			var copied, copying, straight time.Duration
			for b.Loop() {
				send()
				began := time.Now()
				if err := c.Receive(batch); err != nil || len(batch.Messages) != n {
					b.Fatalf("%d messages, %v", len(batch.Messages), err)
				}
				received := time.Now()
				for _, m := range batch.Messages {
					copy(window, m.Data)
				}
				copying += time.Since(received)
				copied += time.Since(began)

				send()
				began = time.Now()
				receiveStraight(b, c, window, n)
				straight += time.Since(began)
			}
			each := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / float64(b.N) / float64(n) }
			b.ReportMetric(0, "ns/op") // which would be the peer's sending above all
			b.ReportMetric(each(copied), "batch-and-copy-ns")
			b.ReportMetric(each(copying), "copy-ns")
			b.ReportMetric(each(straight), "straight-ns")
			b.ReportMetric(each(copied)-each(straight), "saved-ns")
		})
	}
}

// receiveStraight receives n datagrams into one window, one with each system call: recvmsg(2), called raw as the
// transport does. It asks for the peer's address, which a server needs, and for nothing else.
func receiveStraight(b *testing.B, c core.Conn, window []byte, n int) {
	var name [unix.SizeofSockaddrInet6]byte
	part := unix.Iovec{Base: &window[0]}
	part.SetLen(len(window))
	err := native.WithDescriptor(c, func(fd uintptr) error {
		for range n {
			h := unix.Msghdr{Name: &name[0], Namelen: uint32(len(name)), Iov: &part}
			h.SetIovlen(1)
			_, _, errno := syscall.RawSyscall(unix.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(&h)), unix.MSG_DONTWAIT)
			if errno != 0 {
				return errno
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}
