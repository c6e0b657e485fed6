package dns

import (
	"cmp"
	"encoding/base64"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// The parameters of SVCB and HTTPS records that have a form of their own (RFC 9460, section 14.3.2; RFC 9461).
const (
	paramMandatory = 0
	paramALPN      = 1
	paramNoALPN    = 2
	paramPort      = 3
	paramIPv4      = 4
	paramECH       = 5
	paramIPv6      = 6
	paramDoHPath   = 7
	maxParam       = 65534 // 65535 is reserved
)

// paramNames are how they are called, by number.
var paramNames = [...]string{"mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint", "dohpath"}

// param is a parameter of a service.
type param struct {
	key   uint16
	value []byte
}

// params reads parameters up to the end of the record, as in alpn="h2,h3" port=8443 (RFC 9460, section 2.1).
func (d *dataReader) params() error {
	var all []param
	for len(d.tokens) > 0 {
		t, _ := d.take("")
		name, text, given := strings.Cut(t.text, "=")
		if given && text == "" && len(d.tokens) > 0 && d.tokens[0].quoted {
			value, _ := d.take("")
			text = value.text
		}
		key, ok := paramKey(name)
		if !ok || t.quoted {
			return d.fail("there is no parameter " + strconv.Quote(name) + ": there are " +
				strings.Join(paramNames[:], ", ") + " and, by number, key8 to key65534")
		}
		value, ok := unescapeAll(nil, text)
		if ok && name == paramNames[min(int(key), len(paramNames)-1)] {
			value, ok = packParam(key, value, given)
		}
		if !ok || len(value) > 65535 {
			return d.fail("the parameter " + name + " has no value that it may have: " + strconv.Quote(text))
		}
		all = append(all, param{key, value})
	}
	slices.SortStableFunc(all, func(a, b param) int { return cmp.Compare(a.key, b.key) })
	start := len(d.bytes)
	for _, p := range all {
		d.put(uint64(p.key), 2)
		d.put(uint64(len(p.value)), 2)
		d.bytes = append(d.bytes, p.value...)
	}
	if wrong := wrongParams(d.bytes[start:]); wrong != "" {
		return d.fail(wrong)
	}
	return nil
}

// paramKey is the number of a parameter that is given by its name, or as key123.
func paramKey(name string) (key uint16, ok bool) {
	if i := slices.Index(paramNames[:], name); i >= 0 {
		return uint16(i), true
	}
	digits, ok := strings.CutPrefix(name, "key")
	n, err := strconv.ParseUint(digits, 10, 16)
	return uint16(n), ok && err == nil && n <= maxParam && (digits[0] != '0' || digits == "0")
}

// packParam returns the value of a parameter that is called by its name as it is on the wire.
func packParam(key uint16, text []byte, given bool) (value []byte, ok bool) {
	switch key {
	case paramNoALPN:
		return nil, !given
	case paramDoHPath:
		return text, len(text) > 0
	case paramPort:
		n, err := strconv.ParseUint(string(text), 10, 16)
		return []byte{byte(n >> 8), byte(n)}, err == nil
	case paramECH:
		value, err := base64.StdEncoding.DecodeString(string(text))
		return value, err == nil && len(value) > 0
	}
	items, ok := commas(text)
	for _, item := range items {
		switch key {
		case paramMandatory:
			listed, known := paramKey(string(item))
			value, ok = append(value, byte(listed>>8), byte(listed)), ok && known
		case paramALPN:
			value, ok = append(append(value, byte(len(item))), item...), ok && len(item) <= 255
		case paramIPv4, paramIPv6:
			a, err := netip.ParseAddr(string(item))
			value = append(value, a.AsSlice()...)
			ok = ok && err == nil && a.Zone() == "" && a.Is4() == (key == paramIPv4)
		}
	}
	if key == paramMandatory && ok {
		value = sortWords(value)
	}
	return value, ok
}

// commas splits a list of values that are not empty; in them a comma stands behind a backslash, as does a backslash
// (RFC 9460, appendix A.1).
func commas(text []byte) (items [][]byte, ok bool) {
	item := []byte{}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == ',':
			items, item = append(items, item), []byte{}
			continue
		case c == '\\':
			if i++; i == len(text) || text[i] != ',' && text[i] != '\\' {
				return nil, false
			}
		}
		item = append(item, text[i])
	}
	items = append(items, item)
	return items, !slices.ContainsFunc(items, func(item []byte) bool { return len(item) == 0 })
}

// sortWords sorts numbers of two bytes each.
func sortWords(b []byte) (sorted []byte) {
	var words []uint16
	for ; len(b) > 0; b = b[2:] {
		words = append(words, word(b))
	}
	slices.Sort(words)
	for _, w := range words {
		sorted = append(sorted, byte(w>>8), byte(w))
	}
	return sorted
}

// wrongParams says what is wrong with parameters as they are on the wire, or "": each has its key, and those come in
// order, its length and its value (RFC 9460, sections 2.2, 7 and 8).
func wrongParams(b []byte) string {
	present := func(key uint16) bool {
		for rest := b; len(rest) >= 4; rest = rest[4+int(word(rest[2:])):] {
			if word(rest) == key {
				return true
			}
		}
		return false
	}
	last := -1
	var mandatory []byte
	for rest := b; len(rest) > 0; {
		if len(rest) < 4 || len(rest) < 4+int(word(rest[2:])) {
			return "a parameter ends early"
		}
		key, value := word(rest), rest[4:4+int(word(rest[2:]))]
		rest = rest[4+len(value):]
		name := "key" + strconv.Itoa(int(key))
		if int(key) < len(paramNames) {
			name = paramNames[key]
		}
		switch {
		case int(key) == last:
			return "the parameter " + name + " is given twice"
		case int(key) < last:
			return "the parameter " + name + " is not in the order of the numbers"
		case !validParam(key, value):
			return "the parameter " + name + " has no value that it may have"
		case key == paramMandatory:
			mandatory = value
		}
		last = int(key)
	}
	for ; len(mandatory) > 0; mandatory = mandatory[2:] {
		if !present(word(mandatory)) {
			return "a parameter is mandatory that is not given"
		}
	}
	if present(paramNoALPN) && !present(paramALPN) {
		return "the parameter no-default-alpn wants an alpn beside it"
	}
	return ""
}

// validParam says whether a value has the form that those of its key have on the wire.
func validParam(key uint16, value []byte) bool {
	switch key {
	case paramMandatory:
		last := paramMandatory // which is never listed itself
		for ; len(value) >= 2 && int(word(value)) > last; value = value[2:] {
			last = int(word(value))
		}
		return last > paramMandatory && len(value) == 0
	case paramALPN:
		return wireStrings(value) && !emptyString(value)
	case paramNoALPN:
		return len(value) == 0
	case paramPort:
		return len(value) == 2
	case paramIPv4:
		return len(value) > 0 && len(value)%4 == 0
	case paramIPv6:
		return len(value) > 0 && len(value)%16 == 0
	case paramECH, paramDoHPath:
		return len(value) > 0
	}
	return key <= maxParam
}

// emptyString says whether one of several character-strings is empty.
func emptyString(b []byte) bool {
	for ; len(b) > 0; b = b[1+int(b[0]):] {
		if b[0] == 0 {
			return true
		}
	}
	return false
}
