package settings_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/retort-udp/retort/core/reply/internal/settings"
)

// seen is everything that keys can read.
type seen struct {
	number   int
	yes      bool
	wait     time.Duration
	prefixes []netip.Prefix
	text     string
	secret   []byte
	sections []string
	words    []string
}

func (s *seen) read(config string) error {
	return settings.Read([]byte(config), []settings.Key{
		{Name: "number", Set: func(v settings.Value) (err error) { s.number, err = v.Integer(-2, 15); return err }},
		{Name: "yes", Set: func(v settings.Value) (err error) { s.yes, err = v.Yes(); return err }},
		{Name: "wait", Set: func(v settings.Value) (err error) { s.wait, err = v.Duration(0, time.Hour); return err }},
		{Name: "prefix", Repeat: settings.Often, Set: func(v settings.Value) error {
			p, err := v.Prefix()
			s.prefixes = append(s.prefixes, p)
			return err
		}},
		{Name: "text", Set: func(v settings.Value) (err error) { s.text, err = v.Text(10); return err }},
		{Name: "secret", Set: func(v settings.Value) (err error) { s.secret, err = v.Hex(2, 4); return err }},
		{Name: "words", Set: func(v settings.Value) error { s.words = v.Words(); return nil }},
		{Name: "section", Repeat: settings.Section, Set: func(v settings.Value) error {
			s.sections = append(s.sections, string(v))
			return nil
		}},
	})
}

func TestRead(t *testing.T) {
	var s seen
	err := s.read("# comment\r\n\n  number -2\nyes yes\r\nwait\t 1m30s\nprefix 192.0.2.0/24\nprefix ::1\n" +
		"text \"a\\x00 #\" \nsecret 00fF\nwords  a\tb  c\nsection one\nnumber 15\nsection two\nnumber 3")
	if err != nil {
		t.Fatal(err)
	}
	prefixes := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("::1/128")}
	if s.number != 3 || !s.yes || s.wait != 90*time.Second || !slices.Equal(s.prefixes, prefixes) || s.text != "a\x00 #" ||
		string(s.secret) != "\x00\xff" || !slices.Equal(s.words, []string{"a", "b", "c"}) ||
		!slices.Equal(s.sections, []string{"one", "two"}) {
		t.Errorf("read %+v", s)
	}
	for _, plain := range []string{"", "\n", "#", "# number 77", " \t\r\n"} {
		if err := s.read(plain); err != nil {
			t.Errorf("%q: %v", plain, err)
		}
	}
	if err := s.read("text no \"quotes\""); err == nil || !strings.Contains(err.Error(), "11 bytes") {
		t.Errorf("text of 11 bytes: %v", err)
	}
}

func TestErrorsNameTheLine(t *testing.T) {
	for config, want := range map[string]string{
		"nmber 3":                        `line 1: no setting is called "nmber": there are number, yes, wait, prefix`,
		"\n# x\nnumber 16":               `line 3: number: "16" is not a whole number from -2 to 15`,
		"number":                         "line 1: number: a value is missing: a whole number from -2 to 15",
		"number 3 4":                     `line 1: number: "3 4" is not a whole number`,
		"number 3\nyes no\nnumber 3":     "line 3: number: it is given already in line 1",
		"section a\nnumber 3\nnumber 4":  "line 3: number: it is given already in line 2",
		"yes Yes":                        `line 1: yes: "Yes" is not yes or no`,
		"wait 5":                         `line 1: wait: "5" is not a time from 0s to 1h0m0s`,
		"wait 61m":                       `line 1: wait: "61m" is not a time`,
		"prefix 192.0.2.1/24":            "line 1: prefix: 192.0.2.1/24 has bits behind its prefix: is 192.0.2.0/24 meant?",
		"prefix example":                 `line 1: prefix: "example" is not an address`,
		"prefix ::ffff:192.0.2.1":        "is not an address",
		"prefix fe80::1%eth0":            "is not an address",
		"text \"open":                    "line 1: text: the text begins with a quotation mark",
		"text 12345678901":               "line 1: text: the text has 11 bytes: the most is 10",
		"secret abc":                     "line 1: secret: the bytes must be hexadecimal",
		"secret 00":                      "line 1: secret: 1 bytes are given: 2 to 4 are needed",
		"text a\x00b":                    "line 1: a control character stands at byte 7",
		"text \xff":                      "line 1: the line is not UTF-8",
		"\xff\xfe":                       "line 1: the line is not UTF-8",
		strings.Repeat("\n", 99) + "\"x": "line 100: no setting is called",
	} {
		var s seen
		err := s.read(config)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %s", config, err, want)
		}
		if e, ok := errors.AsType[*settings.Error](err); !ok || e.Line == 0 {
			t.Errorf("%q: %#v names no line", config, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add("number 1\nprefix ::/0\nsection x\ntext \"\\u00e9\"")
	f.Fuzz(func(t *testing.T, config string) {
		var s seen
		err := s.read(config)
		if err != nil && (!strings.HasPrefix(err.Error(), "line ") || strings.ContainsAny(err.Error(), "\n\r\x00\x1b")) {
			t.Errorf("%q: error %q", config, err)
		}
		if len(s.text) > 10 || len(s.secret) > 4 || s.number < -2 || s.number > 15 {
			t.Errorf("%q: read %+v", config, s)
		}
	})
}
