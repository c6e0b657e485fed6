package dns

import (
	"strconv"
	"strings"
)

// parse reads a master file (RFC 1035, section 5), which may have several zones. Its error is an *Error.
func parse(text string) (*database, error) {
	p := &parser{db: &database{names: make(map[string]*name)}, wire: make([]byte, 0, 2*maxName)}
	l := newLexer(text)
	var e entry
	for {
		more, err := l.next(&e)
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
		p.line, p.tokens = e.line, e.tokens
		if err := p.entry(e.blank); err != nil {
			return nil, err
		}
	}
	p.line = l.line
	if err := p.endZone(); err != nil {
		return nil, err
	}
	if p.zone == nil {
		return nil, p.fail("there is no zone: a zone begins with its SOA record")
	}
	return p.db, nil
}

// parser reads one entry after the other.
type parser struct {
	db     *database
	line   int     // of the entry, or of the token that was taken last
	tokens []token // of the entry, those that have not been taken
	origin *name   // what names without a dot at their end are in; nil before $ORIGIN
	owner  *name   // of the record before; nil before the first
	zone   *zone   // that records belong to; nil before the first
	form   *form   // of the record

	wire  []byte // of the name that is being read
	bytes []byte // of the record

	ttl     uint32 // that of $TTL
	hasTTL  bool
	last    uint32 // the last that a record stated
	hasLast bool
}

func (p *parser) fail(text string) error { return &Error{p.line, text} }

// take returns the next token; what is the word for it if there is none.
func (p *parser) take(what string) (token, error) {
	if len(p.tokens) == 0 {
		return token{}, p.fail("the line ends where " + what + " should be")
	}
	t := p.tokens[0]
	p.line, p.tokens = t.line, p.tokens[1:]
	return t, nil
}

// end refuses what stands behind the last field.
func (p *parser) end() error {
	if len(p.tokens) == 0 {
		return nil
	}
	t, _ := p.take("")
	return p.fail(strconv.Quote(t.text) + " is too much: the entry should end before it")
}

// entry reads a directive or a record.
func (p *parser) entry(blank bool) error {
	if first := p.tokens[0]; !blank && !first.quoted && strings.HasPrefix(first.text, "$") {
		return p.directive()
	}
	if !blank {
		t, _ := p.take("")
		owner, err := p.name(t)
		if err != nil {
			return err
		}
		p.owner = owner
	}
	if p.owner == nil {
		return p.fail("the line begins with a blank, which stands for the name of the record above, and there is none")
	}
	return p.record()
}

func (p *parser) directive() (err error) {
	first, _ := p.take("")
	switch strings.ToUpper(first.text) {
	case "$ORIGIN":
		var t token
		if t, err = p.take("a name"); err == nil {
			p.origin, err = p.name(t)
		}
	case "$TTL":
		p.ttl, err = p.time()
		p.hasTTL = true
	case "$INCLUDE":
		return p.fail("$INCLUDE is refused: a handler reads no files, so put what that file has here")
	case "$GENERATE":
		return p.fail("$GENERATE is refused: it is not of RFC 1035, so write out the records that it stands for")
	default:
		return p.fail("there is no directive " + strconv.Quote(first.text) + ": there are $ORIGIN and $TTL; " +
			`a name that begins with a dollar is written as \$`)
	}
	if err != nil {
		return err
	}
	return p.end()
}

// record reads what stands behind the owner: TTL and class in either order, both optional, type and data.
func (p *parser) record() error {
	ttl, stated, err := p.ttlAndClass()
	if err != nil {
		return err
	}
	t, err := p.take("a type")
	if err != nil {
		return err
	}
	form, wrong := formOf(t.text)
	if wrong != "" {
		return p.fail(wrong)
	}
	p.form = form
	line := p.line
	r, err := p.data()
	if err != nil {
		return err
	}
	if p.line = line; form.rtype == typeSOA {
		if err := p.beginZone(); err != nil {
			return err
		}
	}
	if p.zone == nil {
		return p.fail("there is no zone yet: a zone begins with its SOA record")
	}
	if stated {
		p.last, p.hasLast = ttl, true
	} else {
		ttl = p.defaultTTL(&r)
	}
	if wrong := p.zone.add(p.owner, form, ttl, r); wrong != "" {
		return p.fail(wrong)
	}
	return nil
}

func (p *parser) ttlAndClass() (ttl uint32, stated bool, err error) {
	hasClass := false
	for len(p.tokens) > 0 {
		text := p.tokens[0].text
		class := strings.ToUpper(text)
		switch {
		case text != "" && isDigit(text[0]) && !stated:
			stated = true
			if ttl, err = p.time(); err != nil {
				return 0, false, err
			}
			continue
		case hasClass:
		case class == "IN" || class == "CLASS1":
			hasClass = true
			_, _ = p.take("")
			continue
		case class == "CH" || class == "HS" || class == "CS" || strings.HasPrefix(class, "CLASS"):
			_, _ = p.take("")
			return 0, false, p.fail("the class " + text + " is not served: there is only IN")
		}
		break
	}
	return ttl, stated, nil
}

// defaultTTL is that of $TTL, or else that of the record above (RFC 1035, section 5.1), or else what the SOA record
// has for a minimum, as it was before RFC 2308.
func (p *parser) defaultTTL(r *record) uint32 {
	switch {
	case p.hasTTL:
		return p.ttl
	case p.hasLast:
		return p.last
	case p.form.rtype == typeSOA:
		return r.minimum()
	}
	return p.zone.soa.records[0].minimum()
}

// minimum is the last field of a SOA record.
func (r *record) minimum() uint32 {
	t := r.tail[len(r.tail)-4:]
	return uint32(t[0])<<24 | uint32(t[1])<<16 | uint32(t[2])<<8 | uint32(t[3])
}

// beginZone makes the record's owner the apex of a zone, unless it is that of the zone at hand.
func (p *parser) beginZone() error {
	if p.zone != nil && p.zone.apex == p.owner {
		return nil
	}
	if err := p.endZone(); err != nil {
		return err
	}
	if other := p.owner.zone; other != nil {
		return p.fail("the zone " + p.owner.String() + " is there already: it begins in line " + strconv.Itoa(other.line))
	}
	p.zone = &zone{apex: p.owner, line: p.line}
	p.owner.zone = p.zone
	return nil
}

// endZone checks what cannot be said before the zone is complete.
func (p *parser) endZone() error {
	z := p.zone
	if z == nil {
		return nil
	}
	if z.apex.node(z).set(typeNS) == nil {
		return &Error{z.line, "the zone " + z.apex.String() + ", which begins here, has no NS record at its top " +
			"(RFC 1034, section 4.2.1)"}
	}
	z.negativeTTL = min(z.soa.ttl, z.soa.records[0].minimum()) // RFC 2308, section 5
	return nil
}
