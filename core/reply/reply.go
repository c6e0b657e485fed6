// Package reply has the handlers that are built in. Each is also a guest: the same type, compiled to
// WebAssembly, answers the same bytes.
package reply

import (
	"strconv"

	"github.com/retort-udp/retort/core"
)

// Length answers "Your data was N bytes long", N being the length of the request: at most 30 bytes.
type Length struct{}

// Reply implements core.Handler.
func (Length) Reply(dst []byte, d *core.Datagram) ([]byte, error) {
	dst = append(dst, "Your data was "...)
	dst = strconv.AppendInt(dst, int64(len(d.Data)), 10)
	return append(dst, " bytes long"...), nil
}

// Echo answers the request itself (RFC 862). Two of these answer each other for ever if nothing stops
// them.
type Echo struct{}

// Reply implements core.Handler.
func (Echo) Reply(dst []byte, d *core.Datagram) ([]byte, error) {
	return append(dst, d.Data...), nil
}

// Time answers "The time is 2026-11-22 13:40:00.123456": when the request arrived, in UTC, to the
// microsecond.
type Time struct{}

// Reply implements core.Handler.
func (Time) Reply(dst []byte, d *core.Datagram) ([]byte, error) {
	dst = append(dst, "The time is "...)
	return d.Time.UTC().AppendFormat(dst, "2006-01-02 15:04:05.000000"), nil
}

// Upper answers the request with its ASCII letters in upper case; other bytes are left alone.
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

// Fixed answers every request with the same Text, which may be empty.
type Fixed struct{ Text []byte }

// Reply implements core.Handler.
func (f Fixed) Reply(dst []byte, _ *core.Datagram) ([]byte, error) {
	return append(dst, f.Text...), nil
}

// Drop answers nothing.
type Drop struct{}

// Reply implements core.Handler.
func (Drop) Reply([]byte, *core.Datagram) ([]byte, error) { return nil, nil }
