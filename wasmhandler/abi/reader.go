package abi

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"time"

	"github.com/retort-udp/retort/core"
)

// ReadMeta fills d's addresses and time from the meta block in b, which is at least MetaSize long. A
// scope id becomes a zone in digits.
func ReadMeta(b []byte, d *core.Datagram) { new(MetaReader).Read(b, d) }

// A MetaReader reads meta blocks, sooner than ReadMeta where they have a local address or an arrival in common with
// the one before, as MetaWriter writes them. In a guest in Go, where a division or the call of a function takes as
// long as the whole of a reply in C, that is a tenth of a short reply. The zero MetaReader is ready for use.
type MetaReader struct {
	first    uint64    // the first eight bytes of the block before, without the peer's port; 0: there was none
	time     uint64    // of the block before
	at       time.Time // the same
	toFirst  uint64    // the local address of the block before
	toSecond uint64
	to       netip.AddrPort // the same, with its port
}

// peersOwn are the bits of the first eight bytes that are the peer's alone.
const peersOwn = 0xffff << (8 * metaPeerPort)

// Read does what ReadMeta does.
func (r *MetaReader) Read(b []byte, d *core.Datagram) {
	m, le := (*[MetaSize]byte)(b), binary.LittleEndian
	first, ns := le.Uint64(m[metaSize:]), le.Uint64(m[metaTime:])
	toFirst, toSecond := le.Uint64(m[metaLocalAddr:]), le.Uint64(m[metaLocalAddr+8:])
	if ns != r.time || r.first == 0 {
		r.time, r.at = ns, time.Unix(0, int64(ns)).UTC()
	}
	if first&^peersOwn != r.first || r.first == 0 || toFirst != r.toFirst || toSecond != r.toSecond {
		r.first, r.toFirst, r.toSecond = first&^peersOwn, toFirst, toSecond
		r.to = netip.AddrPortFrom(readAddr(m, metaLocalAddr), le.Uint16(m[metaLocalPort:]))
	}
	d.Time, d.To = r.at, r.to
	if port := uint16(first >> (8 * metaPeerPort)); m[metaFamily] == 4 { // as readAddr, which is a call
		d.From = netip.AddrPortFrom(netip.AddrFrom4([4]byte(m[metaPeerAddr+12:])), port)
	} else {
		from := readAddr(m, metaPeerAddr)
		if zone := le.Uint32(m[metaZone:]); zone != 0 {
			from = from.WithZone(strconv.FormatUint(uint64(zone), 10))
		}
		d.From = netip.AddrPortFrom(from, port)
	}
}

// readAddr reads the address at a place, of the block's family.
func readAddr(m *[MetaSize]byte, at int) netip.Addr {
	if m[metaFamily] == 4 {
		return netip.AddrFrom4([4]byte(m[at+12:]))
	}
	return netip.AddrFrom16([16]byte(m[at:]))
}
