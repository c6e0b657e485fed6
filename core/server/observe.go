package server

import (
	"errors"
	"strconv"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/guard"
)

// Observation is what became of one datagram. Nothing in it may be kept: it is used again for the next one.
type Observation struct {
	Datagram *core.Datagram // without its Data if its reply was withheld, and is released without another of the same peer
	Outcome  Outcome
	Verdict  guard.Verdict // of Refused: why
	Err      error         // of the handler: a Code, a malformed request, a fault; nil when it panicked
	Reply    []byte        // of Replied and Released: what is sent
}

// Outcome is the kind of an Observation.
type Outcome uint8

// The outcomes.
const (
	Replied   Outcome = iota // there is a reply
	Silent                   // the handler has none
	Refused                  // the guard allows none; the handler may have been asked already
	Malformed                // the request is not of the handler's protocol
	Coded                    // the handler returned a code of its own
	Fault                    // the handler failed
	Oversize                 // the reply fits no datagram
	Withheld                 // the guard keeps the reply, to see whether its peer goes on without; see Released
	Released                 // a reply to an earlier datagram of the same peer, which was withheld, goes out, late or with the next
)

// String returns the outcome as logs and captures have it: "replied".
func (o Outcome) String() string {
	names := [...]string{
		"replied", "silent", "refused", "malformed", "code", "fault", "oversize", "withheld", "released",
	}
	if int(o) < len(names) {
		return names[o]
	}
	return "outcome " + strconv.Itoa(int(o))
}

// observe tells who wants to know what became of the datagram at hand.
func (w *worker) observe(o Observation) {
	if w.server.Observe == nil {
		return
	}
	w.asking = false
	o.Datagram = &w.datagram
	w.observation = o
	w.server.Observe(&w.observation)
}

// observeError is observe for what the handler returned in the place of a reply.
func (w *worker) observeError(err error) {
	if w.server.Observe == nil {
		return
	}
	o := Observation{Outcome: Fault, Err: err}
	switch code := core.Code(0); {
	case errors.Is(err, core.ErrMalformed):
		o.Outcome = Malformed
	case errors.As(err, &code):
		o.Outcome = Coded
	}
	w.observe(o)
}
