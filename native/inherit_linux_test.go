package native_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/native"
)

// TestAdoptForgetsErrors: where the last owner had the kernel queue errors, each of which is to be read, the next one,
// who reads none, neither hears of them nor is woken for them for ever.
func TestAdoptForgetsErrors(t *testing.T) {
	for _, tt := range []struct {
		addr, ip string
		options  map[int]int // by level
	}{
		{"127.0.0.1:0", "127.0.0.1", map[int]int{unix.IPPROTO_IP: unix.IP_RECVERR}},
		{":0", "127.0.0.1", map[int]int{unix.IPPROTO_IP: unix.IP_RECVERR, unix.IPPROTO_IPV6: unix.IPV6_RECVERR}},
		{"[::1]:0", "::1", map[int]int{unix.IPPROTO_IPV6: unix.IPV6_RECVERR}},
	} {
		t.Run(tt.addr, func(t *testing.T) {
			if tt.addr != "127.0.0.1:0" {
				needIPv6(t)
			}
			old := listen(t, tt.addr)
			refuseOnce := func(c core.Conn) (lost uint64) { // sends to where nobody listens
				gone := newPeer(t, tt.ip)
				gone.Close()
				b := core.NewBatch()
				b.Messages = []core.Message{{From: gone.addr(), To: at(tt.ip, c)}}
				b.Answer(0, []byte("too late"))
				sendAll(t, c, b)
				newPeer(t, tt.ip).send(at(tt.ip, c), []byte("question"))
				receiveOne(t, c, b)
				return b.Losses.Unreachable
			}
			err := native.WithDescriptor(old, func(fd uintptr) error {
				for level, option := range tt.options {
					if err := unix.SetsockoptInt(int(fd), level, option, 1); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if refuseOnce(old) != 1 {
				t.Skip("this kernel does not tell of what was refused")
			}
			c := adopt(t, old)
			defer c.Close()
			err = native.WithDescriptor(c, func(fd uintptr) error {
				state := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
				if n, err := unix.Poll(state, 0); n != 0 || err != nil {
					t.Errorf("there is something to hear of: %#x, %v", state[0].Revents, err)
				}
				return nil
			})
			if lost := refuseOnce(c); err != nil || lost != 0 {
				t.Errorf("the new owner hears of %d errors, %v", lost, err)
			}
		})
	}
}

// TestAdoptForgetsCutting: where the last owner had the kernel cut what is sent, replies of the next one stay whole.
func TestAdoptForgetsCutting(t *testing.T) {
	old := listen(t, "127.0.0.1:0")
	err := native.WithDescriptor(old, func(fd uintptr) error {
		return unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT, 100)
	})
	if err != nil {
		t.Skipf("this kernel cuts nothing: %v", err)
	}
	c := adopt(t, old)
	t.Cleanup(func() { c.Close() })
	serve(t, c, echo)
	p := newPeer(t, "127.0.0.1")
	p.send(c.LocalAddr(), pattern(500))
	if got, _ := p.receive(); len(got) != 500 {
		t.Errorf("a reply of 500 bytes came as %d", len(got))
	}
}

// adopt hands the socket of old over, and returns the Conn that takes over.
func adopt(t *testing.T, old core.Conn) core.Conn {
	t.Helper()
	s, err := native.Inherit(handOver(t, old))
	if err != nil {
		t.Fatal(err)
	}
	conns, err := native.Adopt([]*native.Inherited{s}, native.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return conns[0]
}
