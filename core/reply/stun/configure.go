package stun

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/retort-udp/retort/core/reply/internal/settings"
)

// Configure sets the fields of h from text with one setting a line; a line that begins with "#" is a comment:
//
//	software    Example 1.0   # for the SOFTWARE attribute
//	fingerprint always        # or asked, never
//	classic     no            # leave clients of RFC 3489 unanswered
//
// In the text itself a comment has a line of its own. An error names the line and leaves h as it was.
func (h *Handler) Configure(config []byte) error {
	next := *h
	err := settings.Read(config, []settings.Key{
		{Name: "software", Set: func(v settings.Value) (err error) {
			if next.Software, err = v.Text(MaxSoftware * utf8.UTFMax); err == nil {
				err = checkSoftware(next.Software)
			}
			return err
		}},
		{Name: "fingerprint", Set: func(v settings.Value) error {
			choices := []string{"asked", "always", "never"} // as Fingerprint has them
			i := slices.Index(choices, string(v))
			if i < 0 {
				return errors.New("want one of " + strings.Join(choices, ", "))
			}
			next.Fingerprint = Fingerprint(i)
			return nil
		}},
		{Name: "classic", Set: func(v settings.Value) error {
			yes, err := v.Yes()
			next.NoClassic = !yes
			return err
		}},
	})
	if err != nil {
		return err
	}
	*h = next
	return nil
}

// checkSoftware says what is wrong with a software name.
func checkSoftware(name string) error {
	switch n := utf8.RuneCountInString(name); {
	case !utf8.ValidString(name):
		return errors.New("the name is not UTF-8")
	case n > MaxSoftware:
		return errors.New("the name has " + strconv.Itoa(n) + " characters: the most is " + strconv.Itoa(MaxSoftware))
	}
	return nil
}
