package native_test

import (
	"errors"
	"net"
	"runtime"
	"testing"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/native"
)

// needProbe skips the test where fragmenting cannot be forbidden.
func needProbe(t *testing.T, err error) {
	t.Helper()
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skipf("%s: %v", runtime.GOOS, err)
	}
}

func TestProbeMTUThatFits(t *testing.T) {
	for _, ip := range []string{"127.0.0.1", "::1"} {
		t.Run(ip, func(t *testing.T) {
			if ip == "::1" {
				needIPv6(t)
			}
			s := listen(t, net.JoinHostPort(ip, "0"))
			p, err := native.ProbeMTU(t.Context(), s.LocalAddr().String(), 1000)
			needProbe(t, err)
			if err != nil || !p.Sent {
				t.Fatalf("%+v, %v", p, err)
			}
			if p.MTU != 0 && p.MTU < 1280 {
				t.Errorf("the path MTU is %d", p.MTU)
			}
			b := core.NewBatch()
			if m := receiveOne(t, s, b); len(m.Data) != 1000 {
				t.Errorf("%d bytes arrived", len(m.Data))
			}
		})
	}
}

// One byte too much for the loopback interface shows, where a datagram can have it: Linux's interface takes
// the largest packet of IPv4.
func TestProbeMTUAtTheLimit(t *testing.T) {
	i, err := loopback()
	if err != nil {
		t.Skip(err)
	}
	for _, tt := range []struct {
		ip      string
		headers int
		largest int
	}{
		{"127.0.0.1", 20 + 8, core.MaxPayload4},
		{"::1", 40 + 8, core.MaxPayload6},
	} {
		t.Run(tt.ip, func(t *testing.T) {
			if tt.ip == "::1" {
				needIPv6(t)
			}
			s := listen(t, net.JoinHostPort(tt.ip, "0"))
			for _, size := range []int{i.MTU - tt.headers, i.MTU - tt.headers + 1} {
				if size > tt.largest {
					t.Skipf("the loopback interface takes %d bytes, more than a datagram has", i.MTU)
				}
				p, err := native.ProbeMTU(t.Context(), s.LocalAddr().String(), size)
				needProbe(t, err)
				if err != nil {
					t.Fatal(err)
				}
				if fits := size+tt.headers <= i.MTU; p.Sent != fits {
					t.Errorf("a packet of %d bytes on an interface for %d: %+v", size+tt.headers, i.MTU, p)
				}
				if p.MTU != 0 && p.MTU != i.MTU {
					t.Errorf("the path MTU is %d, the interface's %d", p.MTU, i.MTU)
				}
			}
		})
	}
}

func loopback() (*net.Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	for _, i := range all {
		if i.Flags&net.FlagLoopback != 0 && i.Flags&net.FlagUp != 0 {
			return &i, nil
		}
	}
	return nil, errors.New("this host has no loopback interface")
}

func TestProbeMTUErrors(t *testing.T) {
	_, err := native.ProbeMTU(t.Context(), "127.0.0.1:9", core.MaxPayload4+1)
	if !errors.Is(err, native.ErrTooLong) {
		t.Errorf("too long: %v", err)
	}
	for _, addr := range []string{"127.0.0.1:0", "127.0.0.1", "127.0.0.1:65536"} {
		if _, err := native.ProbeMTU(t.Context(), addr, 1); err == nil {
			t.Errorf("%s: no error", addr)
		}
	}
	if _, err := native.ProbeMTU(t.Context(), "127.0.0.1:9", -1); err == nil {
		t.Error("a negative size: no error")
	}
}
