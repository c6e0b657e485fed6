package native_test

import (
	"bytes"
	"encoding/binary"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/native"
)

// hindrance is what is put into the way of a Conn.
type hindrance struct {
	gso     native.GSO
	prepare func(t *testing.T, c core.Conn)
	cuts    bool // it still cuts in the end
	joins   bool // it receives joined datagrams
}

// hindrances are the features forced off one at a time, and each way in which sendmmsg refuses without losing
// anything. The first error that says that the kernel cannot cut comes in the middle of everything.
var hindrances = map[string]hindrance{
	"off":  {gso: native.GSOOff},
	"auto": {gso: native.GSOAuto, cuts: true, joins: true},
	"on":   {gso: native.GSOOn, cuts: true, joins: true},
	"without UDP_SEGMENT": {gso: native.GSOOn, joins: true, prepare: func(_ *testing.T, c core.Conn) {
		native.DoNotCut(c)
	}},
	"without UDP_GRO": {gso: native.GSOOn, cuts: true, prepare: func(t *testing.T, c core.Conn) {
		err := native.WithDescriptor(c, func(fd uintptr) error {
			return unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_GRO, 0)
		})
		if err != nil {
			t.Fatal(err)
		}
	}},
	"refused by the kernel": {gso: native.GSOOn, joins: true, prepare: askTooMuch},
	"EIO":                   {gso: native.GSOOn, joins: true, prepare: failOnCutting(syscall.EIO)},
	"EINVAL":                {gso: native.GSOOn, joins: true, prepare: failOnCutting(syscall.EINVAL)},
	"EOPNOTSUPP":            {gso: native.GSOOn, joins: true, prepare: failOnCutting(syscall.EOPNOTSUPP)},
	"EMSGSIZE": {gso: native.GSOOn, cuts: true, joins: true, prepare: func(_ *testing.T, c core.Conn) {
		native.Sabotage(c, func(messages, replies int) (int, syscall.Errno) { // the path takes no segment of that size
			if replies > 1 {
				return 0, syscall.EMSGSIZE
			}
			return messages, 0
		})
	}},
	"EAGAIN": {gso: native.GSOOn, cuts: true, joins: true, prepare: everyOther(func(int) (int, syscall.Errno) {
		return 0, syscall.EAGAIN
	})},
	"ECONNREFUSED": {gso: native.GSOOn, cuts: true, joins: true, prepare: everyOther(func(int) (int, syscall.Errno) {
		return 0, syscall.ECONNREFUSED // an earlier peer's
	})},
	"EIO and ECONNREFUSED": {gso: native.GSOOn, joins: true, prepare: func(_ *testing.T, c core.Conn) {
		calls := 0
		native.Sabotage(c, func(messages, replies int) (int, syscall.Errno) {
			if calls++; calls%2 == 0 {
				return 0, syscall.ECONNREFUSED // which comes where replies are sent again, too
			}
			if replies > 1 {
				return 0, syscall.EIO
			}
			return messages, 0
		})
	}},
	"some at a time": {gso: native.GSOOn, cuts: true, joins: true, prepare: everyOther(func(n int) (int, syscall.Errno) {
		return (n + 1) / 2, 0
	})},
	"some at a time, uncut": {gso: native.GSOOff, prepare: everyOther(func(n int) (int, syscall.Errno) {
		return (n + 1) / 2, 0
	})},
}

// failOnCutting has the kernel fail on the tenth message that it is to cut, and on all that follow.
func failOnCutting(errno syscall.Errno) func(*testing.T, core.Conn) {
	return func(_ *testing.T, c core.Conn) {
		cut := 0
		native.Sabotage(c, func(messages, replies int) (int, syscall.Errno) {
			if replies > 1 {
				cut++
			}
			if replies > 1 && cut >= 10 {
				return 0, errno
			}
			return 1, 0 // so that the next one is seen, too
		})
	}
}

// everyOther has f decide on every other call.
func everyOther(f func(messages int) (int, syscall.Errno)) func(*testing.T, core.Conn) {
	return func(_ *testing.T, c core.Conn) {
		calls := 0
		native.Sabotage(c, func(messages, _ int) (int, syscall.Errno) {
			if calls++; calls%2 == 0 {
				return f(messages)
			}
			return messages, 0
		})
	}
}

// Whatever the kernel cuts and joins, and whatever it refuses, every request of every peer is answered once, byte
// for byte and in the order of its peer.
func TestOffload(t *testing.T) {
	for name, h := range hindrances {
		t.Run(name, func(t *testing.T) {
			conns, err := native.Listen("127.0.0.1:0", native.Options{Workers: 1, GSO: h.gso})
			if err != nil {
				t.Skipf("this kernel: %v", err)
			}
			c := conns[0]
			defer c.Close()
			defer time.AfterFunc(patience, c.Interrupt).Stop() // rather than wait for what was lost
			if h.prepare != nil {
				h.prepare(t, c)
			}
			seed := uint64(time.Now().UnixNano())
			joined, losses := exchangeAtRandom(t, c, seed)
			if t.Failed() {
				t.Fatalf("with the seed %d", seed)
			}
			losses.Unreachable = 0 // replies to earlier peers
			if losses != (core.Losses{}) {
				t.Errorf("lost %+v", losses)
			}
			if (joined > 0) != h.joins {
				t.Errorf("%d messages were joined by the kernel", joined)
			}
			info, _ := native.Inspect(c)
			if info.Cuts != h.cuts {
				t.Errorf("at the end it cuts: %v", info.Cuts)
			}
			wantResent := h.gso == native.GSOOn && !h.cuts && name != "without UDP_SEGMENT" || name == "EMSGSIZE"
			if (info.Resent > 0) != wantResent {
				t.Errorf("%d replies were sent again", info.Resent)
			}
		})
	}
}

// What turns out not to work, and that a peer has gone away, is said once, however often it happens.
func TestTroubleIsLoggedOnce(t *testing.T) {
	for name, says := range map[string]string{
		"EIO":                   "the kernel cannot cut replies after all",
		"refused by the kernel": "the kernel cannot cut replies after all",
		"ECONNREFUSED":          "a peer has gone away",
		"EMSGSIZE":              "",
	} {
		var log bytes.Buffer
		o := native.Options{Workers: 1, GSO: native.GSOOn, Log: slog.New(slog.NewTextHandler(&log, nil))}
		conns, err := native.Listen("127.0.0.1:0", o)
		if err != nil {
			t.Skipf("this kernel: %v", err)
		}
		c := conns[0]
		defer c.Close()
		defer time.AfterFunc(patience, c.Interrupt).Stop()
		log.Reset() // of what this kernel lacks
		hindrances[name].prepare(t, c)
		exchangeAtRandom(t, c, 1)
		want := 0
		if says != "" {
			want = 1
		}
		if lines := strings.Count(log.String(), "\n"); lines != want || !strings.Contains(log.String(), says) {
			t.Errorf("%s: the log says %q, want %d lines: %q", name, &log, want, says)
		}
	}
}

// A feature that the kernel lacks is said once for all workers of an address.
func TestMissingFeatureIsLoggedOnce(t *testing.T) {
	var log bytes.Buffer
	o := transport{Workers: 3, GSO: native.GSOAuto, Log: slog.New(slog.NewTextHandler(&log, nil))}
	o.listenAll(t, "127.0.0.1:0")
	said := make(map[string]int)
	for line := range strings.Lines(log.String()) {
		if _, what, ok := strings.Cut(line, `msg="this kernel `); ok {
			said[what]++
		}
	}
	if len(said) == 0 {
		t.Skip("this kernel lacks nothing")
	}
	for what, n := range said {
		if n > 1 {
			t.Errorf("said %d times: %s", n, what)
		}
	}
}

// exchangeAtRandom has four peers ask in runs, some of which leave as one piece, and checks every answer. It
// returns how many messages came in joined, and what was lost.
func exchangeAtRandom(t *testing.T, c core.Conn, seed uint64) (joined int, l core.Losses) {
	rng := rand.New(rand.NewPCG(seed, 0))
	var peers []*peer
	for range 4 {
		peers = append(peers, newPeer(t, "127.0.0.1"))
	}
	b := core.NewBatch()
	serial := uint32(0)
	for round := range 60 {
		want := make([][][]byte, len(peers))
		total := 0
		for range 1 + rng.IntN(6) {
			who, size := rng.IntN(len(peers)), []int{0, 1, 26, 26, 26, 700, 1400}[rng.IntN(7)]
			var run [][]byte
			for range 1 + rng.IntN(12) {
				serial++
				run = append(run, stamped(serial, size))
			}
			if size > 1 && rng.IntN(2) == 0 { // a shorter one at the end
				run[len(run)-1] = run[len(run)-1][:1+rng.IntN(size-1)]
			}
			peers[who].sendRun(c.LocalAddr(), run, size > 0 && rng.IntN(2) == 0)
			want[who] = append(want[who], run...)
			total += len(run)
		}
		for answered := 0; answered < total; {
			if err := c.Receive(b); err != nil {
				t.Fatal(err)
			}
			for _, m := range b.Messages {
				if m.Segment > 0 {
					joined++
				}
			}
			answered += echoSegments(t, c, b)
		}
		for i, p := range peers {
			for j, w := range want[i] {
				if got, _ := p.receive(); !bytes.Equal(got, w) {
					t.Errorf("round %d, peer %d, reply %d: %d bytes, want %d", round, i, j, len(got), len(w))
					return joined, b.Losses
				}
			}
		}
	}
	for i, p := range peers {
		p.SetReadDeadline(time.Now())
		if n, _, err := p.ReadFromUDPAddrPort(p.data); err == nil {
			t.Errorf("peer %d got %d bytes more", i, n)
		}
	}
	return joined, b.Losses
}

// stamped returns a payload of that size that begins with a number, as far as that has room.
func stamped(serial uint32, size int) []byte {
	data := pattern(max(size, 4))
	binary.LittleEndian.PutUint32(data, serial)
	return data[:size]
}

// sendRun sends datagrams of one size, but for the last, one by one or as one piece that the kernel cuts.
func (p *peer) sendRun(to netip.AddrPort, run [][]byte, together bool) {
	p.t.Helper()
	if together {
		p.sendBurst(to, newBurst(run))
		return
	}
	for _, data := range run {
		p.send(to, data)
	}
}

// burst is several datagrams in one piece, and what tells the kernel where to cut it.
type burst struct{ data, control []byte }

func newBurst(run [][]byte) burst {
	control := make([]byte, unix.CmsgSpace(2))
	(*unix.Cmsghdr)(unsafe.Pointer(&control[0])).SetLen(unix.CmsgLen(2))
	binary.NativeEndian.PutUint32(control[unix.SizeofCmsghdr-8:], unix.IPPROTO_UDP)
	binary.NativeEndian.PutUint32(control[unix.SizeofCmsghdr-4:], unix.UDP_SEGMENT)
	binary.NativeEndian.PutUint16(control[unix.CmsgLen(0):], uint16(len(run[0])))
	return burst{bytes.Join(run, nil), control}
}

func (p *peer) sendBurst(to netip.AddrPort, b burst) {
	p.t.Helper()
	if _, _, err := p.WriteMsgUDPAddrPort(b.data, b.control, to); err != nil {
		p.t.Fatal(err)
	}
}

// askTooMuch makes the kernel refuse to cut. The replies arrive all the same.
func askTooMuch(t *testing.T, c core.Conn) {
	t.Helper()
	native.CutTooMuch(c)
	p, b := newPeer(t, "127.0.0.1"), core.NewBatch()
	b.Messages = []core.Message{{From: p.addr(), To: c.LocalAddr()}}
	const n = 250 // more than any kernel cuts
	for i := range n {
		b.Answer(0, []byte{byte(i)})
	}
	sendAll(t, c, b)
	for i := range n {
		if got, _ := p.receive(); len(got) != 1 || got[0] != byte(i) {
			t.Fatalf("reply %d is %v", i, got)
		}
	}
}

// What the kernel says of one message costs that one: each error has its counter, and the others arrive.
func TestErrorsOfOneMessage(t *testing.T) {
	for errno, want := range map[syscall.Errno]core.Losses{
		syscall.ENOBUFS:      {NoBuffer: 1},
		syscall.ENOMEM:       {NoBuffer: 1},
		syscall.EPERM:        {Forbidden: 1},
		syscall.EACCES:       {Forbidden: 1},
		syscall.EMSGSIZE:     {TooLong: 1},
		syscall.ENETUNREACH:  {Unreachable: 1},
		syscall.EHOSTUNREACH: {Unreachable: 1},
		syscall.EINVAL:       {Unsent: 1},
		syscall.EIO:          {Unsent: 1},
	} {
		c, p, b := listen(t, "127.0.0.1:0"), newPeer(t, "127.0.0.1"), core.NewBatch()
		b.Messages = []core.Message{{From: p.addr(), To: c.LocalAddr()}}
		const n, bad = 20, 7
		for i := range n {
			b.Answer(0, []byte{byte(i)})
		}
		sent, failed := 0, false
		native.Sabotage(c, func(messages, _ int) (int, syscall.Errno) {
			if sent == bad && !failed {
				failed = true
				return 0, errno
			}
			sent++
			return 1, 0
		})
		sendAll(t, c, b)
		if b.Losses != want {
			t.Errorf("%v: lost %+v, want %+v", errno, b.Losses, want)
		}
		for i := range n {
			if i == bad {
				continue
			}
			if got, _ := p.receive(); len(got) != 1 || got[0] != byte(i) {
				t.Fatalf("%v: reply %d is %v", errno, i, got)
			}
		}
	}
}
