// Package settings reads the configuration that handlers take: text with one setting a line, a key and behind a
// blank its value.
//
//	# A comment.
//	stratum 2
//	kiss    RATE 192.0.2.0/24
//
// Blank lines and lines that begin with "#" mean nothing. The form is strict: a key that is not known, a key that
// is given twice, a value that is not one of those allowed are errors, which name the line. It is linked into
// guests, so it does without package fmt.
package settings

import (
	"bytes"
	"encoding/hex"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Repeat says how often a key may stand in a configuration.
type Repeat uint8

const (
	Once    Repeat = iota // at most once in each section; what stands before the first is one too
	Often                 // any number of times
	Section               // any number of times, and each begins a section
)

// Key is one setting that may be given.
type Key struct {
	Name   string
	Repeat Repeat
	Set    func(v Value) error // its errors need not name the line or the key
}

// Error is what is wrong with one line.
type Error struct {
	Line int    // from 1
	Key  string // as it was given; empty when there is none
	Err  error
}

// Error returns "line N: KEY: what is wrong".
func (e *Error) Error() string {
	text := "line " + strconv.Itoa(e.Line) + ": "
	if e.Key != "" {
		text += e.Key + ": "
	}
	return text + e.Err.Error()
}

// Unwrap returns what Set returned.
func (e *Error) Unwrap() error { return e.Err }

// Read calls the Set of the key of each line of config, in order, and returns the first error, an *Error.
func Read(config []byte, keys []Key) error {
	given := make(map[string]int) // key to line, in this section
	number := 0
	for text := range bytes.Lines(config) {
		number++
		line := strings.TrimSpace(string(text))
		if line == "" || line[0] == '#' {
			continue
		}
		name, err := set(line, number, keys, given)
		if err != nil {
			return &Error{Line: number, Key: name, Err: err}
		}
	}
	return nil
}

// set takes one line, and returns the key when that is fit to be shown.
func set(line string, number int, keys []Key, given map[string]int) (name string, err error) {
	if i := strings.IndexFunc(line, func(r rune) bool { return unicode.IsControl(r) && r != '\t' }); i >= 0 {
		return "", errors.New("a control character stands at byte " + strconv.Itoa(i+1))
	}
	if !utf8.ValidString(line) {
		return "", errors.New("the line is not UTF-8")
	}
	name, value := line, ""
	if i := strings.IndexAny(line, " \t"); i >= 0 {
		name, value = line[:i], strings.TrimLeft(line[i:], " \t")
	}
	k := slices.IndexFunc(keys, func(k Key) bool { return k.Name == name })
	if k < 0 {
		return "", errors.New("no setting is called " + strconv.Quote(name) + ": there are " + names(keys))
	}
	if earlier := given[name]; keys[k].Repeat == Once && earlier != 0 {
		return name, errors.New("it is given already in line " + strconv.Itoa(earlier))
	}
	if keys[k].Repeat == Section {
		clear(given)
	}
	given[name] = number
	return name, keys[k].Set(Value(value))
}

func names(keys []Key) string {
	var all []string
	for _, k := range keys {
		all = append(all, k.Name)
	}
	return strings.Join(all, ", ")
}

// Value is what stands behind a key, without the blanks around it. Its methods read it as what it should be.
type Value string

// Integer reads a decimal number between low and high.
func (v Value) Integer(low, high int) (int, error) {
	n, err := strconv.Atoi(string(v))
	if err != nil || n < low || n > high {
		return 0, v.not("a whole number from " + strconv.Itoa(low) + " to " + strconv.Itoa(high))
	}
	return n, nil
}

// Yes reads "yes" or "no".
func (v Value) Yes() (bool, error) {
	switch v {
	case "yes":
		return true, nil
	case "no":
		return false, nil
	}
	return false, v.not("yes or no")
}

// Duration reads a time with its unit, as in "1m30s" or "0.5ms", between low and high.
func (v Value) Duration(low, high time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(string(v))
	if err != nil || d < low || d > high {
		return 0, v.not("a time from " + low.String() + " to " + high.String())
	}
	return d, nil
}

// Prefix reads addresses, as in "192.0.2.0/24" or "2001:db8::/32"; a single address is a prefix of all its bits.
func (v Value) Prefix() (netip.Prefix, error) {
	if a, err := netip.ParseAddr(string(v)); err == nil && a.Zone() == "" && !a.Is4In6() {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(string(v))
	switch {
	case err != nil || p.Addr().Is4In6():
		return netip.Prefix{}, v.not("an address, or addresses as in 192.0.2.0/24")
	case p.Masked() != p:
		return netip.Prefix{}, errors.New(string(v) + " has bits behind its prefix: is " + p.Masked().String() + " meant?")
	}
	return p, nil
}

// Text reads text of at most most bytes: as it stands, or, when it begins with a quotation mark, with the escapes
// of a Go string.
func (v Value) Text(most int) (string, error) {
	text := string(v)
	if strings.HasPrefix(text, `"`) {
		var err error
		if text, err = strconv.Unquote(text); err != nil {
			return "", errors.New("the text begins with a quotation mark, so it must be a string as in Go: " + string(v))
		}
	}
	if len(text) > most {
		return "", errors.New("the text has " + strconv.Itoa(len(text)) + " bytes: the most is " + strconv.Itoa(most))
	}
	return text, nil
}

// Hex reads between low and high bytes, two hexadecimal digits each.
func (v Value) Hex(low, high int) ([]byte, error) {
	b, err := hex.DecodeString(string(v))
	if err != nil {
		return nil, errors.New("the bytes must be hexadecimal, two digits each")
	}
	if len(b) < low || len(b) > high {
		want := strconv.Itoa(low)
		if high != low {
			want += " to " + strconv.Itoa(high)
		}
		return nil, errors.New(strconv.Itoa(len(b)) + " bytes are given: " + want + " are needed")
	}
	return b, nil
}

// Words splits the value at blanks.
func (v Value) Words() []string { return strings.Fields(string(v)) }

func (v Value) not(what string) error {
	if v == "" {
		return errors.New("a value is missing: " + what)
	}
	return errors.New(strconv.Quote(string(v)) + " is not " + what)
}
