package dns

import (
	"strconv"
	"strings"
)

// Error is what is wrong with a zone file.
type Error struct {
	Line int    // from 1
	Text string // what is wrong there
}

// Error returns "zone file, line N: TEXT".
func (e *Error) Error() string { return "zone file, line " + strconv.Itoa(e.Line) + ": " + e.Text }

// token is a word or a string of a zone file, with its escapes as they are written.
type token struct {
	text   string
	quoted bool
	line   int
}

// entry is a line of a zone file, or several that parentheses join.
type entry struct {
	line   int
	blank  bool // it begins with a blank
	tokens []token
}

// lexer cuts a zone file into entries.
type lexer struct {
	rest string
	line int
}

func newLexer(text string) *lexer {
	const byteOrderMark = "\ufeff"
	if len(text) >= len(byteOrderMark) && text[:len(byteOrderMark)] == byteOrderMark {
		text = text[len(byteOrderMark):]
	}
	return &lexer{rest: text, line: 1}
}

// next reads the next entry that has tokens into e. It returns false at the end of the file.
func (l *lexer) next(e *entry) (bool, error) {
	for l.rest != "" {
		if err := l.entry(e); err != nil {
			return false, err
		}
		if len(e.tokens) > 0 {
			return true, nil
		}
	}
	return false, nil
}

// entry reads up to the end of a line that is in no parentheses.
func (l *lexer) entry(e *entry) error {
	e.line, e.tokens = l.line, e.tokens[:0]
	e.blank = l.rest[0] == ' ' || l.rest[0] == '\t'
	open, openLine := 0, 0
	for l.rest != "" {
		c := l.rest[0]
		switch c {
		case '\n':
			l.rest = l.rest[1:]
			l.line++
			if open == 0 {
				return nil
			}
			continue
		case ' ', '\t', '\r':
			l.rest = strings.TrimLeft(l.rest, " \t\r")
			continue
		case ';':
			l.comment()
			continue
		case '(':
			if open++; open == 1 {
				openLine = l.line
			}
		case ')':
			if open--; open < 0 {
				return &Error{l.line, "there is no opening parenthesis for this closing one"}
			}
		default:
			t, err := l.token()
			if err != nil {
				return err
			}
			if len(e.tokens) == 0 {
				e.line = t.line
			}
			e.tokens = append(e.tokens, t)
			continue
		}
		l.rest = l.rest[1:]
	}
	if open > 0 {
		return &Error{openLine, "the parenthesis that opens here is never closed"}
	}
	return nil
}

func (l *lexer) comment() {
	if end := strings.IndexByte(l.rest, '\n'); end >= 0 {
		l.rest = l.rest[end:]
	} else {
		l.rest = ""
	}
}

// token reads a string in quotes, or a word up to what ends one. A backslash takes the meaning from what follows.
func (l *lexer) token() (token, error) {
	t := token{line: l.line, quoted: l.rest[0] == '"'}
	start := 0
	if t.quoted {
		start = 1
	}
	for i := start; ; i++ {
		if i += ordinary(l.rest[i:]); i == len(l.rest) {
			break
		}
		switch c := l.rest[i]; {
		case c == '\n' && t.quoted:
			return t, &Error{l.line, "the quotes that open here are not closed before the line ends"}
		case c == '\\' && i+1 < len(l.rest) && l.rest[i+1] != '\n':
			i++
		case t.quoted && c == '"':
			t.text, l.rest = l.rest[start:i], l.rest[i+1:]
			return t, nil
		case !t.quoted && endsWord(c):
			t.text, l.rest = l.rest[:i], l.rest[i:]
			return t, nil
		}
	}
	if t.quoted {
		return t, &Error{l.line, "the quotes that open here are never closed"}
	}
	t.text, l.rest = l.rest, ""
	return t, nil
}

// ordinary returns how many bytes a text begins with that neither end a word or a string nor are escapes. Like the
// other loops over bytes it is a function of its own: a guest in Go pays, for each turn of a loop, for the whole
// function that the loop is in.
func ordinary(text string) (n int) {
	for n < len(text) && text[n] != '\\' && !endsWord(text[n]) {
		n++
	}
	return n
}

func endsWord(c byte) bool {
	switch c {
	case ' ', '\t', '\r', '\n', ';', '(', ')', '"':
		return true
	}
	return false
}

// unescape reads what a text begins with: \DDD, or \X (RFC 1035, section 5.1).
func unescape(text string) (c byte, rest string, ok bool) {
	switch text = text[1:]; {
	case text == "":
		return 0, "", false
	case !isDigit(text[0]):
		return text[0], text[1:], true
	case len(text) < 3 || !isDigit(text[1]) || !isDigit(text[2]):
		return 0, "", false
	}
	n := int(text[0]-'0')*100 + int(text[1]-'0')*10 + int(text[2]-'0')
	return byte(n), text[3:], n < 256
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
