package main

import (
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"unicode/utf8"
)

// newLog returns the logger of a server. A record is one line, which shows every text that is in it and nothing else:
// neither a guest nor a datagram can make it look like two, or have a terminal obey.
func newLog(out io.Writer, format string) *slog.Logger {
	if format == "json" {
		return slog.New(slog.NewJSONHandler(plainJSON{out}, nil))
	}
	return slog.New(slog.NewTextHandler(out, nil)) // which quotes what cannot be printed
}

// plainJSON writes JSON with escapes in the place of what cannot be printed. JSON needs that for the first 32
// characters only, and package json leaves it there; but terminals obey others, too, and some change the order of
// what is shown. None of them stands outside a string.
type plainJSON struct{ out io.Writer }

func (w plainJSON) Write(line []byte) (int, error) {
	for i := 0; i < len(line); {
		r, size := utf8.DecodeRune(line[i:])
		if r != '\n' && (!strconv.IsPrint(r) || r == utf8.RuneError && size == 1) {
			if _, err := w.out.Write(appendPlain(nil, line)); err != nil {
				return 0, err
			}
			return len(line), nil
		}
		i += size
	}
	return w.out.Write(line)
}

// appendPlain appends line with those escapes.
func appendPlain(dst, line []byte) []byte {
	for _, r := range string(line) {
		switch {
		case r == '\n' || strconv.IsPrint(r):
			dst = utf8.AppendRune(dst, r)
		case r > 0xffff: // as two, like all of JSON (RFC 8259, section 7)
			r -= 0x10000
			dst = fmt.Appendf(dst, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			dst = fmt.Appendf(dst, `\u%04x`, r)
		}
	}
	return dst
}
