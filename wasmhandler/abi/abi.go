// Package abi has the names, numbers and layouts that a host and a WebAssembly guest agree on: the handler
// ABI, version 1. It is the one place where they are written down in Go; abi.md beside it is the same in
// prose, for guests in other languages.
//
// Every pointer is a 32-bit offset into the guest's own linear memory, and integers are little-endian.
package abi

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/retort-udp/retort/core"
)

// What a guest exports. The version is part of the name; a module may carry several.
const (
	Memory     = "memory"
	Window     = "retort_v1_window"      // (size i32) -> i32
	Reply      = "retort_v1_reply"       // (req, req_len, out, out_cap, meta i32) -> i32
	Configure  = "retort_v1_configure"   // (ptr, len i32) -> i32; optional
	Idle       = "retort_v1_idle"        // (); optional
	IsResponse = "retort_v1_is_response" // (req, req_len, meta i32) -> i32; optional
	Initialize = "_initialize"           // (); optional: WASI's name for a reactor's constructor
	Start      = "_start"                // (): a command handler, when there is no Reply
)

// What a guest may import: the module's name and the functions in it.
const (
	Module = "retort_v1"
	Log    = "log" // (level, ptr, len i32)
	WASI   = "wasi_snapshot_preview1"
)

// The results of retort_v1_reply that are no length.
const (
	Silence   = -1 // send nothing
	Malformed = -2 // the request is not of the protocol; send nothing, and count it apart
)

// The limits of the ABI.
const (
	WindowAlign = 16      // bytes; what the address of a window must be a multiple of
	MaxConfig   = 1 << 20 // bytes of configuration
	MaxLog      = 1 << 10 // bytes of one log line; longer ones are cut
)

// MetaSize is the size of the meta block in bytes, and the first number in it. Later versions only append.
const MetaSize = 64

// Where the fields of the meta block lie, in bytes from its start.
const (
	metaSize      = 0  // u16
	metaFamily    = 2  // u8: 4 or 6
	metaFlags     = 3  // u8: reserved, zero
	metaPeerPort  = 4  // u16
	metaLocalPort = 6  // u16
	metaTime      = 8  // u64: arrival, nanoseconds since the Unix epoch
	metaPeerAddr  = 16 // 16 bytes; IPv4 as IPv4-mapped IPv6
	metaLocalAddr = 32 // 16 bytes
	metaZone      = 48 // u32: IPv6 scope id, 0 if none
	metaReserved  = 52 // 12 bytes: zero
)

// PutMeta writes the meta block of d to b, which is at least MetaSize long. Zone is the scope id of the
// peer's address, 0 if it has none: a netip zone may be an interface's name, which only its host can
// turn into a number.
func PutMeta(b []byte, d *core.Datagram, zone uint32) { new(MetaWriter).Put(b, d, zone) }

// A MetaWriter writes meta blocks, sooner than PutMeta where datagrams follow each other that have a local address
// and an arrival in common, as those of one batch have. The zero MetaWriter is ready for use.
type MetaWriter struct {
	at time.Time      // of the datagram before
	to netip.AddrPort // of the datagram before

	first uint64 // the first eight bytes of its block, without what the peer has to say
	time  uint64
	local address
}

// Put writes the meta block of d to b, all of it, as PutMeta does. It returns the arrival that it wrote.
//
// It is on the way of every datagram. So what makes up eight bytes together is written together.
func (w *MetaWriter) Put(b []byte, d *core.Datagram, zone uint32) (timeNS uint64) {
	if d.Time != w.at || d.To != w.to || w.first == 0 {
		w.turn(d)
	}
	family, peer := uint64(4), address{}
	if from := d.From.Addr(); from.Is4() {
		peer = addressOf4(from)
	} else {
		family, peer = addressOf(from)
	}
	m, le := (*[MetaSize]byte)(b), binary.LittleEndian
	le.PutUint64(m[metaSize:], w.first|family<<(8*metaFamily)|uint64(d.From.Port())<<(8*metaPeerPort))
	le.PutUint64(m[metaTime:], w.time)
	le.PutUint64(m[metaPeerAddr:], peer.first)
	le.PutUint64(m[metaPeerAddr+8:], peer.second)
	le.PutUint64(m[metaLocalAddr:], w.local.first)
	le.PutUint64(m[metaLocalAddr+8:], w.local.second)
	le.PutUint32(m[metaZone:], zone)
	le.PutUint32(m[metaReserved:], 0)
	le.PutUint64(m[metaReserved+4:], 0)
	return w.time
}

// turn turns to the local address and the arrival of d.
func (w *MetaWriter) turn(d *core.Datagram) {
	w.at, w.time = d.Time, uint64(d.Time.UnixNano())
	w.to, w.first = d.To, MetaSize|uint64(d.To.Port())<<(8*metaLocalPort)
	_, w.local = addressOf(d.To.Addr())
}

// address is the two halves of an address, each as the number that it is in little-endian.
type address struct{ first, second uint64 }

// addressOf makes one, and tells its family.
func addressOf(a netip.Addr) (family uint64, of address) {
	if a = a.Unmap(); a.Is4() {
		return 4, addressOf4(a)
	}
	v6 := a.As16()
	return 6, address{binary.LittleEndian.Uint64(v6[:]), binary.LittleEndian.Uint64(v6[8:])}
}

// addressOf4 makes one of an IPv4 address. As16 would do for both families, but its result is written in halves and
// read as a whole at once, for which a processor has to wait.
func addressOf4(a netip.Addr) address {
	v4 := a.As4()
	return address{0, 0xffff<<16 | uint64(binary.LittleEndian.Uint32(v4[:]))<<32}
}
