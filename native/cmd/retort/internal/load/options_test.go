package load_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/retort-udp/retort/native/cmd/retort/internal/load"
)

func TestOptions(t *testing.T) {
	loopback := netip.MustParseAddrPort("127.0.0.1:1060")
	for _, tt := range []struct {
		o    load.Options
		want string
	}{
		{load.Options{}, "no server's address"},
		{load.Options{Target: netip.MustParseAddrPort("127.0.0.1:0")}, "no server's address"},
		{load.Options{Target: loopback, Size: 65508}, "65508 bytes is out of range 0 to 65507"},
		{load.Options{Target: loopback, Size: -1}, "out of range"},
		{load.Options{Target: netip.MustParseAddrPort("[::1]:1"), Size: 65528}, "0 to 65527"},
		{load.Options{Target: loopback, Window: -1}, "a window of -1"},
		{load.Options{Target: loopback, Window: load.MaxWindow + 1}, "out of range"},
		{load.Options{Target: loopback, Sockets: load.MaxSockets + 1}, "sockets are out of range"},
		{load.Options{Target: loopback, Sockets: 5, Window: 4}, "it must hold one for each"},
		{load.Options{Target: loopback, Sockets: 2, Threads: 3}, "each needs a socket"},
		{load.Options{Target: loopback, Rate: -1}, "a rate of -1"},
		{load.Options{Target: loopback, Rate: 1e9}, "a rate of 1e+09"},
		{load.Options{Target: loopback, Duration: -1}, "a duration"},
		{load.Options{Target: loopback, Duration: load.MaxDuration + 1}, "a duration"},
		{load.Options{Target: loopback, Timeout: time.Hour}, "a timeout"},
		{load.Options{Target: loopback, GSO: true, Empty: true}, "gso needs a size"},
		{load.Options{Target: loopback, GSO: true, Portable: true}, "gso"},
	} {
		if _, err := load.Run(t.Context(), tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: error %v, want one that says %q", tt.o, err, tt.want)
		}
	}
	for _, tt := range []struct {
		o               load.Options
		window, sockets int
		timeout         time.Duration
	}{
		{load.Options{Target: loopback}, 128, 8, 32800 * time.Microsecond},
		{load.Options{Target: loopback, Window: 1}, 1, 1, 20100 * time.Microsecond},
		{load.Options{Target: loopback, Window: load.MaxWindow}, load.MaxWindow, 8, time.Second},
		{load.Options{Target: loopback, Window: 3}, 3, 3, 20300 * time.Microsecond},
		{load.Options{Target: loopback, Rate: 5}, 128, 64, time.Second},
		{load.Options{Target: loopback, Rate: 5, Expect: load.Echo}, 128, 8, time.Second},
		{load.Options{Target: loopback, Threads: 9}, 128, 9, 32800 * time.Microsecond},
		{load.Options{Target: netip.MustParseAddrPort("192.0.2.1:7")}, 128, 8, time.Second},
	} {
		o, err := tt.o.Complete()
		if err != nil || o.Window != tt.window || o.Sockets != tt.sockets || o.Timeout != tt.timeout {
			t.Errorf("%+v became %+v, %v", tt.o, o, err)
		}
	}
}

func TestExpectations(t *testing.T) {
	for _, name := range load.Expectations() {
		if e, err := load.ParseExpectation(name); err != nil || e.String() != name {
			t.Errorf("%q is %v, %v", name, e, err)
		}
	}
	if _, err := load.ParseExpectation("echos"); err == nil || !strings.Contains(err.Error(), "length, echo, any") {
		t.Errorf("error %v", err)
	}
}
