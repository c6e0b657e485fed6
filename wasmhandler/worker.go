package wasmhandler

import (
	"bytes"
	"errors"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/wasmhandler/abi"
	"github.com/retort-udp/retort/wasmhandler/meter"

	"github.com/tetratelabs/wazero/api"
)

// worker answers for one worker of a server: an instance, and what outlives it when it is replaced.
type worker struct {
	gate               // and the module
	number   uint64    // of the worker, from 1
	asked    uint64    // datagrams that were to be answered so far
	instance *instance // nil: it could not be replaced yet
	fuel     tally
	spent    spending
	retry    backoff
	zones    zones
	faults   uint64 // so far
	closed   bool
}

func newWorker(m *Module, number int) (*worker, error) {
	in, err := m.firstInstance(number == 0)
	if err != nil {
		return nil, err
	}
	return &worker{gate: newGate(m, number), number: uint64(number) + 1, instance: in}, nil
}

// Reply asks the guest, if it may be asked.
func (w *worker) Reply(dst []byte, d *core.Datagram) ([]byte, error) {
	if !w.gate.open() {
		if reply, err, away := w.gate.turn(dst, d); away {
			return reply, err
		}
	}
	in, err := w.ready(d)
	if err != nil {
		return w.gate.failed(dst, d, err)
	}
	room := min(cap(dst)-len(dst), core.MaxPayload6)
	s := &in.stack // element by element: a literal would be made elsewhere and copied
	s[0], s[1], s[2] = in.requestPtr, uint64(len(d.Data)), in.replyPtr
	s[3], s[4], s[5] = uint64(room), in.metaPtr, in.fuel
	in.random.use(w.number, w.asked, drawInReply)
	w.asked++
	if err := w.ask(in.functions.reply, 1); err != nil {
		return w.gate.failed(dst, d, w.fail(in.newFault(abi.Reply, err)))
	}
	n := int32(s[0])
	if n >= 0 && int(n) <= room {
		dst = append(dst, in.reply[:n]...)
		w.clean()
		return dst, nil
	}
	err = w.noReply(n, room)
	w.clean()
	if err != nil {
		return w.gate.failed(dst, d, err)
	}
	return nil, nil
}

// noReply says what a result of n means that is no length of a reply: nil is silence.
func (w *worker) noReply(n int32, room int) error {
	switch {
	case n == abi.Silence:
		return nil
	case n == abi.Malformed:
		return core.ErrMalformed
	case n <= int32(core.MaxCode):
		return w.spent.codes.err(core.Code(n))
	case n > 0:
		return w.fail(w.instance.badResult(abi.Reply, CauseResult,
			"it returned %d bytes, and there was room for %d", n, room))
	}
	return w.fail(w.instance.badResult(abi.Reply, CauseResult, "it returned %d, which means nothing yet", n))
}

// isResponse asks the guest whether d is an answer. When the guest cannot tell, for a fault or because there is
// none to ask, d is taken for one: an answer to an answer is worse than silence.
func (w *worker) isResponse(d *core.Datagram) bool {
	in, err := w.ready(d)
	if err != nil {
		return true
	}
	s := &in.stack
	s[0], s[1], s[2], s[3] = in.requestPtr, uint64(len(d.Data)), in.metaPtr, in.fuel
	in.random.use(w.number, w.asked, drawInIsResponse)
	if err := w.ask(in.functions.isResponse, 1); err != nil {
		w.failUnheard(in.newFault(abi.IsResponse, err))
		return true
	}
	answer := uint32(in.stack[0]) != 0
	w.clean()
	return answer
}

// idle gives the guest a moment.
func (w *worker) idle() {
	in := w.instance
	if in == nil || in.broken {
		return
	}
	in.random.use(w.number, w.asked, drawInIdle)
	in.stack[0] = in.fuel
	if err := w.ask(in.functions.idle, 0); err != nil {
		w.failUnheard(in.newFault(abi.Idle, err))
		return
	}
	w.clean()
}

// ready returns an instance with d in its window.
func (w *worker) ready(d *core.Datagram) (*instance, error) {
	in := w.instance
	if in == nil || in.broken {
		var err error
		if in, err = w.renew(d); err != nil {
			return nil, err
		}
	}
	if len(d.Data) > len(in.request) {
		return nil, w.tooLong(d)
	}
	in.put(d, w.zones.index(d.From.Addr(), d.Time))
	return in, nil
}

// ask calls a function of the guest that has so many results of its own, and counts what that took.
func (w *worker) ask(f api.Function, results int) error {
	in := w.instance
	in.budget = uint64(w.module.config.Fuel)
	if err := in.call(f); err != nil {
		w.fuel.add(in.used(), in.clock, &w.spent.fuel)
		w.fuel.settle(in.clock, &w.spent.fuel) // it may be a great deal
		return err
	}
	w.fuel.add(in.budget-meter.Left(in.stack[results]), in.clock, &w.spent.fuel)
	return nil
}

// fail takes note of a fault; the instance is reset or replaced before the next datagram.
func (w *worker) fail(f *Fault) error {
	w.instance.broken = true
	w.faults++
	w.module.count(f)
	return f
}

// failUnheard is fail for a fault that no error tells anybody.
func (w *worker) failUnheard(f *Fault) {
	_ = w.fail(f)
	w.module.complain(f, w.instance.clock)
}

// clean lets nothing of a call stay, if so configured. What cannot be reset in place is replaced before the next
// datagram, as after a fault: then there is one that can be told when that fails.
func (w *worker) clean() {
	if w.module.config.Isolate == IsolateDatagram && !w.instance.broken {
		w.instance.broken = !w.reset()
	}
}

// reset puts the instance back to its first state, if that can be done in place.
func (w *worker) reset() bool {
	ok := w.instance.reset()
	if ok {
		add(&w.spent.resets, 1)
	}
	return ok
}

// renew makes good what a fault broke: in place, or with another instance.
func (w *worker) renew(d *core.Datagram) (*instance, error) {
	if w.closed {
		return nil, w.module.config.errorf("%w", ErrClosed)
	}
	if w.instance != nil && w.reset() {
		return w.instance, nil
	}
	if err := w.retry.wait(d.Time); err != nil {
		return nil, err
	}
	if w.instance != nil {
		_ = w.instance.close() // it is broken: what else it has to say does not matter
		w.instance = nil
	}
	in, err := w.module.nextInstance()
	if err != nil {
		w.module.counters.failures.Add(1)
		return nil, w.retry.failed(d.Time, err)
	}
	w.module.counters.restarts.Add(1)
	w.retry = backoff{}
	w.instance = in
	return in, nil
}

func (w *worker) tooLong(d *core.Datagram) error {
	return w.module.config.errorf("the request has %d bytes, more than a datagram can have", len(d.Data))
}

// Close ends the guest. The worker answers with ErrClosed afterwards.
func (w *worker) Close() error {
	if w.closed {
		return nil
	}
	w.closed = true
	var err error
	if w.instance != nil {
		err = w.instance.close()
		w.instance = nil
	}
	w.fuel.settle(0, &w.spent.fuel)
	return errors.Join(err, w.module.release(w))
}

// FuelUsed implements FuelMeter.
func (w *worker) FuelUsed() uint64 { return w.fuel.last }

// RequestIntact implements RequestKeeper. Of an instance that was reset since, nothing is known that would be wrong.
func (w *worker) RequestIntact(request []byte) bool {
	in := w.instance
	if in == nil || in.broken || w.module.config.Isolate == IsolateDatagram || len(request) > len(in.request) {
		return true
	}
	return bytes.Equal(in.request[:len(request)], request)
}

func (w *worker) spending() *spending { return &w.spent }
