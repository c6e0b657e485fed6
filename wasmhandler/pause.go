package wasmhandler

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/wasmhandler/abi"
)

// What running a handler's own vectors may take. Each request has Config.Fuel besides.
const (
	selfTestTime  = 10 * time.Second // when the handler is loaded
	recheckTime   = time.Second      // later: what was not reached in this time counts as passed
	recheckEvery  = time.Second      // at least, from the end of one to the beginning of the next
	recheckAtMost = time.Minute      // between two while the handler is paused: the wait doubles up to this
)

// health knows whether a handler still passes its own vectors. They are run on an instance made for the purpose, by
// a goroutine beside the datagrams' way: when a guest has had a fault, and again and again while they fail. While
// they fail the handler is paused.
type health struct {
	paused   atomic.Bool
	doubts   chan struct{}      // holds one when there was a fault; nil: there are no vectors
	stop     context.CancelFunc // ends the goroutine
	stopped  chan struct{}      // closed when it has ended
	checks   atomic.Uint64
	failures atomic.Uint64
}

// doubt has the vectors run soon. It never blocks.
func (h *health) doubt() {
	select {
	case h.doubts <- struct{}{}:
	default: // there are none, or it is known already
	}
}

// start makes the goroutine, if there is anything to run.
func (h *health) start(m *Module) {
	if m.config.Vectors == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	h.doubts, h.stop, h.stopped = make(chan struct{}, 1), cancel, make(chan struct{})
	go func() {
		defer close(h.stopped)
		h.watch(ctx, m)
	}()
}

// end ends the goroutine. A vector that is being run is the last.
func (h *health) end() {
	if h.stop != nil {
		h.stop()
		<-h.stopped
	}
}

// watch runs the vectors after faults until ctx ends.
func (h *health) watch(ctx context.Context, m *Module) {
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-h.doubts:
		}
		for wait := recheckEvery; ; wait = min(2*wait, recheckAtMost) {
			err := h.check(ctx, m, n)
			if ctx.Err() != nil {
				return
			}
			h.note(m, err, wait)
			if !sleep(ctx, wait) {
				return
			}
			if err == nil {
				break
			}
			n++
		}
	}
}

// check runs the vectors once, for a limited time.
func (h *health) check(ctx context.Context, m *Module, n int) error {
	within, cancel := context.WithTimeout(ctx, recheckTime)
	defer cancel()
	err := m.tryVectors(within, n)
	h.checks.Add(1)
	if err != nil && within.Err() != nil {
		return nil // as far as it came, they passed
	}
	return err
}

// note pauses the handler or lets it go on, and tells the log when that changes.
func (h *health) note(m *Module, err error, wait time.Duration) {
	if err != nil {
		h.failures.Add(1)
	}
	if was := h.paused.Swap(err != nil); was == (err != nil) || m.config.Log == nil {
		return
	}
	if err != nil {
		m.config.Log.Log(background, slog.LevelError, "handler paused: it fails its own vectors",
			"handler", m.config.Name, "error", clean(err.Error()), "next", wait)
	} else {
		m.config.Log.Log(background, slog.LevelInfo, "handler goes on: it passes its own vectors again",
			"handler", m.config.Name)
	}
}

// sleep returns false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// selfTest runs the vectors of a handler that is being loaded, if there are any.
func (m *Module) selfTest(ctx context.Context) error {
	if m.config.Vectors == nil {
		return nil
	}
	within, cancel := context.WithTimeout(ctx, selfTestTime)
	defer cancel()
	err := m.tryVectors(within, 0)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return m.config.errorf("%w", ctx.Err())
	case within.Err() != nil:
		return m.config.errorf("its own vectors, %s, take longer than %s", clean(m.config.Vectors.Name), seconds(selfTestTime))
	}
	return m.config.errorf("it fails its own vectors: %w", &oneLine{err})
}

// oneLine shows an error in one harmless line.
type oneLine struct{ error }

func (e *oneLine) Error() string { return clean(e.error.Error()) }
func (e *oneLine) Unwrap() error { return e.error }

// tryVectors runs the vectors on a fresh instance, configured as they say and not as the operator says. N tells
// the times that this happens apart. It ends early when ctx does.
func (m *Module) tryVectors(ctx context.Context, n int) error {
	return m.config.Vectors.Run(&trial{module: m.twin(), ctx: ctx, n: n})
}

// twin returns a Module with the same code, that counts, logs and is configured for itself. It must not outlive m,
// and is not closed.
func (m *Module) twin() *Module {
	t := &Module{
		config: m.config, loaded: m.loaded, command: m.command, shape: m.shape, info: m.info,
		runtime: m.runtime, code: m.code, exports: m.exports, making: m.making,
		open: make(map[handler]struct{}),
	}
	t.config.Log, t.config.Fallback, t.config.FaultAllowance = nil, nil, -1
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.settings == nil {
		t.image = m.image // so that it is tested, too
	}
	return t
}

// trial is the handler that vectors are run on.
type trial struct {
	module *Module // a twin
	ctx    context.Context
	n      int
}

var (
	_ core.Configurer = (*trial)(nil)
	_ core.PerWorker  = (*trial)(nil)
)

// firstTrial is the number of the worker that the first trial has: no server has as many, so that random numbers
// are nobody else's.
const firstTrial = 1 << 30

// Configure implements core.Configurer.
func (t *trial) Configure(config []byte) error {
	if _, ok := t.module.exports[abi.Configure]; !ok || t.module.command {
		return core.ErrNoConfig
	}
	t.module.settings, t.module.image = config, nil
	return nil
}

// ForWorker implements core.PerWorker.
func (t *trial) ForWorker() (core.Handler, error) {
	t.module.mu.Lock()
	defer t.module.mu.Unlock()
	h, err := t.module.newHandler(firstTrial + t.n)
	if err != nil {
		return nil, err
	}
	return &trialWorker{h, t.ctx}, nil
}

// Reply is there because every handler has it; ForWorker is what is used.
func (t *trial) Reply([]byte, *core.Datagram) ([]byte, error) {
	return nil, errors.New("a trial has an instance of its own")
}

// trialWorker stops in the middle when its context ends.
type trialWorker struct {
	handler
	ctx context.Context
}

func (t *trialWorker) Reply(dst []byte, d *core.Datagram) ([]byte, error) {
	if err := t.ctx.Err(); err != nil {
		return nil, err
	}
	return t.handler.Reply(dst, d)
}
