package guard_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/guard"
	"github.com/retort-udp/retort/core/guard/guardtest"
	"github.com/retort-udp/retort/core/reply/builtin"
	"github.com/retort-udp/retort/core/server"
)

// greedy answers with all that it may, and one byte more when the request begins with '!'.
var greedy = core.HandlerFunc(func(dst []byte, d *core.Datagram) ([]byte, error) {
	n := cap(dst)
	if bytes.HasPrefix(d.Data, []byte("!")) {
		n++
	}
	return append(dst, make([]byte, n)...), nil
})

// onWire is what a payload of n bytes is on a wire that carries packets of 1,500 bytes, or of any size, without the frames
// of the link.
func onWire(addr netip.Addr, n int, anySize bool) int {
	header, further, carries := 20, 20, 1480
	if !addr.Is4() {
		header, further, carries = 40, 48, 1448
	}
	n += 8
	if anySize || header+n <= 1500 {
		return header + n
	}
	return n + further*((n+carries-1)/carries)
}

func TestRoomForReplies(t *testing.T) {
	for _, tt := range []struct {
		from  string
		most  float64
		bytes int
		want  int
	}{
		{"192.0.2.7", 0, 0, 56},
		{"192.0.2.7", 0, 1, 59},
		{"192.0.2.7", 0, 472, 1472},  // 1,500 bytes: one packet
		{"192.0.2.7", 0, 473, 1472},  // 1,503
		{"192.0.2.7", 0, 478, 1472},  // 1,518
		{"192.0.2.7", 0, 479, 1473},  // 1,521: another fragment with a byte
		{"192.0.2.7", 0, 1000, 3016}, // 3,084 bytes: two packets, and 64 bytes behind a header
		{"192.0.2.7", 1, 10_000, 10_000},
		{"192.0.2.7", 1.01, 10_000, 10_000},
		{"2001:db8::7", 0, 452, 1452}, // 1,500 bytes
		{"2001:db8::7", 0, 470, 1452}, // 1,554
		{"2001:db8::7", 0, 471, 1453}, // 1,557: two fragments, with 1,448 and 13 bytes
		{"2001:db8::7", 1, 10_000, 10_000},
		{"192.0.2.7", 0, 30_000, core.MaxPayload4},
		{"2001:db8::7", 0, 0, 96},
		{"2001:db8::7", 0, 30_000, core.MaxPayload6},
		{"::ffff:192.0.2.7", 0, 0, 56},
		{"192.0.2.7", 1, 0, 0},
		{"192.0.2.7", 1, 512, 512},
		{"192.0.2.7", 1.5, 1, 15}, // 43.5 bytes
		{"192.0.2.7", 1e9, 0, core.MaxPayload4},
		{"127.0.0.1", 1, 0, core.MaxPayload4},
		{"127.9.9.9", 1, 0, core.MaxPayload4},
		{"::1", 1, 0, core.MaxPayload6},
	} {
		w := newWorker(t, &guard.Policy{MaxAmplification: tt.most}, silent, public.String())
		d := &core.Datagram{Data: make([]byte, tt.bytes), From: netip.AddrPortFrom(netip.MustParseAddr(tt.from), 40000), To: public}
		if got, v := w.Admit(d, false); got != tt.want || v != guard.Admit {
			t.Errorf("from %s, amplification %v: %d bytes may be answered with %d (%v), want %d", tt.from, tt.most, tt.bytes, got, v, tt.want)
		}
	}
}

// No request has a reply that takes more on the wire than its share, in packets of 1,500 bytes, or could be a byte
// longer; but one that is as long as its request may be.
func TestRoomOnTheWire(t *testing.T) {
	for _, ratio := range []float64{1, 1.5, 3, 10} {
		w := newWorker(t, &guard.Policy{MaxAmplification: ratio, RateLimit: guard.Off}, silent, public.String())
		for _, from := range []string{"192.0.2.7:40000", "[2001:db8::7]:40000"} {
			d := &core.Datagram{From: netip.MustParseAddrPort(from), To: public}
			addr, longest := d.From.Addr(), core.MaxPayload(d.From.Addr())
			payload := make([]byte, longest)
			for n := 0; n <= longest; n++ {
				d.Data = payload[:n]
				limit, _ := w.Admit(d, false)
				share := ratio * float64(onWire(addr, n, true))
				if float64(onWire(addr, limit, false)) > share && limit != n {
					t.Fatalf("%d bytes from %v may be answered with %d, more than %v times", n, addr, limit, ratio)
				}
				if limit < n || limit < longest && float64(onWire(addr, limit+1, false)) <= share {
					t.Fatalf("%d bytes from %v may be answered with %d only, at %v times", n, addr, limit, ratio)
				}
			}
		}
	}
}

// The built-in handlers answer everything off loopback, as their comments say; a fixed text must be short.
func TestBuiltInHandlersFitTheBudget(t *testing.T) {
	for _, tt := range []struct {
		spec string
		fits bool
	}{
		{"length", true}, {"echo", true}, {"time", true}, {"upper", true}, {"fixed=pong", true},
		{"fixed=" + strings.Repeat("x", 56), true}, {"fixed=" + strings.Repeat("x", 57), false},
	} {
		h, err := builtin.Named(tt.spec)
		if err != nil {
			t.Fatal(err)
		}
		for _, size := range []int{0, 1, 100, 65_000} {
			n := guardtest.New(1, guardtest.Path{})
			n.Listen(public)
			n.Send(netip.MustParseAddrPort("192.0.2.7:40000"), public, make([]byte, size))
			s := n.Run(t, &server.Server{Handler: h})[0]
			fits := tt.fits || size > 0
			if fits != (s.Replied == 1) || fits == (s.Refused[guard.Amplification] == 1) || s.Oversize != 0 {
				t.Errorf("%.20s, a request of %d bytes: replied %d, refused %d, oversize %d",
					tt.spec, size, s.Replied, s.Refused[guard.Amplification], s.Oversize)
			}
		}
	}
}

// tap counts what goes through a Conn, peer by peer, in bytes on the wire.
type tap struct {
	core.Conn
	t    testing.TB
	most float64
	may  map[netip.Addr]float64 // be sent there
	out  map[netip.Addr]int
}

func (c *tap) Receive(b *core.Batch) error {
	if err := c.Conn.Receive(b); err != nil {
		return err
	}
	for _, m := range b.Messages {
		addr, n := m.From.Addr(), len(m.Data)
		c.may[addr] += max(c.most*float64(onWire(addr, n, true)), float64(onWire(addr, n, false))) // it may always be as long
	}
	return nil
}

func (c *tap) Send(b *core.Batch) error {
	for _, r := range b.Replies {
		addr := b.Messages[r.Message].From.Addr()
		c.out[addr] += onWire(addr, len(r.Data), false)
		if got, most := c.out[addr], c.may[addr]; !addr.IsLoopback() && float64(got) > most {
			c.t.Errorf("%d bytes went to %v: the most is %v", got, addr, most)
		}
	}
	return c.Conn.Send(b)
}

// FuzzBudget sends any sequence of datagrams from a few peers, at any time, to a handler that answers as much
// as it can: at no moment has more gone to a peer than its factor allows. Each datagram is 4 bytes of data: who
// sends it, how long it is, and how long after the last.
func FuzzBudget(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 1, 0, 100, 0, 2, 255, 0, 1, 3, 0, 9, 200}, uint16(0))
	f.Add(bytes.Repeat([]byte{0, 0, 10, 1}, 50), uint16(300))
	f.Add(bytes.Repeat([]byte{0, 0, 10, 1, 1, 5, 0, 0, 9, 0, 0, 90}, 50), uint16(77))
	f.Add(bytes.Repeat([]byte{8, 0, 10, 1, 0, 1, 1, 60}, 50), uint16(1000))
	peers := []netip.AddrPort{
		netip.MustParseAddrPort("192.0.2.7:2000"), netip.MustParseAddrPort("192.0.2.8:40000"),
		netip.MustParseAddrPort("[2001:db8::7]:2000"), netip.MustParseAddrPort("127.0.0.1:2000"),
	}
	f.Fuzz(func(t *testing.T, data []byte, factor uint16) {
		most := 1 + float64(factor)/100
		n := guardtest.New(1, guardtest.Path{})
		us := n.Listen(netip.MustParseAddrPort("[::]:1060")).LocalAddr()
		n.Wrap = func(c core.Conn) core.Conn {
			return &tap{Conn: c, t: t, most: most, may: make(map[netip.Addr]float64), out: make(map[netip.Addr]int)}
		}
		at := time.Duration(0)
		for ; len(data) >= 4; data = data[4:] {
			at += time.Duration(data[3]) * time.Millisecond
			payload := make([]byte, binary.BigEndian.Uint16([]byte{data[1] & 0xf, data[2]}))
			if data[0]&8 != 0 && len(payload) > 0 {
				payload[0] = '!'
			}
			n.Deliver(at, peers[data[0]%4], us, payload)
		}
		s := n.Run(t, &server.Server{Handler: greedy, Guard: &guard.Policy{
			MaxAmplification: most, LowPortExchanges: 2, ClientPortExchanges: 3, RateLimit: guard.Off, Seed: 1,
		}})[0]
		if s.Received != s.Replied+s.Refused[guard.Loop]+s.Refused[guard.Amplification]+s.Oversize+s.Refused[guard.Returned] {
			t.Errorf("not every datagram is accounted for: %+v", s)
		}
	})
}

func ExampleGuard_Explain() {
	g, err := guard.New(&guard.Policy{
		Deny: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")},
	}, netip.MustParseAddrPort("192.0.2.1:1060"))
	if err != nil {
		fmt.Println(err)
		return
	}
	rules, _, _ := strings.Cut(g.String(), "Loops")
	fmt.Print(rules)
	// Output:
	// Never answered
	//     sources that are no host: port 0, 0.0.0.0/8 and ::, multicast
	//     broadcast addresses: 127.0.0.0, 127.255.255.255, 255.255.255.255
	//     ourselves: 192.0.2.1:1060
	//     sources in 198.51.100.0/24
	//     datagrams to a broadcast or multicast address: not answered
	//     answers, where the handler can tell them from questions
}
