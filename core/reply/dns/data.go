package dns

import (
	"net/netip"
	"strconv"
)

// maxTTL is 2^31-1 seconds (RFC 2181, section 8).
const maxTTL = 1<<31 - 1

// name reads a name, which is in the origin unless it ends in a dot (RFC 1035, section 5.1).
func (p *parser) name(t token) (*name, error) {
	p.line = t.line
	wrong := func(why string) (*name, error) {
		return nil, p.fail("the name " + strconv.Quote(t.text) + " " + why)
	}
	relative := func() (*name, error) {
		return wrong("is relative, and there is no $ORIGIN above it: begin with a line such as $ORIGIN example.com.")
	}
	switch {
	case t.text == "":
		return wrong("is empty")
	case t.text == "@" && !t.quoted:
		if p.origin == nil {
			return relative()
		}
		return p.origin, nil
	case t.text == ".":
		return p.db.intern(append(p.wire[:0], 0)), nil
	}
	wire, absolute, why := packName(p.wire[:0], t.text)
	switch {
	case why != "":
		return wrong(why)
	case absolute:
		return p.db.intern(append(wire, 0)), nil
	case p.origin == nil:
		return relative()
	}
	for n := p.origin; n.parent != nil; n = n.parent {
		wire = append(wire, n.label...)
	}
	if len(wire) >= maxName {
		return wrong("is too long: with its $ORIGIN it takes more than 255 bytes")
	}
	return p.db.intern(append(wire, 0)), nil
}

// packName appends the labels of a name to wire, which is empty, and says whether the root's ends the name. What is
// wrong with it is in words, or "".
func packName(wire []byte, text string) (labels []byte, absolute bool, wrong string) {
	for text != "" {
		length := len(wire)
		wire = append(wire, 0)
		for text != "" && text[0] != '.' {
			if text[0] == '\\' {
				c, rest, ok := unescape(text)
				if !ok {
					return nil, false, `has a broken escape: it is \DDD, of three digits up to 255, or \X`
				}
				wire, text = append(wire, c), rest
				continue
			}
			n := plain(text)
			if n == 0 {
				return nil, false, `has letters other than ASCII's: names have their xn-- form (RFC 5890), or \DDD`
			}
			wire, text = append(wire, text[:n]...), text[n:]
		}
		size := len(wire) - length - 1
		switch {
		case size == 0:
			return nil, false, "has an empty label"
		case size > maxLabel:
			return nil, false, "has a label of more than 63 bytes"
		case len(wire) >= maxName:
			return nil, false, "is too long: it takes more than 255 bytes"
		}
		wire[length] = byte(size)
		if text != "" {
			text = text[1:]
			absolute = text == ""
		}
	}
	return wire, absolute, ""
}

// plain returns how many bytes of ASCII a text has before a dot or an escape.
func plain(text string) (n int) {
	for n < len(text) && text[n] < 0x80 && text[n] != '.' && text[n] != '\\' {
		n++
	}
	return n
}

// time reads seconds, or numbers with units as in 1h30m.
func (p *parser) time() (uint32, error) {
	t, err := p.take("a time")
	if err != nil {
		return 0, err
	}
	seconds, ok := parseTime(t.text)
	if !ok {
		return 0, p.fail(strconv.Quote(t.text) + " is no time of at most 2147483647 seconds, such as 3600 or 1h30m")
	}
	return seconds, nil
}

func parseTime(text string) (seconds uint32, ok bool) {
	if n, err := strconv.ParseUint(text, 10, 32); err == nil {
		return uint32(n), n <= maxTTL
	}
	var total uint64
	for text != "" {
		digits := 0
		for digits < len(text) && isDigit(text[digits]) {
			digits++
		}
		n, err := strconv.ParseUint(text[:digits], 10, 32)
		if err != nil || digits == len(text) {
			return 0, false
		}
		switch text[digits] | 0x20 {
		case 's':
			total += n
		case 'm':
			total += n * 60
		case 'h':
			total += n * 60 * 60
		case 'd':
			total += n * 24 * 60 * 60
		case 'w':
			total += n * 7 * 24 * 60 * 60
		default:
			return 0, false
		}
		if total > maxTTL {
			return 0, false
		}
		text = text[digits+1:]
		ok = true
	}
	return uint32(total), ok
}

// data reads what stands behind the type of a record.
func (p *parser) data() (record, error) {
	d := dataReader{parser: p, bytes: p.bytes[:0]}
	defer func() { p.bytes = d.bytes }()
	fields := p.form.fields
	var err error
	if fields == "" || len(p.tokens) > 0 && p.tokens[0].text == `\#` && !p.tokens[0].quoted {
		fields, err = "", d.generic()
	}
	for i := 0; err == nil && i < len(fields); i++ {
		err = d.field(fields[i])
	}
	if err == nil {
		err = p.end()
	}
	if err != nil {
		return record{}, err
	}
	if d.named == 0 {
		return record{head: string(d.bytes)}, nil
	}
	return record{head: string(d.bytes[:d.split]), names: d.names, tail: string(d.bytes[d.split:])}, nil
}

// dataReader reads the fields of one record.
type dataReader struct {
	*parser
	bytes []byte
	split int // where the names stand between the bytes
	names [2]*name
	named int
}

// field reads a field, by the letter for its kind.
func (d *dataReader) field(kind byte) error {
	switch kind {
	case 'B':
		return d.number("a number up to 255", 1)
	case 'W':
		return d.number("a number up to 65535", 2)
	case 'L':
		return d.number("a number up to 4294967295", 4)
	case 'T': // a time, of 32 bits
		seconds, err := d.time()
		d.put(uint64(seconds), 4)
		return err
	case '4':
		return d.address("an IPv4 address", netip.Addr.Is4)
	case '6':
		return d.address("an IPv6 address", netip.Addr.Is6)
	case 'n':
		return d.domain()
	case 's':
		return d.characters()
	case 'S': // one or more of them
		err := d.characters()
		for err == nil && len(d.tokens) > 0 {
			err = d.characters()
		}
		return err
	case 't':
		return d.tag()
	case 'r': // bytes up to the end of the record
		return d.text("a text")
	case 'x': // bytes in hex up to the end of the record
		return d.hex("the bytes in hex")
	case 'p': // parameters of a service up to the end of the record
		return d.params()
	}
	panic("dns: a form has a field of an unknown kind")
}

// put appends a number, big end first.
func (d *dataReader) put(n uint64, bytes int) {
	for ; bytes > 0; bytes-- {
		d.bytes = append(d.bytes, byte(n>>(8*(bytes-1))))
	}
}

func (d *dataReader) number(what string, bytes int) error {
	t, err := d.take(what)
	if err != nil {
		return err
	}
	n, err := strconv.ParseUint(t.text, 10, 8*bytes)
	if err != nil {
		return d.fail(strconv.Quote(t.text) + " is not " + what)
	}
	d.put(n, bytes)
	return nil
}

func (d *dataReader) address(what string, is func(netip.Addr) bool) error {
	t, err := d.take(what)
	if err != nil {
		return err
	}
	a, err := netip.ParseAddr(t.text)
	if err != nil || !is(a) || a.Zone() != "" {
		return d.fail(strconv.Quote(t.text) + " is not " + what)
	}
	if a.Is4() {
		b := a.As4()
		d.bytes = append(d.bytes, b[:]...)
	} else {
		b := a.As16()
		d.bytes = append(d.bytes, b[:]...)
	}
	return nil
}

func (d *dataReader) domain() error {
	t, err := d.take("a name")
	if err != nil {
		return err
	}
	n, err := d.name(t)
	if err != nil {
		return err
	}
	d.split = len(d.bytes)
	d.names[d.named] = n
	d.named++
	return nil
}

// text appends a word or a string, its escapes resolved.
func (d *dataReader) text(what string) error {
	t, err := d.take(what)
	if err != nil {
		return err
	}
	b, ok := unescapeAll(d.bytes, t.text)
	if !ok {
		return d.fail(strconv.Quote(t.text) + ` has a broken escape: it is \DDD, of three digits up to 255, or \X`)
	}
	d.bytes = b
	return nil
}

// unescapeAll appends a text with its escapes resolved.
func unescapeAll(dst []byte, text string) (b []byte, ok bool) {
	for text != "" {
		c := text[0]
		if c == '\\' {
			if c, text, ok = unescape(text); !ok {
				return nil, false
			}
		} else {
			text = text[1:]
		}
		dst = append(dst, c)
	}
	return dst, true
}

// characters reads a character-string: a byte for the length, and that many bytes (RFC 1035, section 3.3).
func (d *dataReader) characters() error {
	start := len(d.bytes)
	d.bytes = append(d.bytes, 0)
	if err := d.text("a string"); err != nil {
		return err
	}
	length := len(d.bytes) - start - 1
	if length > 255 {
		return d.fail("a string has " + strconv.Itoa(length) + " bytes, and 255 are the most: cut it into several")
	}
	d.bytes[start] = byte(length)
	return nil
}

// tag reads the name of a property (RFC 8659, section 4.1).
func (d *dataReader) tag() error {
	t, err := d.take("a tag")
	if err != nil {
		return err
	}
	if !isTag([]byte(t.text)) {
		return d.fail("the tag " + strconv.Quote(t.text) + " has other than ASCII letters and digits")
	}
	if t.text == "" || len(t.text) > 255 {
		return d.fail("a tag has " + strconv.Itoa(len(t.text)) + " letters, and not 1 to 255")
	}
	d.bytes = append(append(d.bytes, byte(len(t.text))), t.text...)
	return nil
}

func isTag(text []byte) bool {
	for _, c := range text {
		if letter := c | 0x20; !isDigit(c) && (letter < 'a' || letter > 'z') {
			return false
		}
	}
	return true
}

// hex reads bytes in hex, which may be cut into words.
func (d *dataReader) hex(what string) error {
	for first := true; first || len(d.tokens) > 0; first = false {
		t, err := d.take(what)
		if err != nil {
			return err
		}
		for rest := t.text; rest != "" || t.text == ""; rest = rest[2:] {
			if len(rest) < 2 || !isHex(rest[0]) || !isHex(rest[1]) {
				return d.fail(strconv.Quote(t.text) + " is not bytes in hex, two digits for each")
			}
			d.bytes = append(d.bytes, nibble(rest[0])<<4|nibble(rest[1]))
		}
	}
	return nil
}

func isHex(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }

func nibble(c byte) byte {
	if isDigit(c) {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}
