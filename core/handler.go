package core

import (
	"errors"
	"strconv"
)

// Handler answers datagrams.
type Handler interface {
	// Reply appends the reply to d onto dst (never nil, length 0) and returns the extended slice.
	// nil means silence; an empty slice that is not nil is an empty reply.
	//
	// cap(dst) is all that may be sent: a longer reply is dropped whole and counted as oversize,
	// never cut. An error costs this datagram only; nothing is sent for it.
	//
	// Reply is called concurrently unless the Handler is a PerWorker. It keeps neither dst nor d
	// nor anything that they point to.
	Reply(dst []byte, d *Datagram) ([]byte, error)
}

// HandlerFunc makes a function a Handler.
type HandlerFunc func(dst []byte, d *Datagram) ([]byte, error)

// Reply calls f.
func (f HandlerFunc) Reply(dst []byte, d *Datagram) ([]byte, error) { return f(dst, d) }

// The interfaces below are optional: a Handler that has them is found by [As].
type (
	// PerWorker is a Handler with state that workers must not share.
	PerWorker interface {
		// ForWorker returns a Handler for one worker, which calls it from one goroutine at a
		// time and closes it in the end when it is an io.Closer. It is called once a worker,
		// when a server starts.
		ForWorker() (Handler, error)
	}

	// Configurer is a Handler that takes the operator's configuration: any bytes, in a form that
	// the handler documents.
	Configurer interface {
		// Configure is called at most once, before the first Reply and before ForWorker.
		// An error refuses the configuration; the handler must not serve then.
		Configure(config []byte) error
	}

	// Classifier is a Handler that can tell an answer from a question of its protocol. A server
	// never answers an answer: that is how two servers keep each other busy for ever. In return it
	// leaves the end of loops to the Classifier, and withholds nothing from those that ask.
	//
	// So a Classifier must stay silent to what is not of its protocol: whatever bytes come that are
	// no question, its Reply returns nil or ErrMalformed and no message that says so. Some servers
	// answer everything, with text (RFC 862 to RFC 868), and would take an error for a question, also
	// where a protocol wants one, as CoAP its resets. And IsResponse is true for all that the Handler
	// itself, or another server of the protocol, answers.
	Classifier interface {
		IsResponse(d *Datagram) bool
	}

	// Idler is a Handler that wants a moment between batches when there is no rush, for instance
	// to collect garbage. It delays the datagrams behind it: a millisecond is long.
	Idler interface{ Idle() }

	// Unwrapper is a Handler around another, which As looks into. Handlers that decorate others
	// should be one, so that the optional interfaces of what they decorate stay visible. PerWorker
	// is not looked for: what decorates a PerWorker must be one itself.
	Unwrapper interface{ Unwrap() Handler }
)

// As returns h, or the first Handler below it by way of Unwrap, that has the interface T.
func As[T any](h Handler) (t T, ok bool) {
	for h != nil {
		if t, ok = h.(T); ok {
			return t, true
		}
		u, wraps := h.(Unwrapper)
		if !wraps {
			break
		}
		h = u.Unwrap()
	}
	return t, false
}

// ErrNoConfig is returned by Configure for a handler that takes no configuration.
var ErrNoConfig = errors.New("the handler takes no configuration")

// Configure hands config to h, or to the first Handler inside it that is a Configurer.
// It returns ErrNoConfig when there is none: an option that cannot be honoured is an error.
func Configure(h Handler, config []byte) error {
	c, ok := As[Configurer](h)
	if !ok {
		return ErrNoConfig
	}
	return c.Configure(config)
}

// ErrMalformed is returned by Reply when a request is not of the handler's protocol.
// The server stays silent and counts it apart from faults.
var ErrMalformed = errors.New("malformed request")

// Code is an error of a handler's own, by number: -100 or below. A server counts each Code apart.
type Code int32

// MaxCode is the largest Code; the numbers above it, to -1, belong to the handler ABI.
const MaxCode Code = -100

// Error returns "handler code N".
func (c Code) Error() string { return "handler code " + strconv.Itoa(int(c)) }
