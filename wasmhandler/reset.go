package wasmhandler

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/tetratelabs/wazero/api"
)

// Resetting puts an instance back to the state that it had before its first datagram: after a fault, when nobody knows
// what its memory holds, and after each call with IsolateDatagram. There are three ways, each slower than the one
// before:
//
//   - In place: the pages that were written become what they are in an image that every instance shares, and the
//     globals what they were. Microseconds.
//   - Another instance that begins with the image: when the memory grew, for it cannot shrink.
//   - Another instance that is started from the beginning.
//
// The last is the only way where the system has no memory that is shared until it is written (newMemoryImage says
// so), and for modules whose state is more than that: code that writes tables, drops segments, or sets globals that
// are vectors or references (meter.Info.Restorable). It leads to the same state as the others, since starting a
// guest always takes the same way: the clock stands still, and random numbers are those of the start.
//
// Some state is never the guest's: how much fuel it has is set before each call, and how large its engine's stack
// has grown it cannot see.

// image is what a guest holds when it waits for its first datagram.
type image struct {
	memory  *memoryImage
	size    int      // of the linear memory, in bytes
	globals []uint64 // as in instance.globals
	window  uint32
}

// firstInstance makes the instance of a worker. The first of all becomes the image of the others. It is called
// with m.mu held.
func (m *Module) firstInstance(first bool) (*instance, error) {
	if !first {
		return m.nextInstance()
	}
	old := m.image
	m.image = nil
	in, err := m.newInstance()
	if err != nil {
		m.image = old
		return nil, err
	}
	if old != nil {
		_ = old.memory.close() // what is mapped stays mapped
	}
	m.startFuel = in.used()
	m.image = m.takeImage(in)
	if m.image == nil || in.beginOn(m.image) == nil {
		return in, nil
	}
	// The system would rather not: instances are started from the beginning then, this one once more.
	_ = in.close()
	_ = m.image.memory.close()
	m.image = nil
	return m.newInstance()
}

// takeImage returns the image of an instance that has seen no datagram; nil if it would not do, or cannot be.
func (m *Module) takeImage(in *instance) *image {
	if m.config.withoutImage || !m.info.Restorable() || !in.bindGlobals() {
		return nil
	}
	size := in.memory.committed
	memory, err := newMemoryImage(withoutZeros(in.memory.reserved[:size]), !m.config.withoutPagemap)
	if err != nil {
		return nil // instances are started from the beginning then
	}
	i := &image{memory: memory, size: size, window: in.window}
	for _, g := range in.globals {
		i.globals = append(i.globals, g.Get())
	}
	return i
}

// withoutZeros cuts off the pages at the end that hold nothing but zeros.
func withoutZeros(memory []byte) []byte {
	for len(memory) > 0 {
		page := memory[max(0, len(memory)-pageSize):]
		if bytes.Count(page, []byte{0}) < len(page) {
			break
		}
		memory = memory[:len(memory)-len(page)]
	}
	return memory
}

// nextInstance makes an instance in the state that the first one was in.
func (m *Module) nextInstance() (*instance, error) {
	i := m.image
	switch {
	case i == nil:
		return m.newInstance()
	case m.shape.Start: // it runs whenever wazero makes an instance, and may do what is seen outside, such as logging
		return m.startOn(i)
	}
	in, err := m.instantiate()
	if err != nil {
		return nil, err
	}
	if err := in.become(i); err != nil {
		_ = in.close()
		return nil, m.config.errorf("copying the first instance: %w", err)
	}
	return in, nil
}

// startOn starts an instance from the beginning, and puts it on the image so that it can be reset in place.
func (m *Module) startOn(i *image) (*instance, error) {
	in, err := m.newInstance()
	if err != nil {
		return nil, err
	}
	if in.memory.committed != i.size || !in.bindGlobals() {
		return in, nil // it is as good, but will have to be replaced
	}
	if err := in.beginOn(i); err != nil {
		_ = in.close()
		return nil, m.config.errorf("copying the first instance: %w", err)
	}
	return in, nil
}

// become makes an instance that was not started one that was.
func (in *instance) become(i *image) error {
	if more := (i.size - in.memory.committed) / pageSize; more > 0 {
		if _, ok := in.guest.Memory().Grow(uint32(more)); !ok {
			return fmt.Errorf("allocating %d bytes of memory failed", i.size)
		}
	}
	if !in.bindGlobals() {
		return errors.New("its globals cannot be set")
	}
	if err := in.beginOn(i); err != nil {
		return err
	}
	in.divide(i.window, windowFor(in.module.settings))
	in.findFunctions()
	return nil
}

// bindGlobals finds the globals that a reset restores.
func (in *instance) bindGlobals() bool {
	in.globals = in.globals[:0]
	for _, g := range in.module.info.Globals {
		global, ok := in.guest.ExportedGlobal(g.Export).(api.MutableGlobal)
		if !ok {
			return false
		}
		in.globals = append(in.globals, global)
	}
	return true
}

// beginOn puts the image in place of what the memory and the globals hold. After an error the memory may be no
// memory any more: the instance can only be closed.
func (in *instance) beginOn(i *image) error {
	view, err := i.memory.mapOnto(in.memory.reserved[:i.size])
	if err != nil {
		return err
	}
	in.image, in.view = i, view
	in.restoreGlobals()
	return nil
}

// reset puts the instance back to the image in place. It returns false when that would not do.
func (in *instance) reset() bool {
	i := in.image
	if i == nil || in.memory.committed != i.size {
		return false
	}
	if err := in.view.restore(); err != nil {
		return false
	}
	in.restoreGlobals()
	in.counters.Reset() // a trap leaves frames that nobody counts off
	in.flush()          // a line without its end belongs to what was before
	in.broken = false
	return true
}

func (in *instance) restoreGlobals() {
	for n, g := range in.globals {
		g.Set(in.image.globals[n])
	}
}
