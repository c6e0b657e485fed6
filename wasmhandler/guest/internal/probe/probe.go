// Package probe is a handler that does, on demand, whatever a handler may do. Tests run it natively and as a
// guest and compare the two.
package probe

import (
	"errors"
	"runtime"
	"strconv"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/reply"
)

// What the first byte of a request asks for; the built-in handlers are asked with the rest of it.
const (
	Length    = 'l' // reply.Length
	Echo      = 'e' // reply.Echo
	Time      = 't' // reply.Time
	Upper     = 'u' // reply.Upper
	Fixed     = 'f' // reply.Fixed
	Drop      = 'd' // reply.Drop
	Empty     = '0' // an empty reply
	Elsewhere = 'o' // a reply in memory of the handler's own
	Full      = 'r' // a reply that fills its room
	TooLong   = 'z' // a reply that is one byte longer than its room
	Malformed = 'm' // core.ErrMalformed, wrapped
	Code      = 'c' // core.Code, wrapped: -100 less the second byte
	Error     = 'x' // another error
	Panic     = 'p' // a panic
	State     = 's' // which call of Reply this is, how often Idle was called, the configuration
	Meta      = 'a' // addresses, time and room
	Mallocs   = 'g' // how many objects were allocated so far
	Response  = 'R' // what IsResponse says yes to; Reply answers "?", as to anything else
)

// Handler is the handler. Its workers share nothing.
type Handler struct {
	config []byte // as it was given, not copied
}

var (
	_ core.PerWorker  = (*Handler)(nil)
	_ core.Configurer = (*Handler)(nil)
	_ core.Classifier = (*worker)(nil)
	_ core.Idler      = (*worker)(nil)
)

// Configure refuses "code" with a core.Code and "error" with another error, and takes anything else.
func (h *Handler) Configure(config []byte) error {
	switch string(config) {
	case "code":
		return core.Code(-200)
	case "error":
		return errors.New("the probe takes no error")
	}
	h.config = config
	return nil
}

// ForWorker refuses after the configuration "no worker".
func (h *Handler) ForWorker() (core.Handler, error) {
	if string(h.config) == "no worker" {
		return nil, errors.New("the probe makes no worker")
	}
	return &worker{config: h.config}, nil
}

// Reply is for workers only.
func (h *Handler) Reply([]byte, *core.Datagram) ([]byte, error) {
	return nil, errors.New("the probe was asked itself, not its worker")
}

type worker struct {
	config []byte
	calls  int
	idles  int
	own    [4]byte
	memory runtime.MemStats
}

func (w *worker) Idle() { w.idles++ }

func (w *worker) IsResponse(d *core.Datagram) bool { return len(d.Data) > 0 && d.Data[0] == Response }

func (w *worker) Reply(dst []byte, d *core.Datagram) ([]byte, error) {
	w.calls++
	if len(d.Data) == 0 {
		return nil, nil
	}
	rest := *d
	rest.Data = d.Data[1:]
	switch d.Data[0] {
	case Length:
		return reply.Length{}.Reply(dst, &rest)
	case Echo:
		return reply.Echo{}.Reply(dst, &rest)
	case Time:
		return reply.Time{}.Reply(dst, &rest)
	case Upper:
		return reply.Upper{}.Reply(dst, &rest)
	case Fixed:
		return reply.Fixed{Text: w.config}.Reply(dst, &rest)
	case Drop:
		return reply.Drop{}.Reply(dst, &rest)
	case Empty:
		return dst, nil
	case Elsewhere:
		copy(w.own[:], "own!")
		return w.own[:], nil
	case Full:
		for len(dst) < cap(dst) {
			dst = append(dst, Full)
		}
		return dst, nil
	case TooLong:
		return make([]byte, cap(dst)+1), nil
	case Malformed:
		return nil, wrapped{core.ErrMalformed}
	case Code:
		code := core.MaxCode
		if len(rest.Data) > 0 {
			code -= core.Code(rest.Data[0])
		}
		return nil, wrapped{code}
	case Error:
		return nil, errors.New("the probe has no answer")
	case Panic:
		panic("the probe panics")
	case State:
		dst = strconv.AppendInt(dst, int64(w.calls), 10)
		dst = strconv.AppendInt(append(dst, ' '), int64(w.idles), 10)
		return append(append(dst, ' '), w.config...), nil
	case Meta:
		dst = append(d.From.AppendTo(dst), ' ')
		dst = append(d.To.AppendTo(dst), ' ')
		dst = strconv.AppendInt(dst, d.Time.UnixNano(), 10)
		return strconv.AppendInt(append(dst, ' '), int64(cap(dst)), 10), nil
	case Mallocs:
		runtime.ReadMemStats(&w.memory)
		return strconv.AppendUint(dst, w.memory.Mallocs, 10), nil
	}
	return append(dst, '?'), nil
}

// wrapped is an error around another.
type wrapped struct{ error }

func (w wrapped) Unwrap() error { return w.error }
