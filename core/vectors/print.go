package vectors

import (
	"encoding/hex"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// String returns f as text that Parse reads back to an equal File, but for the lines' numbers. Comments
// are gone, and each value is written in the shortest of its ways.
func (f *File) String() string {
	var b strings.Builder
	if f.Config != nil {
		b.WriteString("config " + f.Config.String() + "\n")
	}
	now := newState()
	for _, v := range f.Vectors {
		b.WriteString(now.moveTo(v))
		b.WriteString(v.Request.String() + " -> " + v.Want.String() + "\n")
	}
	return b.String()
}

// moveTo returns the directives that lead from s to what holds for v.
func (s *state) moveTo(v Vector) (directives string) {
	if s.from != v.From {
		s.from = v.From
		directives += "from " + v.From.String() + "\n"
	}
	if s.local() != v.To {
		s.to = v.To
		directives += "to " + v.To.String() + "\n"
	}
	if !s.time.Equal(v.Time) {
		s.time = v.Time
		directives += "time " + v.Time.UTC().Format(time.RFC3339Nano) + "\n"
	}
	if s.room() != v.Limit {
		s.limit = v.Limit
		directives += "limit " + strconv.Itoa(v.Limit) + "\n"
	}
	return directives
}

// String returns o as it is written in a vector.
func (o Outcome) String() string {
	switch o.Kind {
	case Silence:
		return "silence"
	case Malformed:
		return "malformed"
	case Oversize:
		return "oversize"
	case Code:
		return "code " + strconv.Itoa(int(o.Code))
	}
	return o.Reply.String()
}

// String returns p as it is written in a vector.
func (p Payload) String() string {
	if len(p) == 0 {
		return `""`
	}
	pieces := make([]string, len(p))
	for i, piece := range p {
		pieces[i] = literal(piece.Data)
		if piece.Times != 1 {
			pieces[i] += " * " + strconv.Itoa(piece.Times)
		}
	}
	return strings.Join(pieces, " ")
}

// literal writes data as a string or in hex, whichever is shorter.
func literal(data string) string {
	quoted := quote(data)
	if hexed := "0x" + hex.EncodeToString([]byte(data)); len(hexed) < len(quoted) {
		return hexed
	}
	return quoted
}

func quote(data string) string {
	b := []byte{'"'}
	for len(data) > 0 {
		r, size := utf8.DecodeRuneInString(data)
		char := data[:size]
		data = data[size:]
		switch {
		case strings.Contains(escaped, char):
			b = append(b, '\\', escapeLetters[strings.Index(escaped, char)])
		case plain(r, size):
			b = append(b, char...)
		default:
			for i := range len(char) {
				b = hex.AppendEncode(append(b, `\x`...), []byte{char[i]})
			}
		}
	}
	return string(append(b, '"'))
}
