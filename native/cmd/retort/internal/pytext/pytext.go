// Package pytext writes values as Python prints them, because what the command says on standard output is
// compared byte for byte with a Python program's. Its functions append, so that they need not allocate.
package pytext

import (
	"bytes"
	"net/netip"
	"strconv"
	"time"
)

// AppendQuoted appends the repr of text, a Python str with the characters of text: between single quotes,
// or between double quotes when text holds a single quote and no double one. Control characters and
// DEL are escaped. So are bytes above 0x7f, as \xNN, though ASCII text has none: the result is printable
// ASCII on one line, whatever a peer sent.
func AppendQuoted(dst, text []byte) []byte {
	quote := byte('\'')
	if bytes.IndexByte(text, '\'') >= 0 && bytes.IndexByte(text, '"') < 0 {
		quote = '"'
	}
	dst = append(dst, quote)
	plain := 0 // text[plain:i] is still to be copied, unchanged
	for i, c := range text {
		if ' ' <= c && c < 0x7f && c != quote && c != '\\' {
			continue
		}
		dst = append(dst, text[plain:i]...)
		dst = appendEscaped(dst, c)
		plain = i + 1
	}
	dst = append(dst, text[plain:]...)
	return append(dst, quote)
}

func appendEscaped(dst []byte, c byte) []byte {
	const hex = "0123456789abcdef"
	switch c {
	case '\\', '\'', '"':
		return append(dst, '\\', c)
	case '\t':
		return append(dst, `\t`...)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	}
	return append(dst, '\\', 'x', hex[c>>4], hex[c&0xf])
}

// AppendAddr appends addr as Python's socket module shows it: ('127.0.0.1', 1060) for IPv4, and for IPv6
// ('::1', 1060, 0, 0), where the third number is the flow label, which is always 0 here, and the fourth the
// scope id. The scope id stands in place of the address's zone; see [Scope].
func AppendAddr(dst []byte, addr netip.AddrPort, scope uint32) []byte {
	dst = append(dst, "('"...)
	dst = addr.Addr().WithZone("").AppendTo(dst)
	dst = append(dst, "', "...)
	dst = strconv.AppendUint(dst, uint64(addr.Port()), 10)
	if addr.Addr().Is6() {
		dst = append(dst, ", 0, "...)
		dst = strconv.AppendUint(dst, uint64(scope), 10)
	}
	return append(dst, ')')
}

// AppendTime appends the wall clock of t as Python prints a naive datetime: 2026-11-22 13:40:00.123456, without
// the fraction when its microseconds are zero.
func AppendTime(dst []byte, t time.Time) []byte {
	layout := "2006-01-02 15:04:05.000000"
	if t.Nanosecond() < 1000 {
		layout = time.DateTime
	}
	return t.AppendFormat(dst, layout)
}

// AppendSeconds appends d in seconds as Python prints a float: 0.1, 3.0. It is exact from 100 microseconds
// up; below that Python would choose an exponent.
func AppendSeconds(dst []byte, d time.Duration) []byte {
	start := len(dst)
	dst = strconv.AppendFloat(dst, d.Seconds(), 'f', -1, 64)
	if bytes.IndexByte(dst[start:], '.') < 0 {
		dst = append(dst, ".0"...)
	}
	return dst
}
