package wasmhandler

import (
	"context"
	"fmt"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/wasmhandler/abi"
	"github.com/retort-udp/retort/wasmhandler/meter"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// Where things lie in the window, in bytes from its start. A request and a reply of the largest size there is
// fit beside each other. The configuration takes their place while retort_v1_configure runs: there is no
// datagram yet then.
const (
	metaAt     = 0
	requestAt  = abi.MetaSize
	replyAt    = requestAt + (core.MaxPayload6+15)/16*16 // aligned only because copying is faster then
	windowSize = replyAt + core.MaxPayload6
)

// instance is one guest: a memory and what was found in it. It serves one goroutine at a time.
type instance struct {
	module   *Module
	guest    api.Module
	memory   *linearMemory
	counters *meter.Counters     // its fuel and its stack
	globals  []api.MutableGlobal // those that a reset restores, in the order of meter.Info.Globals
	image    *image              // what it began as, so that it can be reset in place; nil: it cannot
	view     *memoryView         // of the image, in place of its memory
	broken   bool                // after a fault: what its memory holds is anybody's guess

	ctx     context.Context // of every call: a *callContext
	stack   [6]uint64       // arguments of a call, then its result
	budget  uint64          // fuel that it was given last
	fuel    uint64          // what a datagram gets, as the last argument of the functions below
	clock   uint64          // nanoseconds since the Unix epoch: the datagram's arrival, or when the module was loaded
	random  random
	stdin   []byte // of a command: what it has not read of the request
	stdout  []byte // of a command: its reply so far
	room    int    // of a command: bytes that a reply may have
	console console
	waits   int // during this call

	// The guest's functions that are called from now on, nil where it has none. All but start take the fuel, too, and
	// return what is left of it.
	functions struct{ reply, isResponse, idle, start api.Function }

	window                        uint32
	request, reply, meta          []byte // the parts of the window
	writer                        abi.MetaWriter
	requestPtr, replyPtr, metaPtr uint64
}

// newInstance starts a guest: start function, _initialize, window, configuration. A command is not run. Whatever
// it does on the way it does every time: its clock stands still and its random numbers are the same.
func (m *Module) newInstance() (*instance, error) {
	in, err := m.instantiate()
	if err != nil {
		return nil, err
	}
	if m.command {
		in.functions.start = in.guest.ExportedFunction(abi.Start)
		return in, nil
	}
	if err := in.prepare(); err != nil {
		in.close()
		return nil, err
	}
	return in, nil
}

// instantiate makes the guest and its memory, and runs its start function if it has one.
func (m *Module) instantiate() (in *instance, err error) {
	in = &instance{module: m, clock: m.loaded, budget: uint64(m.config.StartFuel)}
	in.random.seed = m.config.Seed
	in.random.use(0, 0, drawAtStart)
	definition := m.code.ExportedMemories()[abi.Memory]
	limit := uint64(m.config.Memory)
	if pages, ok := definition.Max(); ok {
		limit = min(limit, uint64(pages)*pageSize)
	}
	memory, err := newLinearMemory(uint64(definition.Min())*pageSize, limit)
	if err != nil {
		return nil, m.config.errorf("%w", err)
	}

	m.making.Lock()
	defer m.making.Unlock()
	defer func() {
		if p := recover(); p != nil { // a module that wazero should have refused
			err = m.config.errorf("starting it: %s", clean(fmt.Sprint(p)))
		}
		if err != nil {
			memory.Free() // wazero forgets the memory of what it could not start
			in = nil
		}
	}()
	// The allocator gives a memory that is there already, for wazero lets none of its own fail.
	allocator := experimental.MemoryAllocatorFunc(func(uint64, uint64) experimental.LinearMemory { return memory })
	ctx := &callContext{background, in, experimental.WithMemoryAllocator(background, allocator)}
	in.memory = memory
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions().
		WithRandSource(&in.random) // not used, but wazero would take 10 us to make one
	guest, err := m.runtime.InstantiateModule(ctx, m.code, config)
	if err != nil {
		return nil, in.newFault("start", err)
	}
	in.guest = guest
	in.ctx = &callContext{Context: background, instance: in}
	return in, in.bindCounters(guest)
}

// prepare initialises the guest, takes its window and gives it the configuration.
func (in *instance) prepare() error {
	if f := in.guest.ExportedFunction(abi.Initialize); f != nil {
		if err := in.call(f); err != nil {
			return in.newFault(abi.Initialize, err)
		}
	}
	settings := in.module.settings
	size := windowFor(settings)
	in.stack[0] = size
	if err := in.call(in.guest.ExportedFunction(abi.Window)); err != nil {
		return in.newFault(abi.Window, err)
	}
	window, err := in.takeWindow(uint32(in.stack[0]), size)
	if err != nil {
		return err
	}
	if settings != nil {
		if err := in.configure(window, settings); err != nil {
			return err
		}
	}
	in.findFunctions()
	return nil
}

// windowFor is how large a window has to be that takes these settings, and every datagram.
func windowFor(settings []byte) uint64 { return uint64(max(windowSize, len(settings))) }

// findFunctions looks up what is called from now on: doing that for each call would allocate.
func (in *instance) findFunctions() {
	in.functions.reply = in.guest.ExportedFunction(meter.Entry(abi.Reply))
	in.functions.isResponse = in.guest.ExportedFunction(meter.Entry(abi.IsResponse))
	in.functions.idle = in.guest.ExportedFunction(meter.Entry(abi.Idle))
	in.fuel = in.counters.Budget(uint64(in.module.config.Fuel))
}

// entries are the functions that are called for each datagram, and in between.
func entries() []string { return []string{abi.Reply, abi.IsResponse, abi.Idle} }

// takeWindow checks the window that the guest gave and divides it.
func (in *instance) takeWindow(ptr uint32, size uint64) (window []byte, err error) {
	refuse := func(format string, args ...any) error {
		return in.badResult(abi.Window, CauseWindow, format, args...)
	}
	memory := uint64(in.guest.Memory().Size())
	switch start := uint64(ptr); {
	case ptr == 0:
		return nil, refuse("it refused a window of %d bytes", size)
	case ptr%abi.WindowAlign != 0:
		return nil, refuse("its window is at %#x, which is not aligned to %d bytes", ptr, abi.WindowAlign)
	case start >= memory:
		return nil, refuse("its window is at %#x, outside its memory of %d bytes", ptr, memory)
	case start+size > memory:
		return nil, refuse("its window of %d bytes at %#x runs past the end of its memory of %d bytes", size, ptr, memory)
	}
	return in.divide(ptr, size), nil
}

// divide makes a window that was checked the instance's.
func (in *instance) divide(ptr uint32, size uint64) (window []byte) {
	base := uint64(ptr)
	in.window = ptr
	in.metaPtr, in.requestPtr, in.replyPtr = base+metaAt, base+requestAt, base+replyAt

	window = in.memory.reserved[base : base+size : base+size]
	in.meta = window[metaAt:requestAt:requestAt]
	in.request = window[requestAt : requestAt+core.MaxPayload6 : requestAt+core.MaxPayload6]
	in.reply = window[replyAt : replyAt+core.MaxPayload6 : replyAt+core.MaxPayload6]
	return window
}

// configure hands the operator's bytes to the guest.
func (in *instance) configure(window, settings []byte) error {
	copy(window, settings)
	in.stack[0], in.stack[1] = in.metaPtr-metaAt, uint64(len(settings))
	if err := in.call(in.guest.ExportedFunction(abi.Configure)); err != nil {
		return in.newFault(abi.Configure, err)
	}
	if result := int32(in.stack[0]); result != 0 {
		return in.module.config.errorf("it refused the configuration: %s returned %d%s",
			abi.Configure, result, in.console.quote())
	}
	return nil
}

// put writes a datagram into the window, all of it: what a guest did to the block of the last one is its own affair.
func (in *instance) put(d *core.Datagram, zone uint32) {
	copy(in.request, d.Data)
	in.clock = in.writer.Put(in.meta, d, zone)
}

// call calls f with the arguments in in.stack, and what is left of the guest's fuel. Every call into a guest that was
// instantiated passes here.
func (in *instance) call(f api.Function) error {
	in.console.said = in.console.said[:0]
	in.waits = 0
	return f.CallWithStack(in.ctx, in.stack[:])
}

// close ends the guest. Its memory is unmapped: nothing may look at it afterwards.
func (in *instance) close() error {
	in.request, in.reply, in.meta = nil, nil, nil
	in.broken = true
	in.flush()
	return in.guest.Close(context.Background())
}
