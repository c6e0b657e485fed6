package wasmhandler

import (
	"errors"
	"sync/atomic"

	"github.com/retort-udp/retort/core"
)

// gate stands before the guest of one worker, or of one command, and decides which datagrams it sees: those whose
// source is not silenced, while the handler is not paused.
type gate struct {
	module    *Module
	penalties penalties
}

// gateCounters are parts of Stats.
type gateCounters struct{ silenced, paused atomic.Uint64 }

func newGate(m *Module, worker int) gate {
	return gate{module: m, penalties: newPenalties(m.config.Seed, worker, m.config.FaultAllowance)}
}

// open says that the guest sees every datagram, which is how it mostly is.
func (g *gate) open() bool { return !g.penalties.any() && !g.module.health.paused.Load() }

// turn is asked when the gate is not open. It tells whether d is turned away, and if so what its reply is.
func (g *gate) turn(dst []byte, d *core.Datagram) (reply []byte, err error, away bool) {
	if g.penalties.silences(d.From, d.Time) {
		g.module.gates.silenced.Add(1)
		return nil, nil, true
	}
	if g.module.health.paused.Load() {
		reply, err = g.instead(dst, d, nil)
		return reply, err, true
	}
	return nil, nil, false
}

// failed is told why there is no reply of the guest's to d, and returns what there is in its place.
func (g *gate) failed(dst []byte, d *core.Datagram, why error) ([]byte, error) {
	if _, ok := why.(*Fault); ok {
		g.faulted(d)
	} else if g.module.config.Fallback != nil && errors.Is(why, ErrNoInstance) {
		return g.instead(dst, d, why)
	}
	return nil, why
}

// faulted charges the source of d for a fault, and asks whether the handler is still fit to serve.
func (g *gate) faulted(d *core.Datagram) {
	g.penalties.charge(d.From, d.Time)
	g.module.health.doubt()
}

// instead answers in the place of the guest.
func (g *gate) instead(dst []byte, d *core.Datagram, why error) ([]byte, error) {
	g.module.gates.paused.Add(1)
	if f := g.module.config.Fallback; f != nil {
		return f.Reply(dst, d)
	}
	return nil, why
}

// isResponse asks the guest of a worker whether d is an answer. For a guest that may not be asked the fallback says
// so; a source that is silenced gets no reply anyway.
func (g *gate) isResponse(w *worker, d *core.Datagram) bool {
	if g.penalties.silences(d.From, d.Time) {
		return false
	}
	if g.module.health.paused.Load() {
		return g.fallbackIsResponse(d)
	}
	before := w.faults
	is := w.isResponse(d)
	if w.faults != before {
		g.faulted(d)
	}
	if w.instance == nil && g.module.config.Fallback != nil { // there was none to ask, nor will there be for the reply
		return g.fallbackIsResponse(d)
	}
	return is
}

func (g *gate) fallbackIsResponse(d *core.Datagram) bool {
	c, ok := core.As[core.Classifier](g.module.config.Fallback)
	return ok && c.IsResponse(d)
}

// The optional interfaces are found by type assertion, so a guest without them must be of a type without them.
type (
	classifier struct{ of *worker }
	idler      struct{ of *worker }
)

// IsResponse implements core.Classifier.
func (c classifier) IsResponse(d *core.Datagram) bool { return c.of.gate.isResponse(c.of, d) }

// Idle implements core.Idler.
func (i idler) Idle() {
	if !i.of.module.health.paused.Load() {
		i.of.idle()
	}
}

// withOptions returns h with the methods of what its guest exports.
func withOptions(h handler) core.Handler {
	w, ok := h.(*worker)
	if !ok {
		return h
	}
	c, i := classifier{w}, idler{w}
	classifies, idles := w.instance.functions.isResponse != nil, w.instance.functions.idle != nil
	switch {
	case classifies && idles:
		return struct {
			*worker
			classifier
			idler
		}{w, c, i}
	case classifies:
		return struct {
			*worker
			classifier
		}{w, c}
	case idles:
		return struct {
			*worker
			idler
		}{w, i}
	}
	return w
}
