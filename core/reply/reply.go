// Package reply has the handlers that are built in. Each is also a guest: the same type, compiled to
// WebAssembly, answers the same bytes.
//
// The comment of each says how much it amplifies: bytes on the wire that go out for each that came in, the
// headers of IP and UDP counted, at worst. That is with an empty request over IPv4, and off loopback a server's
// guard allows 3, unless its policy says otherwise.
package reply

import (
	"strconv"

	"github.com/retort-udp/retort/core"
)

// Length answers "Your data was N bytes long", N being the length of the request: at most 30 bytes.
// It amplifies by 1.93 at worst (54 bytes for 28), and no more once the request is as long as the reply.
type Length struct{}

// Reply implements core.Handler.
func (Length) Reply(dst []byte, d *core.Datagram) ([]byte, error) {
	dst = append(dst, "Your data was "...)
	dst = strconv.AppendInt(dst, int64(len(d.Data)), 10)
	return append(dst, " bytes long"...), nil
}

// Echo answers the request itself (RFC 862). Two of these answer each other for ever if nothing stops
// them. It amplifies nothing.
type Echo struct{}

// Reply implements core.Handler.
func (Echo) Reply(dst []byte, d *core.Datagram) ([]byte, error) {
	return append(dst, d.Data...), nil
}

// Time answers "The time is 2026-11-22 13:40:00.123456": when the request arrived, in UTC, to the
// microsecond. It amplifies by 2.36 at worst (66 bytes for 28).
type Time struct{}

// Reply implements core.Handler.
func (Time) Reply(dst []byte, d *core.Datagram) ([]byte, error) {
	dst = append(dst, "The time is "...)
	return d.Time.UTC().AppendFormat(dst, "2006-01-02 15:04:05.000000"), nil
}

// Upper answers the request with its ASCII letters in upper case; other bytes are left alone. It amplifies
// nothing.
type Upper struct{}

// Reply implements core.Handler.
func (Upper) Reply(dst []byte, d *core.Datagram) ([]byte, error) {
	dst = append(dst, d.Data...)
	for i, c := range dst {
		if 'a' <= c && c <= 'z' {
			dst[i] = c - 'a' + 'A'
		}
	}
	return dst, nil
}

// Fixed answers every request with the same Text, which may be empty. It amplifies by as much as the Text is
// longer than the request. With a factor of 3 an empty request over IPv4 is answered by a Text of up to 56
// bytes, or 96 over IPv6, and each byte of a request allows 3 more; a Text that is longer yet is not sent.
type Fixed struct{ Text []byte }

// Reply implements core.Handler.
func (f Fixed) Reply(dst []byte, _ *core.Datagram) ([]byte, error) {
	return append(dst, f.Text...), nil
}

// Drop answers nothing, and so it amplifies nothing.
type Drop struct{}

// Reply implements core.Handler.
func (Drop) Reply([]byte, *core.Datagram) ([]byte, error) { return nil, nil }
