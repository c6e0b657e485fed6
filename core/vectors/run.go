package vectors

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/retort-udp/retort/core"
)

// Run has h answer the vectors, in order, and returns the first thing that is not as it must be. An h that
// is a core.PerWorker answers with one instance, made for this and closed afterwards. When the file has a
// configuration, h is configured with it first; as a handler is configured at most once, it must not have been
// before.
func (f *File) Run(h core.Handler) (err error) {
	if f.Config != nil {
		if err := core.Configure(h, f.Config.Bytes()); err != nil {
			return fmt.Errorf("%s: configuring the handler with %s: %w", f.Name, cut(f.Config.String()), err)
		}
	}
	if p, ok := h.(core.PerWorker); ok {
		if h, err = p.ForWorker(); err != nil {
			return fmt.Errorf("%s: making an instance of the handler: %w", f.Name, err)
		}
		if c, ok := h.(io.Closer); ok {
			defer func() { err = errors.Join(err, c.Close()) }()
		}
	}
	dst := make([]byte, 0, core.MaxPayload6)
	for _, v := range f.Vectors {
		if err := v.run(h, dst[:0:v.Limit]); err != nil {
			return fmt.Errorf("%s:%d: request %s: %w", f.Name, v.Line, describePayload(v.Request), err)
		}
	}
	return nil
}

// run has h answer v and says what is wrong with the answer.
func (v Vector) run(h core.Handler, dst []byte) error {
	request := v.Request.Bytes()
	d := core.Datagram{Data: bytes.Clone(request), From: v.From, To: v.To, Time: v.Time}
	reply, err := h.Reply(dst, &d)

	var code core.Code
	isCode := errors.As(err, &code)
	var met bool
	switch v.Want.Kind {
	case Reply:
		met = err == nil && reply != nil && v.Want.Reply.equal(reply)
	case Silence:
		met = err == nil && reply == nil
	case Malformed:
		met = errors.Is(err, core.ErrMalformed)
	case Oversize:
		met = err == nil && len(reply) > v.Limit
	case Code:
		met = isCode && code == v.Want.Code
	}
	switch {
	case !met && err != nil:
		return fmt.Errorf("want %s, got the error: %w", describe(v.Want), err)
	case !met:
		return fmt.Errorf("want %s, got %s%s", describe(v.Want), describe(got(reply, v.Limit)), difference(v.Want, reply))
	case !bytes.Equal(d.Data, request):
		return errors.New("the handler wrote into the request, which is read-only")
	}
	return nil
}

// got is the outcome that a reply without an error is.
func got(reply []byte, limit int) Outcome {
	switch {
	case reply == nil:
		return Outcome{Kind: Silence}
	case len(reply) > limit:
		return Outcome{Kind: Oversize}
	}
	return Outcome{Reply: Payload{{string(reply), 1}}}
}

// describe is how errors show an outcome.
func describe(o Outcome) string {
	if o.Kind == Reply {
		return "the reply " + describePayload(o.Reply)
	}
	return o.String()
}

// describePayload is how errors show bytes.
func describePayload(p Payload) string {
	unit := "bytes"
	if p.Len() == 1 {
		unit = "byte"
	}
	return fmt.Sprintf("%s (%d %s)", cut(p.String()), p.Len(), unit)
}

// difference says where two replies part.
func difference(want Outcome, reply []byte) string {
	if want.Kind != Reply || reply == nil {
		return ""
	}
	w := want.Reply.Bytes()
	at := 0
	for at < len(w) && at < len(reply) && w[at] == reply[at] {
		at++
	}
	return fmt.Sprintf(": they differ from byte %d on", at)
}

// cut keeps what an error quotes short.
func cut(text string) string {
	const most = 120 // bytes; text is printable, and cut between characters
	for i := range text {
		if i > most {
			return text[:i] + "…"
		}
	}
	return text
}
