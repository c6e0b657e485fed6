package wasmhandler

import (
	"errors"
	"math/rand/v2"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/wasmhandler/abi"
)

// worker answers for one worker of a server: an instance, and what outlives it when it is replaced.
type worker struct {
	module   *Module
	instance *instance // nil: it could not be replaced yet
	random   *rand.ChaCha8
	retry    backoff
	zones    zones
	codes    codes
	closed   bool
}

func newWorker(m *Module, random *rand.ChaCha8) (*worker, error) {
	in, err := m.newInstance(random)
	if err != nil {
		return nil, err
	}
	return &worker{module: m, instance: in, random: random}, nil
}

// Reply asks the guest.
func (w *worker) Reply(dst []byte, d *core.Datagram) ([]byte, error) {
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
	room := min(cap(dst)-len(dst), core.MaxPayload6)
	in.stack = [5]uint64{in.requestPtr, uint64(len(d.Data)), in.replyPtr, uint64(room), in.metaPtr}
	if err := in.call(in.functions.reply); err != nil {
		return nil, w.fail(in.newFault(abi.Reply, err))
	}
	switch n := int32(in.stack[0]); {
	case n >= 0 && int(n) <= room:
		return append(dst, in.reply[:n]...), nil
	case n == abi.Silence:
		return nil, nil
	case n == abi.Malformed:
		return nil, core.ErrMalformed
	case n <= int32(core.MaxCode):
		return nil, w.codes.err(core.Code(n))
	case n > 0:
		return nil, w.fail(in.badResult(abi.Reply, CauseResult, "it returned %d bytes, and there was room for %d", n, room))
	default:
		return nil, w.fail(in.badResult(abi.Reply, CauseResult, "it returned %d, which means nothing yet", n))
	}
}

// isResponse asks the guest whether d is an answer. When the guest cannot tell, for a fault or because there is
// none to ask, d is taken for one: an answer to an answer is worse than silence.
func (w *worker) isResponse(d *core.Datagram) bool {
	in := w.instance
	if in == nil || in.broken {
		var err error
		if in, err = w.renew(d); err != nil {
			return true
		}
	}
	if len(d.Data) > len(in.request) {
		return true
	}
	in.put(d, w.zones.index(d.From.Addr(), d.Time))
	in.stack = [5]uint64{in.requestPtr, uint64(len(d.Data)), in.metaPtr}
	if err := in.call(in.functions.isResponse); err != nil {
		_ = w.fail(in.newFault(abi.IsResponse, err))
		return true
	}
	return uint32(in.stack[0]) != 0
}

// idle gives the guest a moment.
func (w *worker) idle() {
	in := w.instance
	if in == nil || in.broken {
		return
	}
	if err := in.call(in.functions.idle); err != nil {
		_ = w.fail(in.newFault(abi.Idle, err))
	}
}

// fail takes note of a fault; the instance is replaced before the next datagram.
func (w *worker) fail(f *Fault) error {
	w.instance.broken = true
	w.module.count(f, w.instance.clock)
	return f
}

// renew replaces a broken instance.
func (w *worker) renew(d *core.Datagram) (*instance, error) {
	if w.closed {
		return nil, w.module.config.errorf("%w", ErrClosed)
	}
	if err := w.retry.wait(d.Time); err != nil {
		return nil, err
	}
	old := w.instance
	w.instance = nil
	in, err := w.module.reset(old, w.random)
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
	return errors.Join(err, w.module.release())
}

// The optional interfaces are found by type assertion, so a guest without them must be of a type without them.
type (
	classifier struct{ w *worker }
	idler      struct{ w *worker }
)

// IsResponse implements core.Classifier.
func (c classifier) IsResponse(d *core.Datagram) bool { return c.w.isResponse(d) }

// Idle implements core.Idler.
func (i idler) Idle() { i.w.idle() }

// withOptions returns w with the methods of what its guest exports.
func (w *worker) withOptions() core.Handler {
	classifies, idles := w.instance.functions.isResponse != nil, w.instance.functions.idle != nil
	switch {
	case classifies && idles:
		return struct {
			*worker
			classifier
			idler
		}{w, classifier{w}, idler{w}}
	case classifies:
		return struct {
			*worker
			classifier
		}{w, classifier{w}}
	case idles:
		return struct {
			*worker
			idler
		}{w, idler{w}}
	}
	return w
}

// codes keeps the error values of the codes that a guest uses: making one of a core.Code costs an allocation.
type codes [64]struct {
	code core.Code
	err  error
}

func (c *codes) err(code core.Code) error {
	slot := &c[uint32(code)%uint32(len(c))]
	if slot.code != code {
		slot.code, slot.err = code, code
	}
	return slot.err
}
