package vectors

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/retort-udp/retort/core"
)

// Parse reads vectors. Name is what errors call the text, usually its file's name; what is wrong with the
// text is an *Error, about the first thing that is.
func Parse(name string, text []byte) (*File, error) {
	if len(text) > MaxFile {
		return nil, &Error{name, 1, 1, fmt.Sprintf("the file has %d bytes, more than the limit of %d", len(text), MaxFile)}
	}
	if err := checkUTF8(name, text); err != nil {
		return nil, err
	}
	p := &parser{
		lexer: &lexer{name: name, lines: string(text)},
		file:  &File{Name: name},
		state: newState(),
	}
	for p.lexer.statement() {
		if err := p.parse(); err != nil {
			return nil, err
		}
	}
	return p.file, nil
}

func checkUTF8(name string, text []byte) error {
	line := 0
	for l := range bytes.Lines(text) {
		line++
		for column := 0; column < len(l); {
			r, size := utf8.DecodeRune(l[column:])
			if r == utf8.RuneError && size == 1 {
				return &Error{name, line, column + 1, "the text is not UTF-8: write the byte as " + quote(string(l[column:column+1]))}
			}
			column += size
		}
	}
	return nil
}

// parser reads one statement after the other.
type parser struct {
	lexer *lexer
	tok   token // the one that comes next
	file  *File
	state *state
}

// advance makes the token after p.tok the next one.
func (p *parser) advance() (err error) {
	p.tok, err = p.lexer.next()
	return err
}

// failf returns an error at the next token.
func (p *parser) failf(format string, args ...any) error {
	return p.lexer.failAt(p.tok, format, args...)
}

// parse reads one statement, up to its end.
func (p *parser) parse() error {
	if p.lexer.indented {
		return p.lexer.failf("a line that begins with a blank continues a statement, and there is none above it")
	}
	if err := p.advance(); err != nil {
		return err
	}
	statement := p.vector
	if !p.tok.isBytes() {
		statement = p.directive
	}
	if err := statement(); err != nil {
		return err
	}
	if p.tok.kind != end {
		return p.failf("%v is too much: the line should end here; a statement begins without a blank", p.tok)
	}
	return nil
}

// vector reads a request, "->" and an outcome.
func (p *parser) vector() error {
	s := p.state
	start := p.tok
	v := Vector{Line: start.line, From: s.from, To: s.local(), Time: s.time, Limit: s.room()}
	most := core.MaxPayload(v.From.Addr())
	switch {
	case v.From.Addr().Is4() != v.To.Addr().Is4():
		return p.failf("the peer %v and the local address %v are of different families: give both, from and to", v.From, v.To)
	case v.Limit > most:
		return p.failf("the limit of %d bytes is more than the %d that UDP can carry to the peer %v", v.Limit, most, v.From)
	}
	var err error
	if v.Request, err = p.bytes("the request", most); err != nil {
		return err
	}
	if p.tok.kind != word || p.tok.text != "->" {
		return p.failf(`%v, where "->" and what must come of the request should be`, p.tok)
	}
	if err := p.advance(); err != nil {
		return err
	}
	if v.Want, err = p.outcome(v.Limit); err != nil {
		return err
	}
	p.file.Vectors = append(p.file.Vectors, v)
	return nil
}

// outcome reads what must come of a request whose reply may have limit bytes.
func (p *parser) outcome(limit int) (o Outcome, err error) {
	if p.tok.isBytes() {
		o.Reply, err = p.bytes("the reply", limit)
		return o, err
	}
	if p.tok.kind == word {
		switch p.tok.text {
		case "silence":
			return Outcome{Kind: Silence}, p.advance()
		case "malformed":
			return Outcome{Kind: Malformed}, p.advance()
		case "oversize":
			return Outcome{Kind: Oversize}, p.advance()
		case "code":
			if err := p.advance(); err != nil {
				return o, err
			}
			n, err := p.integer("a code", math.MinInt32, int(core.MaxCode))
			return Outcome{Kind: Code, Code: core.Code(n)}, err
		}
	}
	return o, p.failf("%v is no outcome: there are a reply, silence, malformed, oversize and code NUMBER", p.tok)
}

// directive reads a directive.
func (p *parser) directive() error {
	name := p.tok
	read := map[string]func() error{
		"config": p.config,
		"from":   func() error { return p.address(&p.state.from, true) },
		"to":     func() error { return p.address(&p.state.to, false) },
		"time":   p.time,
		"limit":  p.limit,
	}[name.text]
	if read == nil {
		return p.failf("%v begins no statement: there are requests, and config, from, to, time and limit", name)
	}
	if name.text == "config" && len(p.file.Vectors) > 0 {
		return p.failf("the configuration is the whole file's: it must stand before the first vector")
	}
	if name.text == "config" && p.file.Config != nil {
		return p.failf("there is a configuration already: a handler is configured once")
	}
	if err := p.advance(); err != nil {
		return err
	}
	return read()
}

func (p *parser) config() (err error) {
	p.file.Config, err = p.bytes("the configuration", MaxConfig)
	return err
}

func (p *parser) limit() (err error) {
	p.state.limit, err = p.integer("a limit", 0, core.MaxPayload6)
	return err
}

// address reads an address and port. Only a peer's may have a zone: the meta block of the handler ABI has
// a place for that one.
func (p *parser) address(into *netip.AddrPort, peer bool) error {
	a, err := netip.ParseAddrPort(p.tok.text)
	zone := a.Addr().Zone()
	switch {
	case p.tok.kind != word || err != nil:
		return p.failf("%v is no address and port, such as 192.0.2.1:5353 or [2001:db8::1]:5353", p.tok)
	case a.Addr().Is4In6():
		return p.failf("%v is an IPv4 address in IPv6's form: write it as IPv4", p.tok)
	case zone != "" && !peer:
		return p.failf("%v has a zone, which a local address does not have here", p.tok)
	case zone != "" && !isScope(zone):
		return p.failf("the zone %q is no number from 1 to %d", zone, uint32(math.MaxUint32))
	}
	*into = a
	return p.advance()
}

// isScope says whether zone is a scope id in the form that a guest sees.
func isScope(zone string) bool {
	n, err := strconv.ParseUint(zone, 10, 32)
	return err == nil && n > 0 && strconv.FormatUint(n, 10) == zone
}

func (p *parser) time() error {
	t, err := time.Parse(time.RFC3339Nano, p.tok.text)
	if p.tok.kind != word || err != nil {
		return p.failf("%v is no time, such as 2026-11-22T13:40:00.123456Z", p.tok)
	}
	if t.Before(time.Unix(0, 0)) || t.After(time.Unix(0, math.MaxInt64)) {
		return p.failf("%v is not between the years 1970 and 2262", p.tok)
	}
	p.state.time = t.UTC()
	return p.advance()
}

// integer reads a number of at least least and at most most.
func (p *parser) integer(what string, least, most int) (int, error) {
	n, err := strconv.Atoi(p.tok.text)
	if p.tok.kind != word || err != nil || n < least || n > most {
		return 0, p.failf("%v is not %s: a number from %d to %d", p.tok, what, least, most)
	}
	return n, p.advance()
}

// isBytes says whether the token is a piece of bytes.
func (t token) isBytes() bool {
	return t.kind == quoted || t.kind == word && strings.HasPrefix(t.text, "0x")
}

// bytes reads at least one piece; together they may have limit bytes.
func (p *parser) bytes(what string, limit int) (Payload, error) {
	var payload Payload
	left := limit
	for len(payload) == 0 || p.tok.isBytes() {
		start := p.tok
		piece, err := p.piece()
		if err != nil {
			return nil, err
		}
		if n := len(piece.Data); n > 0 && piece.Times > left/n {
			return nil, p.lexer.failAt(start, "%s has more bytes than the limit of %d", what, limit)
		}
		left -= len(piece.Data) * piece.Times
		payload = append(payload, piece)
	}
	return payload, nil
}

// piece reads a string or hex, and how often it is repeated.
func (p *parser) piece() (Piece, error) {
	piece := Piece{p.tok.text, 1}
	switch {
	case !p.tok.isBytes():
		return piece, p.failf(`%v, where bytes should be, such as "text" or 0x00ff`, p.tok)
	case p.tok.kind == word:
		data, err := parseHex(p.tok.text)
		if err != nil {
			return piece, p.failf("%v is no hex: %v", p.tok, err)
		}
		piece.Data = data
	}
	if err := p.advance(); err != nil {
		return piece, err
	}
	if p.tok.kind != word || p.tok.text != "*" {
		return piece, nil
	}
	if err := p.advance(); err != nil {
		return piece, err
	}
	var err error
	piece.Times, err = p.integer("how often", 1, MaxConfig)
	return piece, err
}

// parseHex reads "0x" and pairs of digits, between which "_" may stand.
func parseHex(text string) (string, error) {
	var b []byte
	rest := text[len("0x"):]
	for more := true; more; {
		pair := rest[:min(2, len(rest))]
		var err error
		if b, err = hex.AppendDecode(b, []byte(pair)); err != nil || pair == "" {
			return "", fmt.Errorf("a pair of hexadecimal digits should be where %q is", pair)
		}
		rest = rest[2:]
		more = rest != ""
		rest = strings.TrimPrefix(rest, "_")
	}
	return string(b), nil
}
