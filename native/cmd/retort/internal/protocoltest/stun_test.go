package protocoltest

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/retort-udp/retort/core"
)

func TestDifferentialSTUN(t *testing.T) {
	differential(t, "stun", []byte("software differential test"), func(r *rand.Rand, d *core.Datagram) {
		d.Data = stunRequest(r)
		if r.IntN(4) == 0 { // broken somewhere
			d.Data[r.IntN(len(d.Data))] ^= 1 << r.IntN(8)
		}
	})
}

// stunRequest returns a message, mostly a Binding request, with up to six attributes and perhaps a fingerprint.
func stunRequest(r *rand.Rand) []byte {
	kinds := []uint16{1, 1, 1, 1, 1, 1, 0x11, 0x101, 0x111, 3}
	b := binary.BigEndian.AppendUint16(nil, kinds[r.IntN(len(kinds))])
	b = append(b, 0, 0)
	b = append(b, noise(r, 16)...)
	if r.IntN(4) > 0 {
		binary.BigEndian.PutUint32(b[4:], 0x2112a442)
	}
	attributes := []uint16{0x0003, 0x0006, 0x0008, 0x0014, 0x001c, 0x0020, 0x0024, 0x7fff, 0x8000, 0x8022, 0x8028}
	count := r.IntN(7)
	if r.IntN(50) == 0 {
		count = 60 + r.IntN(10) // about as many as there may be
	}
	for range count {
		size := r.IntN(24)
		b = binary.BigEndian.AppendUint16(b, attributes[r.IntN(len(attributes))])
		b = binary.BigEndian.AppendUint16(b, uint16(size))
		value := noise(r, (size+3)&^3)
		if r.IntN(4) == 0 {
			clear(value) // as in a CHANGE-REQUEST that asks for no change
		}
		b = append(b, value...)
	}
	if r.IntN(2) == 0 {
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)-20+8))
		sum := crc32.ChecksumIEEE(b) ^ 0x5354554e
		b = append(b, 0x80, 0x28, 0, 4)
		return binary.BigEndian.AppendUint32(b, sum)
	}
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)-20))
	return b
}

func TestVectorsSTUN(t *testing.T) { answersVectors(t, "stun") }

// stun is a client of RFC 3489, which prints the address that it was told.
func TestClientSTUN(t *testing.T) {
	stun := client(t, "stun", "stun-client")
	eachBuild(t, "stun", nil, func(t *testing.T, server netip.AddrPort) {
		out := run(t, stun, fmt.Sprintf("%v:%d", server.Addr(), server.Port()), "1", "-v")
		if !strings.Contains(out, "MappedAddress = 127.0.0.1:") {
			t.Errorf("stun was not told its address:\n%s", out)
		}
		// Its test 2 asks for an answer from another address, which is refused, in a form that it can read.
		out = run(t, stun, fmt.Sprintf("%v:%d", server.Addr(), server.Port()), "2", "-v")
		if !strings.Contains(out, "ErrorCode = 4 20 Unknown Attribute") || strings.Contains(out, "Unknown attribute:") {
			t.Errorf("stun does not read that it was refused:\n%s", out)
		}
	})
}
