package wasmhandler

import (
	"errors"
	"sync/atomic"

	"github.com/retort-udp/retort/core"
)

// gate stands before the guest of one worker and decides which datagrams it sees: those whose source is not
// silenced, while the handler is not paused.
type gate struct {
	handler
	module    *Module
	penalties penalties
}

// gateCounters are parts of Stats.
type gateCounters struct{ silenced, paused atomic.Uint64 }

func (m *Module) newGate(h handler, worker int) *gate {
	return &gate{handler: h, module: m, penalties: newPenalties(m.config.Seed, worker, m.config.FaultAllowance)}
}

// Reply asks the guest, if it may be asked.
func (g *gate) Reply(dst []byte, d *core.Datagram) ([]byte, error) {
	if g.penalties.silences(d.From, d.Time) {
		g.module.gates.silenced.Add(1)
		return nil, nil
	}
	if g.module.health.paused.Load() {
		return g.instead(dst, d, nil)
	}
	reply, err := g.handler.Reply(dst, d)
	if err == nil {
		return reply, nil
	}
	if _, ok := err.(*Fault); ok {
		g.faulted(d)
	} else if g.module.config.Fallback != nil && errors.Is(err, ErrNoInstance) {
		return g.instead(dst, d, err)
	}
	return reply, err
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

// FuelUsed implements FuelMeter.
func (g *gate) FuelUsed() uint64 {
	if meter, ok := g.handler.(FuelMeter); ok {
		return meter.FuelUsed()
	}
	return 0
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
	classifier struct {
		gate *gate
		of   *worker
	}
	idler struct {
		gate *gate
		of   *worker
	}
)

// IsResponse implements core.Classifier.
func (c classifier) IsResponse(d *core.Datagram) bool { return c.gate.isResponse(c.of, d) }

// Idle implements core.Idler.
func (i idler) Idle() {
	if !i.gate.module.health.paused.Load() {
		i.of.idle()
	}
}

// withOptions returns g with the methods of what its guest exports.
func (g *gate) withOptions() core.Handler {
	w, ok := g.handler.(*worker)
	if !ok {
		return g
	}
	c, i := classifier{g, w}, idler{g, w}
	classifies, idles := w.instance.functions.isResponse != nil, w.instance.functions.idle != nil
	switch {
	case classifies && idles:
		return struct {
			*gate
			classifier
			idler
		}{g, c, i}
	case classifies:
		return struct {
			*gate
			classifier
		}{g, c}
	case idles:
		return struct {
			*gate
			idler
		}{g, i}
	}
	return g
}
