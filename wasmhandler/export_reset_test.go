package wasmhandler

import "github.com/retort-udp/retort/core"

// WithoutImage returns c for instances that cannot be reset in place, as where the system has no way to it.
func WithoutImage(c Config) Config {
	c.withoutImage = true
	return c
}

// WithoutPagemap returns c for instances of which nobody knows which pages they wrote, as on an older Linux.
func WithoutPagemap(c Config) Config {
	c.withoutPagemap = true
	return c
}

// Reseed changes what the random numbers follow from of the instances that are made from now on.
func Reseed(m *Module, seed uint64) { m.config.Seed = seed }

// State is what a worker's guest holds: its memory, as it is and not copied, and its mutable globals' values.
func State(h core.Handler) (memory []byte, globals []uint64) {
	in := workerOf(h).instance
	if in == nil {
		return nil, nil
	}
	in.bindGlobals()
	for _, g := range in.globals {
		globals = append(globals, g.Get())
	}
	return in.memory.reserved[:in.memory.committed], globals
}

// Broken tells whether a worker's guest has to be replaced before the next datagram.
func Broken(h core.Handler) bool { return workerOf(h).instance.broken }

func workerOf(h core.Handler) *worker { return h.(interface{ self() *worker }).self() }

// self is found in whatever ForWorker returns.
func (w *worker) self() *worker { return w }
