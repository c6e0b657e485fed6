package ntp

import (
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/retort-udp/retort/core/reply/internal/settings"
)

// Configure sets the fields of h from text with one setting a line; "#" begins a comment:
//
//	leap       none           # or insert, delete, unsynchronized
//	stratum    2              # 1 to 15
//	reference  192.0.2.7      # the server that the clock follows; for stratum 1 the source, as in GPS
//	precision  -20            # power of two of seconds, -30 to -1
//	delay      12.5ms         # to the reference clock and back
//	dispersion 3ms            # the most that the clock is wrong by
//	symmetric  no             # leave symmetric peers unanswered
//	kiss       RATE 198.51.100.0/24
//	kiss       DENY 2001:db8::/32
//
// In the text itself a comment has a line of its own. Only kiss may be given more than once, up to MaxKisses
// times; its codes are RATE, DENY, RSTR and private ones, which begin with X. A reference in IPv6 is written as the 8
// hexadecimal digits that it is hashed to, behind 0x. An error names the line and leaves h as it was.
func (h *Handler) Configure(config []byte) error {
	next := *h
	next.Kisses = slices.Clone(h.Kisses)
	err := settings.Read(config, []settings.Key{
		{Name: "leap", Set: next.setLeap},
		{Name: "stratum", Set: func(v settings.Value) error {
			n, err := v.Integer(1, 15)
			next.Stratum = uint8(n)
			return err
		}},
		{Name: "reference", Set: next.setReference},
		{Name: "precision", Set: func(v settings.Value) error {
			n, err := v.Integer(-30, -1)
			next.Precision = int8(n)
			return err
		}},
		{Name: "delay", Set: func(v settings.Value) (err error) {
			next.RootDelay, err = v.Duration(0, 18*time.Hour)
			return err
		}},
		{Name: "dispersion", Set: func(v settings.Value) (err error) {
			next.RootDispersion, err = v.Duration(0, 18*time.Hour)
			return err
		}},
		{Name: "symmetric", Set: func(v settings.Value) error {
			yes, err := v.Yes()
			next.ClientsOnly = !yes
			return err
		}},
		{Name: "kiss", Repeat: settings.Often, Set: next.addKiss},
	})
	if err != nil {
		return err
	}
	*h = next
	return nil
}

func (h *Handler) setLeap(v settings.Value) error {
	leaps := []string{"none", "insert", "delete", "unsynchronized"} // as Leap has them
	i := slices.Index(leaps, string(v))
	if i < 0 {
		return errors.New("want one of " + strings.Join(leaps, ", "))
	}
	h.Leap = Leap(i)
	return nil
}

// setReference reads a reference id (RFC 5905, section 7.3): an IPv4 address, up to four characters that name a
// source, or any 32 bits.
func (h *Handler) setReference(v settings.Value) error {
	text := string(v)
	if digits, isHex := strings.CutPrefix(text, "0x"); isHex {
		b, err := settings.Value(digits).Hex(4, 4)
		if err == nil {
			h.Reference = [4]byte(b)
		}
		return err
	}
	if a, err := netip.ParseAddr(text); err == nil && a.Is4() {
		h.Reference = a.As4()
		return nil
	}
	if text == "" || len(text) > 4 || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New(strconv.Quote(text) + " is no IPv4 address, no name of up to four characters as in GPS, " +
			"and no eight digits behind 0x")
	}
	h.Reference = [4]byte{}
	copy(h.Reference[:], text)
	return nil
}

func (h *Handler) addKiss(v settings.Value) error {
	words := v.Words()
	if len(words) != 2 {
		return errors.New("want a code and a prefix, as in RATE 192.0.2.0/24")
	}
	code := words[0]
	if code != "RATE" && code != "DENY" && code != "RSTR" && !private(code) {
		return errors.New(strconv.Quote(code) + " is not RATE, DENY, RSTR or a private code of four letters as in XABC")
	}
	prefix, err := settings.Value(words[1]).Prefix()
	if err != nil {
		return err
	}
	if len(h.Kisses) == MaxKisses {
		return errors.New("there are " + strconv.Itoa(MaxKisses) + " already, which is the most")
	}
	h.Kisses = append(h.Kisses, Kiss{Code: [4]byte([]byte(code)), Prefix: prefix})
	return nil
}

// private says whether code is one of those left to private use: X and three upper-case letters or digits.
func private(code string) bool {
	return len(code) == 4 && code[0] == 'X' && !strings.ContainsFunc(code, func(r rune) bool {
		return (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	})
}
