package stun

import (
	"errors"
	"slices"
	"strings"

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
			next.Software, err = v.Text(MaxSoftware)
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
