package wasmhandler_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/wasmhandler"
	"github.com/retort-udp/retort/wasmhandler/abi"
	"github.com/retort-udp/retort/wasmhandler/internal/race"
)

// TestLength holds the guest that answers with a length to its twin in Go.
func TestLength(t *testing.T) {
	engines(t, func(t *testing.T, c wasmhandler.Config) {
		h := forWorker(t, load(t, "length", c))
		for _, n := range []int{0, 1, 9, 10, 38, 1472, core.MaxPayload4, core.MaxPayload6} {
			d := datagram(strings.Repeat("x", n))
			want, _ := nativeLength(nil, d)
			if got := ask(t, h, d); !bytes.Equal(got, want) {
				t.Errorf("%d bytes: %q, want %q", n, got, want)
			}
		}
	})
}

// TestEcho sends requests of every kind of length both ways; what came before leaves no trace.
func TestEcho(t *testing.T) {
	engines(t, func(t *testing.T, c wasmhandler.Config) {
		h := forWorker(t, load(t, "echo", c))
		for i, n := range []int{core.MaxPayload6, core.MaxPayload4, 0, 1, 1472, 65, 64, core.MaxPayload6, 2, 0} {
			request := bytes.Repeat([]byte{byte(i + 1), 0xff, 0}, n/3+1)[:n]
			if got := ask(t, h, datagram(string(request))); !bytes.Equal(got, request) {
				t.Errorf("request %d of %d bytes came back as %d others", i, n, len(got))
			}
		}
	})
}

// TestReplyIntoDst checks that a reply is built where the caller wants it.
func TestReplyIntoDst(t *testing.T) {
	h := forWorker(t, load(t, "echo", wasmhandler.Config{}))
	dst := room(5)
	reply, err := h.Reply(dst, datagram("12345"))
	if err != nil || string(reply) != "12345" || &reply[0] != &dst[:1][0] {
		t.Errorf("%q, %v: not in dst, which has room for it", reply, err)
	}
	if reply, err := h.Reply(room(4), datagram("12345")); reply != nil || err != nil {
		t.Errorf("the guest was told of more room than there is: %q, %v", reply, err)
	}
	if reply, err := h.Reply(room(0), datagram("")); reply == nil || len(reply) != 0 || err != nil {
		t.Errorf("an empty reply into no room: %#v, %v", reply, err)
	}
}

func TestTooLong(t *testing.T) {
	h := forWorker(t, load(t, "echo", wasmhandler.Config{}))
	reply, err := h.Reply(room(core.MaxPayload6), datagram(strings.Repeat("x", core.MaxPayload6+1)))
	if reply != nil || err == nil || !strings.Contains(err.Error(), "65528 bytes") {
		t.Errorf("a request of 65528 bytes: %d bytes, %v", len(reply), err)
	}
	if got := ask(t, h, datagram("next")); string(got) != "next" {
		t.Errorf("the request after it: %q", got)
	}
}

// TestResults goes through what retort_v1_reply may return.
func TestResults(t *testing.T) {
	engines(t, func(t *testing.T, c wasmhandler.Config) {
		m := load(t, "result", c)
		h := forWorker(t, m)
		const space = 100
		for _, test := range []struct {
			result int32
			length int // of the reply; -1: silence
			err    error
			fault  string
		}{
			{result: 0, length: 0},
			{result: 1, length: 1},
			{result: space, length: space},
			{result: space + 1, fault: "it returned 101 bytes, and there was room for 100"},
			{result: core.MaxPayload6, fault: "it returned 65527 bytes, and there was room for 100"},
			{result: core.MaxPayload6 + 1, fault: "it returned 65528 bytes, and there was room for 100"},
			{result: math.MaxInt32, fault: "it returned 2147483647 bytes, and there was room for 100"},
			{result: abi.Silence, length: -1},
			{result: abi.Malformed, length: -1, err: core.ErrMalformed},
			{result: -3, fault: "it returned -3, which means nothing yet"},
			{result: -99, fault: "it returned -99, which means nothing yet"},
			{result: -100, length: -1, err: core.Code(-100)},
			{result: -164, length: -1, err: core.Code(-164)}, // shares a cached value's place with -100
			{result: math.MinInt32, length: -1, err: core.Code(math.MinInt32)},
		} {
			t.Run(fmt.Sprint(test.result), func(t *testing.T) {
				d := datagram(string(binary.LittleEndian.AppendUint32(nil, uint32(test.result))))
				reply, err := h.Reply(room(space), d)
				if test.fault != "" {
					var f *wasmhandler.Fault
					if !errors.As(err, &f) || f.Cause != wasmhandler.CauseResult || f.Detail != test.fault || reply != nil {
						t.Errorf("%v, %v, want a fault: %s", reply, err, test.fault)
					}
					return
				}
				length := len(reply)
				if reply == nil {
					length = -1
				}
				if length != test.length || err != test.err {
					t.Errorf("a reply of %d bytes and %v, want %d and %v", length, err, test.length, test.err)
				}
			})
		}
		if n := m.Stats().Faults[wasmhandler.CauseResult]; n != 6 {
			t.Errorf("%d faults were counted, not 6", n)
		}
	})
}

// TestMeta checks what a guest is told of a datagram, and where the three parts of the window lie.
func TestMeta(t *testing.T) {
	loopback, err := net.InterfaceByIndex(1)
	if err != nil {
		t.Skip("the first interface has no name: ", err)
	}
	engines(t, func(t *testing.T, c wasmhandler.Config) {
		h := forWorker(t, load(t, "meta", c))
		for _, test := range []struct {
			name, from, to string
			zone           uint32
		}{
			{"IPv4", "192.0.2.7:46056", "127.0.0.1:1060", 0},
			{"IPv6", "[2001:db8::7]:1", "[::1]:65535", 0},
			{"zone by number", "[fe80::1%42]:5353", "[fe80::2%42]:5353", 42},
			{"zone by name", "[fe80::1%" + loopback.Name + "]:5353", "[fe80::2]:5353", 1},
			{"zone by name again", "[fe80::1%" + loopback.Name + "]:5353", "[fe80::2]:5353", 1},
			{"zone that is gone", "[fe80::1%nosuch0]:5353", "[fe80::2]:5353", 0},
		} {
			t.Run(test.name, func(t *testing.T) {
				d := &core.Datagram{
					Data: []byte("hello"),
					From: netip.MustParseAddrPort(test.from), To: netip.MustParseAddrPort(test.to), Time: arrival,
				}
				got, err := h.Reply(room(1000), d)
				if err != nil || len(got) != abi.MetaSize+24 {
					t.Fatal(got, err)
				}
				want := make([]byte, abi.MetaSize)
				abi.PutMeta(want, d, test.zone)
				if !bytes.Equal(got[:abi.MetaSize], want) {
					t.Errorf("the meta block is\n\t% x, and should be\n\t% x", got[:abi.MetaSize], want)
				}
				var read core.Datagram
				abi.ReadMeta(got, &read)
				if !read.Time.Equal(arrival) || read.From.Port() != d.From.Port() {
					t.Errorf("read back: %v at %v", read.From, read.Time)
				}

				word := func(i int) uint64 { return uint64(binary.LittleEndian.Uint32(got[abi.MetaSize+4*i:])) }
				req, reqLen, out, outCap, meta, size := word(0), word(1), word(2), word(3), word(4), word(5)
				if reqLen != 5 || outCap != 1000 || meta%8 != 0 {
					t.Errorf("req_len %d, out_cap %d, meta at %#x", reqLen, outCap, meta)
				}
				const window = 65536
				parts := []struct{ from, to uint64 }{
					{req, req + core.MaxPayload6}, {out, out + core.MaxPayload6}, {meta, meta + abi.MetaSize},
				}
				for i, p := range parts {
					if p.from < window || p.to > window+size {
						t.Errorf("part %d, %#x-%#x, is not in the window of %d bytes at %#x", i, p.from, p.to, size, window)
					}
					for _, q := range parts[:i] {
						if p.from < q.to && q.from < p.to {
							t.Errorf("%#x-%#x and %#x-%#x overlap", p.from, p.to, q.from, q.to)
						}
					}
				}
			})
		}
	})
}

// TestOutCap checks that a guest is never told of more room than a datagram has.
func TestOutCap(t *testing.T) {
	h := forWorker(t, load(t, "meta", wasmhandler.Config{}))
	got, err := h.Reply(room(100_000), datagram(""))
	if err != nil {
		t.Fatal(err)
	}
	if outCap := binary.LittleEndian.Uint32(got[abi.MetaSize+12:]); outCap != core.MaxPayload6 {
		t.Errorf("out_cap is %d", outCap)
	}
}

// TestGrow grows the memory while a request is answered: the reply still comes from where the guest wrote it.
func TestGrow(t *testing.T) {
	engines(t, func(t *testing.T, c wasmhandler.Config) {
		c.Memory = 10*65536 - 1 // rounded up to 10 pages
		h := forWorker(t, load(t, "grow", c))
		for _, test := range []struct{ by, result, size int32 }{
			{0, 4, 4}, {1, 4, 5}, {6, -1, 5}, {5, 5, 10}, {1, -1, 10}, {0xffff, -1, 10}, {0, 10, 10},
		} {
			reply := ask(t, h, datagram(string(binary.LittleEndian.AppendUint16(nil, uint16(test.by)))))
			result, size := int32(binary.LittleEndian.Uint32(reply)), int32(binary.LittleEndian.Uint32(reply[4:]))
			if result != test.result || size != test.size {
				t.Errorf("memory.grow(%d) = %d, now %d pages; want %d, %d", test.by, result, size, test.result, test.size)
			}
		}
	})
}

// TestDefaultMemory grows up to the default limit and no further.
func TestDefaultMemory(t *testing.T) {
	h := forWorker(t, load(t, "grow", wasmhandler.Config{}))
	grow := func(by uint16) int32 {
		return int32(binary.LittleEndian.Uint32(ask(t, h, datagram(string(binary.LittleEndian.AppendUint16(nil, by))))))
	}
	const pages = wasmhandler.DefaultMemory / 65536
	if got := grow(pages - 4); got != 4 {
		t.Errorf("up to the limit: %d", got)
	}
	if got := grow(1); got != -1 {
		t.Errorf("beyond it: %d", got)
	}
}

func TestConfigure(t *testing.T) {
	engines(t, func(t *testing.T, c wasmhandler.Config) {
		c.Name = "upstream"
		for _, config := range []string{"", "a", "key = value\n", strings.Repeat("x", 300_000), strings.Repeat("y", abi.MaxConfig)} {
			t.Run(fmt.Sprint(len(config)), func(t *testing.T) {
				m := load(t, "config", c)
				if err := core.Configure(m, []byte(config)); err != nil {
					t.Fatal(err)
				}
				want := string(binary.LittleEndian.AppendUint32(nil, uint32(len(config)))) + config[:min(len(config), 1024)]
				for range 2 { // the first worker's, and one that is made later
					if got := string(ask(t, forWorker(t, m), datagram(""))); got != want {
						t.Errorf("the guest has %.40q, want %.40q", got, want)
					}
				}
			})
		}
		t.Run("none", func(t *testing.T) {
			got := ask(t, forWorker(t, load(t, "config", c)), datagram(""))
			if n := int32(binary.LittleEndian.Uint32(got)); n != -1 {
				t.Errorf("it was configured with %d bytes", n)
			}
		})
		t.Run("twice", func(t *testing.T) {
			m := load(t, "config", c)
			for _, config := range []string{"one", "two"} {
				if err := m.Configure([]byte(config)); err != nil {
					t.Fatal(err)
				}
			}
			if got := ask(t, forWorker(t, m), datagram("")); string(got) != "\x03\x00\x00\x00two" {
				t.Errorf("%q", got)
			}
		})
		for name, refused := range map[string]struct{ config, want string }{
			"by number":  {"!", `handler "upstream": it refused the configuration: retort_v1_configure returned 7`},
			"with words": {"#", `handler "upstream": it refused the configuration: retort_v1_configure returned 8: "no such upstream"`},
			"by a trap":  {"?", `handler "upstream": retort_v1_configure: unreachable (in configure)`},
			"too long":   {strings.Repeat("x", abi.MaxConfig+1), `handler "upstream": the configuration has 1048577 bytes, more than the limit of 1048576`},
		} {
			t.Run("refused "+name, func(t *testing.T) {
				m := load(t, "config", c)
				if err := m.Configure([]byte(refused.config)); err == nil || err.Error() != refused.want {
					t.Errorf("%v\nwant %s", err, refused.want)
				}
			})
		}
	})
	t.Run("no export", func(t *testing.T) {
		for _, name := range []string{"echo", "command"} {
			if err := core.Configure(load(t, name, wasmhandler.Config{}), nil); !errors.Is(err, core.ErrNoConfig) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	t.Run("too late", func(t *testing.T) {
		m := load(t, "config", wasmhandler.Config{})
		forWorker(t, m)
		if err := m.Configure(nil); err == nil {
			t.Error("it was configured while it serves")
		}
	})
	t.Run("restarted", func(t *testing.T) {
		// A replaced instance has the configuration too; see fault_test.go for what replaces it.
		m := load(t, "config", wasmhandler.Config{})
		if err := m.Configure([]byte("abc")); err != nil {
			t.Fatal(err)
		}
		h := forWorker(t, m)
		if _, err := h.Reply(room(3), datagram("")); err == nil { // its reply has 7 bytes
			t.Fatal("no fault")
		}
		if got := ask(t, h, datagram("")); string(got) != "\x03\x00\x00\x00abc" {
			t.Errorf("after a restart: %q", got)
		}
	})
}

// TestOptional checks that a handler is a Classifier and an Idler exactly when its guest can be.
func TestOptional(t *testing.T) {
	for _, test := range []struct {
		name              string
		classifies, idles bool
	}{{"echo", false, false}, {"classifier", true, false}, {"idler", false, true}, {"optional", true, true}} {
		h := forWorker(t, load(t, test.name, wasmhandler.Config{}))
		_, classifies := core.As[core.Classifier](h)
		_, idles := core.As[core.Idler](h)
		if classifies != test.classifies || idles != test.idles {
			t.Errorf("%s: Classifier %v, Idler %v", test.name, classifies, idles)
		}
	}
}

func TestClassifierAndIdler(t *testing.T) {
	engines(t, func(t *testing.T, c wasmhandler.Config) {
		m := load(t, "optional", c)
		h := forWorker(t, m)
		classifier, idler := h.(core.Classifier), h.(core.Idler)
		idled := func() byte { return ask(t, h, datagram("q"))[0] }

		if classifier.IsResponse(datagram("question")) || classifier.IsResponse(datagram("")) {
			t.Error("a question is taken for a response")
		}
		if !classifier.IsResponse(datagram("response")) {
			t.Error("a response is not known for one")
		}
		if got := ask(t, h, datagram("q")); binary.LittleEndian.Uint16(got[1:]) != 46056 {
			t.Errorf("is_response saw another meta block: % x", got)
		}
		idler.Idle()
		idler.Idle()
		if n := idled(); n != 2 {
			t.Errorf("idle was called %d times, not 2", n)
		}

		if !classifier.IsResponse(datagram("unknown")) {
			t.Error("what traps is not taken for a response")
		}
		if n := idled(); n != 0 {
			t.Errorf("the instance lives on after a trap in is_response: %d", n)
		}
		ask(t, h, datagram("tired"))
		idler.Idle() // traps
		idler.Idle() // there is nobody to call
		if n := idled(); n != 0 {
			t.Errorf("the instance lives on after a trap in idle: %d", n)
		}
		if s := m.Stats(); s.Faults[wasmhandler.CauseUnreachable] != 2 || renewed(s) != 2 {
			t.Errorf("%+v", s)
		}
		if !classifier.IsResponse(datagram(strings.Repeat("x", core.MaxPayload6+1))) {
			t.Error("what is no datagram is a question")
		}
	})
}

// TestNoAllocation is the rule of the reply path.
func TestNoAllocation(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	if !compilerHere() {
		t.Skip("wazero's interpreter allocates, and there is no compiler for this machine")
	}
	code := string(binary.LittleEndian.AppendUint32(nil, math.MaxUint32-4999)) // -5000
	for _, test := range []struct {
		name, sample string
		d            *core.Datagram
	}{
		{"reply", "length", datagram("The time is 2026-11-22 13:40:00.")},
		{"empty", "echo", datagram("")},
		{"large", "echo", datagram(strings.Repeat("x", core.MaxPayload4))},
		{"silence", "result", datagram("\xff\xff\xff\xff")},
		{"malformed", "result", datagram("\xfe\xff\xff\xff")},
		{"code", "result", datagram(code)},
		{"IPv6 zone", "echo", &core.Datagram{From: netip.MustParseAddrPort("[fe80::1%nosuch0]:1"), To: datagram("").To, Time: time.Now()}},
		{"WASI", "wasi", datagram("r")},
		{"log without a logger", "log", datagram("\x00\x00\x00\x00hello")},
	} {
		h := forWorker(t, load(t, test.sample, wasmhandler.Config{}))
		dst := room(core.MaxPayload6)
		if n := testing.AllocsPerRun(200, func() { h.Reply(dst, test.d) }); n != 0 {
			t.Errorf("%s: %v allocations a datagram", test.name, n)
		}
	}
	h := forWorker(t, load(t, "optional", wasmhandler.Config{}))
	question := datagram("question")
	if n := testing.AllocsPerRun(200, func() { h.(core.Classifier).IsResponse(question); h.(core.Idler).Idle() }); n != 0 {
		t.Errorf("is_response and idle: %v allocations", n)
	}
}
