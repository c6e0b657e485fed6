package vectors

import (
	"encoding/hex"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Error is what is wrong with a file of vectors, and where.
type Error struct {
	Name   string // the file, as given to Parse
	Line   int    // from 1
	Column int    // in bytes, from 1
	Reason string
}

// Error returns "NAME:LINE:COLUMN: REASON".
func (e *Error) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.Name, e.Line, e.Column, e.Reason)
}

// The characters that have an escape of their own, and its letters in the same order.
const (
	escaped       = "\\\"\n\r\t"
	escapeLetters = `\"nrt`
)

// plain says whether a character of that many bytes may stand in a string as it is.
func plain(r rune, size int) bool {
	invalid := r == utf8.RuneError && size == 1
	return !invalid && unicode.IsPrint(r) && r != '"' && r != '\\'
}

// token is a word, a string, or the end of a statement.
type token struct {
	kind         tokenKind
	text         string // a word as it stands there, or the bytes of a string
	line, column int
}

type tokenKind uint8

const (
	word tokenKind = iota
	quoted
	end // of a statement, or of the file
)

// String is how errors name the token.
func (t token) String() string {
	switch {
	case t.kind == quoted:
		return "a string"
	case t.kind == end:
		return "the end of the line"
	case len(t.text) > 40:
		return fmt.Sprintf("%.40q…", t.text)
	}
	return fmt.Sprintf("%q", t.text)
}

// lexer cuts a file into tokens.
type lexer struct {
	name  string
	rest  string // what is left of the line
	lines string // what is behind the line
	line  int    // its number
	width int    // its length in bytes

	indented bool // the line began with a blank
	fresh    bool // the line begins a statement, of which no token was read
}

// failf returns an error at the next byte.
func (l *lexer) failf(format string, args ...any) error {
	return l.failAt(token{line: l.line, column: l.column()}, format, args...)
}

// failAt returns an error at t.
func (l *lexer) failAt(t token, format string, args ...any) error {
	return &Error{l.name, t.line, t.column, fmt.Sprintf(format, args...)}
}

// column is where the next byte stands in its line, from 1.
func (l *lexer) column() int { return l.width - len(l.rest) + 1 }

const blanks = " \t"

// skip passes over blanks and a comment.
func (l *lexer) skip() {
	l.rest = strings.TrimLeft(l.rest, blanks)
	if strings.HasPrefix(l.rest, "#") {
		l.rest = ""
	}
}

// advance moves on to the next line that is neither empty nor a comment. It returns false when there is none.
func (l *lexer) advance() bool {
	for l.lines != "" {
		l.rest, l.lines, _ = strings.Cut(l.lines, "\n")
		l.rest = strings.TrimSuffix(l.rest, "\r")
		l.width = len(l.rest)
		l.line++
		l.indented = l.rest != "" && strings.Contains(blanks, l.rest[:1])
		if l.skip(); l.rest != "" {
			return true
		}
	}
	return false
}

// statement moves on to the next statement. It returns false when there is none.
func (l *lexer) statement() bool {
	if !l.fresh && !l.advance() {
		return false
	}
	l.fresh = false
	return true
}

// next returns the next token of the statement, and an end for ever when there is no more.
func (l *lexer) next() (token, error) {
	l.skip()
	t := token{kind: end, line: l.line, column: l.column()}
	if l.rest == "" {
		l.fresh = l.advance() && !l.indented
		if l.rest == "" {
			return t, nil
		}
	}
	if l.fresh {
		return t, nil
	}
	t = token{kind: word, line: l.line, column: l.column()}
	if l.rest[0] == '"' {
		var err error
		t.kind = quoted
		t.text, err = l.str()
		return t, err
	}
	n := strings.IndexAny(l.rest, blanks+"#\"")
	if n < 0 {
		n = len(l.rest)
	}
	t.text, l.rest = l.rest[:n], l.rest[n:]
	return t, l.apart()
}

// apart makes sure that the token before is followed by a blank, a comment or the end of its line.
func (l *lexer) apart() error {
	if l.rest == "" || strings.Contains(blanks+"#", l.rest[:1]) {
		return nil
	}
	return l.failf("a blank is missing here")
}

// str reads a string, which begins here.
func (l *lexer) str() (string, error) {
	var b strings.Builder
	l.rest = l.rest[1:]
	for {
		r, size := utf8.DecodeRuneInString(l.rest)
		switch {
		case l.rest == "":
			return "", l.failf(`the string does not end: '"' is missing`)
		case r == '"':
			l.rest = l.rest[1:]
			return b.String(), l.apart()
		case r == '\\':
			c, err := l.escape()
			if err != nil {
				return "", err
			}
			b.WriteByte(c)
			continue
		case !plain(r, size):
			return "", l.failf(`%q does not print: write it as an escape, \xNN for each byte`, l.rest[:size])
		}
		b.WriteString(l.rest[:size])
		l.rest = l.rest[size:]
	}
}

// escape reads an escape, which begins here.
func (l *lexer) escape() (byte, error) {
	if len(l.rest) < 2 {
		return 0, l.failf(`"\" wants a letter behind it`)
	}
	if l.rest[1] == 'x' {
		var c [1]byte
		if len(l.rest) < 4 {
			return 0, l.failf(`"\x" wants two hexadecimal digits`)
		}
		if _, err := hex.Decode(c[:], []byte(l.rest[2:4])); err != nil {
			return 0, l.failf(`"\x" wants two hexadecimal digits, not %q`, l.rest[2:4])
		}
		l.rest = l.rest[4:]
		return c[0], nil
	}
	i := strings.IndexByte(escapeLetters, l.rest[1])
	if i < 0 {
		return 0, l.failf(`%q is no escape: there are \\ \" \n \r \t \xNN`, l.rest[:2])
	}
	l.rest = l.rest[2:]
	return escaped[i], nil
}
