package dns

import "strconv"

// generic reads data in the form that fits every type, \# LENGTH HEX (RFC 3597, section 5). What has a form of its
// own may be written so, too, and is the same record then.
func (d *dataReader) generic() error {
	t, err := d.take(`\#`)
	if err != nil {
		return err
	}
	if t.text != `\#` || t.quoted {
		return d.fail("the type " + d.form.name + ` has no form of its own: its data begin with \#, the length and hex`)
	}
	if err := d.number("a length", 2); err != nil {
		return err
	}
	length := int(word(d.bytes))
	d.bytes = d.bytes[:0]
	if length > 0 {
		if err := d.hex("the bytes in hex"); err != nil {
			return err
		}
	}
	if len(d.bytes) != length {
		return d.fail("there are " + strconv.Itoa(len(d.bytes)) + " bytes, and the length says " + strconv.Itoa(length))
	}
	if d.form.fields != "" && !d.unpack(d.form.fields) {
		return d.fail("these bytes are no data of the type " + d.form.name)
	}
	return nil
}

// unpack divides data that are bytes as field would have: the names are taken out of them. It returns false when they
// are not what the fields, by the letters that field knows, take.
func (d *dataReader) unpack(fields string) bool {
	rest, kept := d.bytes, d.bytes[:0]
	for i := range len(fields) {
		size := -1
		switch kind := fields[i]; kind {
		case 'n':
			if size = wireName(rest); size < 0 {
				return false
			}
			d.split = len(kept)
			d.names[d.named] = d.db.intern(rest[:size])
			d.named++
			rest = rest[size:]
			continue
		case 'S':
			size = len(rest)
			if !wireStrings(rest) {
				return false
			}
		default:
			size = wireSize(kind, rest)
		}
		if size < 0 || size > len(rest) {
			return false
		}
		kept, rest = append(kept, rest[:size]...), rest[size:] // to the left, over what has been read
	}
	d.bytes = kept
	return len(rest) == 0
}

// wireSize is how many bytes a field takes that is neither a name nor several strings, -1 if it cannot be there.
func wireSize(kind byte, rest []byte) int {
	switch kind {
	case 'B':
		return 1
	case 'W':
		return 2
	case 'L', 'T', '4':
		return 4
	case '6':
		return 16
	case 's':
		if len(rest) > 0 {
			return 1 + int(rest[0])
		}
	case 't':
		if len(rest) > 0 && rest[0] > 0 && 1+int(rest[0]) <= len(rest) && isTag(rest[1:1+rest[0]]) {
			return 1 + int(rest[0])
		}
	case 'x':
		if len(rest) > 0 {
			return len(rest)
		}
	case 'p':
		if wrongParams(rest) == "" {
			return len(rest)
		}
	case 'r':
		return len(rest)
	}
	return -1
}

// wireName returns how long the name is that b begins with, which is not compressed (RFC 3597, section 4); -1 if there
// is none.
func wireName(b []byte) int {
	for at := 0; at < min(len(b), maxName); at += 1 + int(b[at]) {
		switch {
		case b[at] == 0:
			return at + 1
		case b[at] > maxLabel:
			return -1
		}
	}
	return -1
}

// wireStrings says whether b is one or more character-strings.
func wireStrings(b []byte) bool {
	for first := true; first || len(b) > 0; first = false {
		if len(b) == 0 || 1+int(b[0]) > len(b) {
			return false
		}
		b = b[1+int(b[0]):]
	}
	return true
}
