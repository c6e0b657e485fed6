package cookie

import (
	"errors"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/reply/internal/settings"
)

// Configure sets the fields of h from text with one setting a line; a line that begins with "#" is a comment:
//
//	secret   8f3c1e5b7a9d2f604c8b1a3e5d7f9021
//	previous 00112233445566778899aabbccddeeff
//	lifetime 5m
//	answer   "a text that is worth the trouble\n"
//
// A secret is 16 random bytes, as "openssl rand -hex 16" prints them. To change it, make the old one previous for as
// long as a cookie lives. A lifetime is in whole seconds, up to an hour. An answer that begins with a quotation mark is
// read as a Go string; it is the Inner, so a handler that has one takes none. An error names the line, or what is
// missing, and leaves h as it was.
func (h *Handler) Configure(config []byte) error {
	next := *h
	err := settings.Read(config, []settings.Key{
		{Name: "secret", Set: func(v settings.Value) error { return setKey(&next.Secret, v) }},
		{Name: "previous", Set: func(v settings.Value) error { return setKey(&next.Previous, v) }},
		{Name: "lifetime", Set: func(v settings.Value) (err error) {
			next.Lifetime, err = v.Duration(time.Second, MaxLifetime)
			if err == nil && next.Lifetime%time.Second != 0 {
				err = errors.New("cookies count in whole seconds")
			}
			return err
		}},
		{Name: "answer", Set: func(v settings.Value) error {
			if h.Inner != nil {
				return errors.New("the handler behind the challenge answers, and takes no text")
			}
			text, err := v.Text(core.MaxPayload4 - AnswerSize)
			next.Inner = fixed(text)
			return err
		}},
	})
	if err != nil {
		return err
	}
	if err := next.check(); err != nil {
		return err
	}
	*h = next
	return nil
}

func setKey(k *Key, v settings.Value) error {
	b, err := v.Hex(len(k), len(k))
	if err != nil {
		return err
	}
	if Key(b) == (Key{}) {
		return errors.New("zeros are no secret")
	}
	*k = Key(b)
	return nil
}
