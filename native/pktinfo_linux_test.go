package native_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/retort-udp/retort/native"
)

// Only a socket that has several addresses is told which one was asked, which costs some 140 ns a datagram.
func TestPktinfoOnWildcardsOnly(t *testing.T) {
	each(t, func(t *testing.T, way transport) {
		for _, tt := range []struct {
			addr      string
			four, six int
		}{
			{"127.0.0.1:0", 0, 0},
			{"127.255.255.255:0", 0, 0},
			{"[::1]:0", 0, 0},
			{"0.0.0.0:0", 1, 0},
			{":0", 1, 1}, // IPv6's does not tell a broadcast address
		} {
			if tt.addr == "[::1]:0" || tt.addr == ":0" {
				needIPv6(t)
			}
			c := way.listen(t, tt.addr)
			four, six := 0, 0
			err := native.WithDescriptor(c, func(fd uintptr) (err error) {
				if four, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO); err != nil {
					return err
				}
				if tt.addr != "[::1]:0" && tt.addr != ":0" {
					return nil
				}
				six, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO)
				return err
			})
			if err != nil || four != tt.four || six != tt.six || native.Told(c) != (tt.four == 1) {
				t.Errorf("%s: IP_PKTINFO is %d, IPV6_RECVPKTINFO %d, %v; want %d and %d", tt.addr, four, six, err, tt.four, tt.six)
			}
		}
	})
}
