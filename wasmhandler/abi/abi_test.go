package abi_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/wasmhandler/abi"
)

// The layout is a promise to guests in every language: these bytes must never change.
func TestMetaLayout(t *testing.T) {
	for _, tt := range []struct {
		name     string
		from, to string
		ns       int64
		zone     uint32
		want     string
	}{
		{
			name: "IPv4", from: "192.0.2.1:40000", to: "198.51.100.7:1060", ns: 0x0102030405060708,
			want: "\x40\x00" + "\x04" + "\x00" + "\x40\x9c" + "\x24\x04" +
				"\x08\x07\x06\x05\x04\x03\x02\x01" +
				"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc0\x00\x02\x01" +
				"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc6\x33\x64\x07" +
				"\x00\x00\x00\x00" + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
		},
		{
			name: "IPv6", from: "[fe80::1%eth0]:5353", to: "[2001:db8::2]:65535", ns: 1, zone: 0x01020304,
			want: "\x40\x00" + "\x06" + "\x00" + "\xe9\x14" + "\xff\xff" +
				"\x01\x00\x00\x00\x00\x00\x00\x00" +
				"\xfe\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" +
				"\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02" +
				"\x04\x03\x02\x01" + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
		},
	} {
		d := core.Datagram{
			From: netip.MustParseAddrPort(tt.from),
			To:   netip.MustParseAddrPort(tt.to),
			Time: time.Unix(0, tt.ns),
		}
		// What lay there before, for instance the last datagram's block, must not show through.
		got := bytes.Repeat([]byte{0xa5}, abi.MetaSize+1)
		abi.PutMeta(got, &d, tt.zone)
		if want := tt.want + "\xa5"; string(got) != want {
			t.Errorf("%s:\n got % x\nwant % x", tt.name, got, want)
		}
	}
}

// What a host writes, a guest reads.
func TestMetaRoundTrip(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	block := make([]byte, abi.MetaSize)
	var got core.Datagram // one for all, as guests do it
	for range 10_000 {
		want := core.Datagram{
			From: netip.AddrPortFrom(randomAddr(random), uint16(random.Uint32())),
			Time: time.Unix(0, random.Int64()).UTC(),
		}
		var zone uint32
		to := randomAddr(random)
		for to.Is4() != want.From.Addr().Is4() {
			to = randomAddr(random)
		}
		want.To = netip.AddrPortFrom(to, uint16(random.Uint32()))
		if want.From.Addr().Is6() && random.IntN(2) == 0 {
			zone = 1 + random.Uint32N(1<<32-2)
			addr := want.From.Addr().WithZone(strconv.FormatUint(uint64(zone), 10))
			want.From = netip.AddrPortFrom(addr, want.From.Port())
		}
		abi.PutMeta(block, &want, zone)
		abi.ReadMeta(block, &got)
		if got.From != want.From || got.To != want.To || got.Time != want.Time {
			t.Fatalf("got  %v %v %v\nwant %v %v %v", got.From, got.To, got.Time, want.From, want.To, want.Time)
		}
	}
}

func randomAddr(random *rand.Rand) netip.Addr {
	var a [16]byte
	binary.LittleEndian.PutUint64(a[:], random.Uint64())
	binary.LittleEndian.PutUint64(a[8:], random.Uint64())
	if random.IntN(2) == 0 {
		return netip.AddrFrom4([4]byte(a[:4]))
	}
	a[0] |= 1 // never an IPv4-mapped address
	return netip.AddrFrom16(a)
}

// A writer of many blocks writes what PutMeta does, whatever the datagrams have in common with those before.
func TestMetaWriter(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	addrs := []netip.Addr{
		{}, netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("::ffff:192.0.2.1"), netip.MustParseAddr("192.0.2.2"),
		netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("fe80::1%eth0"), netip.MustParseAddr("fe80::1%eth1"),
	}
	addr := func() netip.AddrPort {
		return netip.AddrPortFrom(addrs[random.IntN(len(addrs))], uint16(random.IntN(2)))
	}
	now := time.Now() // with a monotonic clock
	times := []time.Time{{}, time.Unix(0, 0), now, now.Round(0), now.UTC(), now.Add(1)}
	var w abi.MetaWriter
	for range 20_000 {
		d := core.Datagram{From: addr(), To: addr(), Time: times[random.IntN(len(times))]}
		zone := random.Uint32N(2)
		got, want := bytes.Repeat([]byte{0xa5}, abi.MetaSize), make([]byte, abi.MetaSize)
		abi.PutMeta(want, &d, zone)
		if ns := w.Put(got, &d, zone); ns != uint64(d.Time.UnixNano()) || !bytes.Equal(got, want) {
			t.Fatalf("%+v, zone %d, at %d:\n got % x\nwant % x", d, zone, ns, got, want)
		}
	}
}

// A reader of many blocks reads what ReadMeta does, whatever they have in common with those before, and whatever became
// of the datagram that it read into.
func TestMetaReader(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	addrs := []netip.Addr{
		netip.MustParseAddr("0.0.0.0"), netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"),
		netip.MustParseAddr("::"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("fe80::1"),
	}
	addr := func(half int) netip.AddrPort {
		return netip.AddrPortFrom(addrs[half*3+random.IntN(3)], uint16(random.IntN(2)))
	}
	var r abi.MetaReader
	var d core.Datagram // one for all, as guests do it
	block := make([]byte, abi.MetaSize)
	for range 20_000 {
		half := random.IntN(2)
		want := core.Datagram{From: addr(half), To: addr(half), Time: time.Unix(0, random.Int64N(2))}
		abi.PutMeta(block, &want, random.Uint32N(2)*uint32(half))
		abi.ReadMeta(block, &want)
		if random.IntN(8) == 0 {
			d = core.Datagram{}
		}
		if r.Read(block, &d); d.From != want.From || d.To != want.To || d.Time != want.Time {
			t.Fatalf("% x:\n got %v %v %v\nwant %v %v %v", block, d.From, d.To, d.Time, want.From, want.To, want.Time)
		}
	}
	// A block of zeros is none of ours, and is read all the same.
	d = core.Datagram{}
	if new(abi.MetaReader).Read(make([]byte, abi.MetaSize), &d); d.Time != time.Unix(0, 0).UTC() || d.To.Addr() != netip.IPv6Unspecified() {
		t.Errorf("zeros: to %v at %v", d.To, d.Time)
	}
}

// An IPv4 peer stays one, however the host's socket wrote its address.
func TestMetaUnmaps(t *testing.T) {
	d := core.Datagram{
		From: netip.MustParseAddrPort("[::ffff:192.0.2.1]:5"),
		To:   netip.MustParseAddrPort("[::ffff:192.0.2.2]:6"),
	}
	block := make([]byte, abi.MetaSize)
	abi.PutMeta(block, &d, 0)
	abi.ReadMeta(block, &d)
	if d.From.String() != "192.0.2.1:5" || d.To.String() != "192.0.2.2:6" {
		t.Errorf("from %v to %v", d.From, d.To)
	}
}

// ReadMeta reads nothing but its block and writes nothing but what it says.
func TestReadMetaKeepsData(t *testing.T) {
	d := core.Datagram{Data: []byte("abc")}
	abi.ReadMeta(make([]byte, abi.MetaSize), &d)
	if string(d.Data) != "abc" {
		t.Errorf("the data became %q", d.Data)
	}
}

func TestMetaDoesNotAllocate(t *testing.T) {
	d := core.Datagram{
		From: netip.MustParseAddrPort("192.0.2.1:40000"),
		To:   netip.MustParseAddrPort("192.0.2.2:1060"),
		Time: time.Unix(1, 2),
	}
	block := make([]byte, abi.MetaSize)
	n := testing.AllocsPerRun(100, func() {
		abi.PutMeta(block, &d, 0)
		abi.ReadMeta(block, &d)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A block that is too short is a mistake of the caller's, which must not go unnoticed.
func TestShortMetaPanics(t *testing.T) {
	short := make([]byte, abi.MetaSize-1)
	for name, f := range map[string]func(){
		"PutMeta":  func() { abi.PutMeta(short, &core.Datagram{}, 0) },
		"ReadMeta": func() { abi.ReadMeta(short, &core.Datagram{}) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		})
	}
}

// The names are what modules in the world export: these strings must never change.
func TestNames(t *testing.T) {
	for got, want := range map[string]string{
		abi.Memory:     "memory",
		abi.Window:     "retort_v1_window",
		abi.Reply:      "retort_v1_reply",
		abi.Configure:  "retort_v1_configure",
		abi.Idle:       "retort_v1_idle",
		abi.IsResponse: "retort_v1_is_response",
		abi.Initialize: "_initialize",
		abi.Start:      "_start",
		abi.Module:     "retort_v1",
		abi.Log:        "log",
		abi.WASI:       "wasi_snapshot_preview1",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
