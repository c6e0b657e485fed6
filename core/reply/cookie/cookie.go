// Package cookie answers only who has shown that a datagram reaches it: a stateless challenge before another handler.
// The source of a datagram can be forged, so whoever answers much to little is an amplifier against third parties.
// Games, and other protocols of one's own whose answers are long, put this before them. It is what DNS does with
// cookies (RFC 7873) and QUIC with Retry (RFC 9000, section 8.1), for protocols that have neither.
//
// # The protocol
//
// Every datagram begins with the bytes C0 0C 1E and one for its kind; numbers are big-endian.
//
//	question   C0 0C 1E 00  time (4)  tag (8)  payload   a client's; time and tag are zero at first
//	challenge  C0 0C 1E 01  time (4)  tag (8)            the reply when they are not right: 16 bytes
//	answer     C0 0C 1E 02  what the handler says        the reply when they are
//
// A client asks with a cookie of zeros, is sent a challenge, asks again with the time and tag of that, and keeps them
// for what it asks next. When it gets a challenge again, the cookie is too old: it asks again with the new one. A
// question is at least as long as a challenge, so nobody is ever sent more than what came in his name.
//
// The tag is SipHash-2-4 (Aumasson and Bernstein, 2012), as RFC 9018 has it for DNS cookies: a keyed hash, made for
// short input, of the time and the peer's address and port under a secret. The server keeps nothing for a client
// that it has not answered, and nothing for one that it has. Servers with one secret take each other's cookies.
//
// Whoever can read a client's datagrams can use its cookie while that lasts: this proves an address, not an identity,
// and hides nothing.
package cookie

import (
	"encoding/binary"
	"errors"
	"io"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/reply"
)

// The kinds of datagrams: the fourth byte.
const (
	question  = 0
	challenge = 1
	answer    = 2
)

// magic is the first three bytes and the kind, when that is added.
const magic = 0xc00c1e00

// Sizes in bytes.
const (
	HeaderSize = 16 // of a question, and the whole of a challenge
	AnswerSize = 4  // of the header of an answer
)

// The lifetime of cookies: short, because what proved an address once may belong to somebody else later.
const (
	DefaultLifetime = time.Minute
	MaxLifetime     = time.Hour
)

// early is how long before its time a cookie is taken: servers that share a secret do not agree to the second.
const early = 5 // seconds

// Key is a secret: 16 random bytes.
type Key [16]byte

// Handler challenges peers, and has Inner answer those that can show a cookie. What Inner is given as the datagram's
// data is the payload; Inner's silence and errors are those of the Handler.
//
// A challenge amplifies nothing: it has 16 bytes, and so has the shortest question. Only answers to peers with a cookie
// amplify, a little less than those of Inner would by themselves, and whoever gets those asked for them, so that an
// operator may raise the amplification that the server's guard allows: 3, unless its policy says otherwise.
//
// Fill in the fields, or have Configure do it, before ForWorker.
type Handler struct {
	Inner    core.Handler
	Secret   Key
	Previous Key           // a secret whose cookies are still taken, while the secret changes; zero: none
	Lifetime time.Duration // how long a cookie is taken, whole seconds; 0: DefaultLifetime
}

var (
	_ core.PerWorker  = (*Handler)(nil)
	_ core.Configurer = (*Handler)(nil)
	_ core.Classifier = (*Handler)(nil)
	_ core.Unwrapper  = (*Handler)(nil)
)

// ForWorker returns a Handler for one worker, with Inner's for it. It is an error when there is no secret or no Inner.
func (h *Handler) ForWorker() (core.Handler, error) {
	if err := h.check(); err != nil {
		return nil, err
	}
	w := h.worker()
	if p, ok := h.Inner.(core.PerWorker); ok {
		inner, err := p.ForWorker()
		if err != nil {
			return nil, err
		}
		w.inner = inner
		w.closer, _ = inner.(io.Closer)
	}
	return w, nil
}

// Reply answers one datagram without a worker, for which it makes a copy on the heap. Servers use ForWorker. Without a
// secret and an Inner it is an error.
func (h *Handler) Reply(dst []byte, d *core.Datagram) ([]byte, error) {
	if err := h.check(); err != nil {
		return nil, err
	}
	return h.worker().Reply(dst, d)
}

// IsResponse says whether d is a challenge or an answer.
func (h *Handler) IsResponse(d *core.Datagram) bool { return isResponse(d) }

// Unwrap returns Inner.
func (h *Handler) Unwrap() core.Handler { return h.Inner }

// check says what a handler lacks to answer.
func (h *Handler) check() error {
	switch {
	case h.Secret == Key{}:
		return errNoSecret
	case h.Inner == nil:
		return errNoAnswer
	}
	return nil
}

var (
	errNoSecret = errors.New(`the handler cookie has no secret: its configuration needs a line "secret", ` +
		"with 32 random hexadecimal digits")
	errNoAnswer = errors.New(`the handler cookie has nothing to answer: its configuration needs a line "answer"`)
)

func (h *Handler) worker() *worker {
	lifetime := h.Lifetime
	if lifetime == 0 {
		lifetime = DefaultLifetime
	}
	return &worker{
		inner:    h.Inner,
		secret:   newSipKey(h.Secret),
		previous: newSipKey(h.Previous),
		rotates:  h.Previous != Key{},
		lifetime: int32(min(max(lifetime, time.Second), MaxLifetime) / time.Second),
	}
}

// worker is the Handler of one worker. Its secrets are the same as all others'.
type worker struct {
	inner    core.Handler
	closer   io.Closer // inner's, when it was made for this worker; nil: none
	secret   sipKey
	previous sipKey
	rotates  bool // there is a previous secret
	lifetime int32
	datagram core.Datagram // that inner is given; one for all, so that none is allocated
}

var (
	_ core.Classifier = (*worker)(nil)
	_ core.Unwrapper  = (*worker)(nil)
)

func (w *worker) Reply(dst []byte, d *core.Datagram) ([]byte, error) {
	if len(d.Data) < AnswerSize {
		return nil, core.ErrMalformed
	}
	switch kind := binary.BigEndian.Uint32(d.Data); {
	case kind == magic|challenge || kind == magic|answer:
		return nil, nil
	case kind != magic|question || len(d.Data) < HeaderSize:
		return nil, core.ErrMalformed
	}
	if !w.takes(d) {
		made := uint32(d.Time.Unix())
		dst = binary.BigEndian.AppendUint32(dst, magic|challenge)
		dst = binary.BigEndian.AppendUint32(dst, made)
		return binary.BigEndian.AppendUint64(dst, w.secret.tag(made, d.From)), nil
	}
	return w.ask(dst, d)
}

// takes says whether the question's cookie is one of ours, for this peer, and not too old. The tags are compared as
// whole numbers, which takes the same time wherever they differ.
func (w *worker) takes(d *core.Datagram) bool {
	made := binary.BigEndian.Uint32(d.Data[4:])
	tag := binary.BigEndian.Uint64(d.Data[8:])
	age := int32(uint32(d.Time.Unix()) - made) // counted round the end of 32 bits, in 2106 (RFC 1982)
	if age < -early || age > w.lifetime {
		return false
	}
	return tag == w.secret.tag(made, d.From) || w.rotates && tag == w.previous.tag(made, d.From)
}

// ask has inner append its answer behind a header.
func (w *worker) ask(dst []byte, d *core.Datagram) ([]byte, error) {
	w.datagram = *d
	w.datagram.Data = d.Data[HeaderSize:]
	var room []byte // inner's; none when not even the header fits
	if cap(dst) > AnswerSize {
		room = dst[AnswerSize:AnswerSize]
	} else {
		room = []byte{}
	}
	said, err := w.inner.Reply(room, &w.datagram)
	w.datagram = core.Datagram{}
	if said == nil || err != nil {
		return nil, err
	}
	dst = binary.BigEndian.AppendUint32(dst, magic|answer)
	if n := AnswerSize + len(said); len(said) > 0 && n <= cap(dst) && &dst[:n][AnswerSize] == &said[0] {
		return dst[:n], nil // it is where it belongs
	}
	return append(dst, said...), nil
}

// IsResponse implements core.Classifier.
func (w *worker) IsResponse(d *core.Datagram) bool { return isResponse(d) }

// Unwrap lets core.As find what inner can do besides.
func (w *worker) Unwrap() core.Handler { return w.inner }

// Close closes inner when it was made for this worker.
func (w *worker) Close() error {
	if w.closer == nil {
		return nil
	}
	return w.closer.Close()
}

func isResponse(d *core.Datagram) bool {
	if len(d.Data) < AnswerSize {
		return false
	}
	kind := binary.BigEndian.Uint32(d.Data)
	return kind == magic|challenge || kind == magic|answer
}

// fixed is what answers when the configuration says the answer.
func fixed(text string) core.Handler { return reply.Fixed{Text: []byte(text)} }
