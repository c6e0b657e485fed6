// Package wasmhandler makes a core.Handler of a WebAssembly module: it is the host side of the handler ABI,
// version 1, whose names and layouts are in package abi.
//
// [Compile] refuses a module that could not serve, with the reason; what it returns is a [Module]. A server
// takes an instance a worker from [Module.ForWorker]. An instance has a linear memory of its own, so workers
// share nothing, and nothing that one guest does reaches another or the host: a trap, a wrong result or an
// exit costs the datagram that it happened on, which is reported as a [Fault], and the instance is replaced
// before the next one.
//
// A module that exports _start and none of the ABI's functions is a command handler: any program that reads
// the request on its standard input and prints the reply. It is started anew for every datagram, which costs
// tens of microseconds for a small C program and milliseconds for a Go one.
//
// What a guest is given: the window, the meta block, the log. Languages that insist on WASI preview 1 find
// every name of it, but there are no files, sockets, arguments or environment behind them, the clock stands
// still at the datagram's arrival, and random numbers follow from [Config.Seed]. So a handler is a function
// of its memory, the datagram and the meta block.
//
// What is bounded: linear memory ([Config.Memory]), tables ([Config.TableElements]), how long a guest runs
// ([Config.Fuel], [Config.StartFuel]), how deep it recurses ([Config.Depth], [Config.FrameBytes]), the log, what one host
// call does, and the size and shape of the module, which keeps the known ways of making a compiler work for ever
// out. To this end package meter rewrites each module as it is loaded; a guest that runs for long lets go of its
// thread now and then, so that it does not hold up the process at a garbage collection. What is not bounded: how
// much time and memory a module takes to compile that nobody has thought of yet. No rule about a module's shape is
// a proof of that: strangers' modules should be compiled in a process of their own, which has limits ([Config.Compiler]).
//
// A fault costs its datagram, and the time to make good what it broke. So sources whose datagrams cause faults again
// and again are ignored for a while ([Config.FaultAllowance]); and should a fresh instance fail the handler's own
// vectors ([Config.Vectors]), the handler is paused and asked again from time to time, while another answers
// ([Config.Fallback]).
package wasmhandler

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/vectors"
	"github.com/retort-udp/retort/wasmhandler/abi"
	"github.com/retort-udp/retort/wasmhandler/internal/wasmbin"
	"github.com/retort-udp/retort/wasmhandler/meter"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// MaxModule is how many bytes a module may have. No Config changes it.
const MaxModule = 16 << 20

// What fields of a Config are when they are zero.
const (
	DefaultMemory        = 64 << 20 // bytes
	DefaultTableElements = meter.DefaultTableElements
	DefaultFuel          = 10_000_000
	DefaultStartFuel     = meter.DefaultStartFuel
	DefaultDepth         = meter.DefaultFrames
	DefaultFrameBytes    = meter.DefaultFrameBytes
)

const (
	pageSize  = 64 << 10 // WebAssembly's unit of memory, in bytes
	maxMemory = 1 << 32  // bytes that a 32-bit address reaches
)

// Config says how a module is run. The zero Config is a good one.
type Config struct {
	// Name is what errors, faults and log lines call the handler. Default: "wasm".
	Name string

	// Memory is the most linear memory that one instance may have, in bytes, rounded up to pages of 64 KiB.
	// Beyond it memory.grow answers -1. Default: DefaultMemory. At most 4 GiB.
	Memory int64

	// TableElements is how many elements all tables may have together. Beyond it table.grow answers -1.
	// Default: DefaultTableElements.
	TableElements int64

	// Fuel is what a guest may use up for one datagram, in the units of abi.md: about one an instruction. Each call
	// of retort_v1_is_response and each moment of idleness gets as much. It also bounds how long a call takes.
	// Default: DefaultFuel. At most meter.MaxFuel.
	Fuel int64

	// StartFuel is what a guest may use up before its first datagram: for its start function, _initialize, the
	// window and the configuration together; and for one run of a command handler. Default: DefaultStartFuel.
	// At most meter.MaxFuel.
	StartFuel int64

	// Depth is how many calls of a guest may be open at once. Default: DefaultDepth.
	Depth int64

	// FrameBytes is how many bytes their frames may take together, as the meter estimates them, which exceeds the
	// true size several times. At least Depth. Default: DefaultFrameBytes.
	FrameBytes int64

	// Isolate says what of one datagram the next one may meet. Default: IsolateNone.
	Isolate Isolation

	// Seed is what the random numbers of guests follow from, with the worker and the datagram's number there.
	// Default: a random one, which Module.Seed tells.
	Seed uint64

	// Loaded is what guests are told for the time before their first datagram, to the nanosecond. A replay is exact
	// when this and Seed are what they were, and each worker is given the datagrams that it was given then, with their
	// arrivals, in the same order. Default: when Compile is called, which Module.Loaded tells.
	Loaded time.Time

	// CacheDir is a directory for compiled code, made when it does not exist. What is in it is run as
	// machine code, so it must be ours alone: on Unix it has our user and the mode 0700, or the module is
	// refused; elsewhere, where it lies has to see to that. Damage is noticed and compiled anew. A cache that
	// cannot be used costs time and a line in Log, never the module. Default: no cache.
	CacheDir string

	// CacheSize is how many bytes the entries in CacheDir may have together. When there are more, those that
	// were used longest ago are removed, but none that was used in the last minute. Default: DefaultCacheSize.
	CacheSize int64

	// Compiler is a command, with its arguments, that calls RunCompiler and is of the same build as this
	// program, such as the program itself. The module is then compiled in that process, which has limits of CPU
	// time and memory, and a module that exceeds them, or kills its compiler, is refused. It is in a process group
	// of its own: what a terminal's Ctrl-C means is for this process to say, by Compile's context. Code that is in
	// CacheDir needs no such process. Default: this process compiles, without limits.
	Compiler []string

	// FaultAllowance is how many faults a source may cause before its datagrams are ignored for a while: 100 ms
	// at first, twice as long for each further fault, a minute at most. Every 10 s without one make good for one.
	// A source is a /24 or a /56, for each worker; on loopback it is an address and a port. Default:
	// DefaultFaultAllowance. Negative: no source is ever ignored.
	FaultAllowance int

	// Vectors are the handler's self-test. A module that fails them is refused; later they are run again when a
	// guest has had a fault, at most once a second, on an instance of their own and beside the datagrams' way.
	// While they fail the handler is paused, and asked again after 1 s, 2 s and so on to a minute. Default: none, and
	// the handler is never paused.
	Vectors *vectors.File

	// Fallback answers in the place of the guest while the handler is paused, or has no instance. It is called
	// concurrently, so it must not be a core.PerWorker. Default: silence while it is paused, ErrNoInstance while
	// there is no instance.
	Fallback core.Handler

	compiling compileLimits // of Compiler; the zero ones are the documented ones

	// Log hears what guests log, with an attribute handler=Name, and those faults that no error of Reply tells of.
	// It is called between datagrams, so it must not block. Default: nobody.
	Log *slog.Logger

	// Interpreter interprets the module instead of compiling it: many times slower, and loaded sooner.
	// Default: compile where wazero can, which is amd64 and arm64 on the common systems, and interpret elsewhere.
	Interpreter bool

	// For tests of what is done where the system offers less.
	withoutImage   bool // reset by making instances anew
	withoutPagemap bool // do not ask which pages were written
}

// withDefaults returns c with its zero fields filled in, or what is wrong with it.
func (c Config) withDefaults() (Config, error) {
	if c.Name == "" {
		c.Name = "wasm"
	}
	if c.Memory == 0 {
		c.Memory = DefaultMemory
	}
	if c.Memory < 0 || c.Memory > maxMemory {
		return c, c.errorf("a memory limit of %d bytes is not between one page and 4 GiB", c.Memory)
	}
	c.Memory = (c.Memory + pageSize - 1) / pageSize * pageSize
	if err := c.meterDefaults(); err != nil {
		return c, err
	}
	if c.Isolate > IsolateDatagram {
		return c, c.errorf("there is no %v (Config.Isolate)", c.Isolate)
	}
	if _, ok := c.Fallback.(core.PerWorker); ok {
		return c, c.errorf("the fallback has state that workers must not share")
	}
	if c.FaultAllowance == 0 {
		c.FaultAllowance = DefaultFaultAllowance
	}
	if c.CacheSize == 0 {
		c.CacheSize = DefaultCacheSize
	}
	if c.CacheSize < 0 {
		return c, c.errorf("a cache of %d bytes cannot be", c.CacheSize)
	}
	if c.Loaded.IsZero() {
		c.Loaded = time.Now()
	}
	if ns := c.Loaded.UnixNano(); ns < 0 || !time.Unix(0, ns).Equal(c.Loaded) {
		return c, c.errorf("a guest cannot be told the time %v: its clock counts nanoseconds from 1970 on (Config.Loaded)", c.Loaded)
	}
	for c.Seed == 0 {
		var random [8]byte
		rand.Read(random[:])
		c.Seed = binary.LittleEndian.Uint64(random[:])
	}
	return c, nil
}

// meterDefaults fills in what the meter enforces.
func (c *Config) meterDefaults() error {
	for _, limit := range []struct {
		name           string
		value          *int64
		standard, most int64
	}{
		{"TableElements", &c.TableElements, DefaultTableElements, 1 << 28},
		{"Fuel", &c.Fuel, DefaultFuel, meter.MaxFuel},
		{"StartFuel", &c.StartFuel, DefaultStartFuel, meter.MaxFuel},
		{"Depth", &c.Depth, DefaultDepth, 1 << 30},
		{"FrameBytes", &c.FrameBytes, DefaultFrameBytes, 1 << 30},
	} {
		if *limit.value == 0 {
			*limit.value = limit.standard
		}
		if v := *limit.value; v < 0 || v > limit.most {
			return c.errorf("a limit of %d is not between 1 and %d (Config.%s)", v, limit.most, limit.name)
		}
	}
	if c.FrameBytes < c.Depth {
		return c.errorf("%d calls need more than %d bytes for their frames (Config.Depth, Config.FrameBytes)",
			c.Depth, c.FrameBytes)
	}
	return nil
}

// limits are what the meter is to enforce.
func (c *Config) limits() meter.Limits {
	return meter.Limits{
		StartFuel: c.StartFuel, Frames: c.Depth, FrameBytes: c.FrameBytes,
		TableElements: c.TableElements, ModuleBytes: MaxModule, Entries: entries(),
	}
}

// errorf names the handler in front of what went wrong with it.
func (c Config) errorf(format string, args ...any) error {
	return fmt.Errorf("handler %q: "+format, append([]any{c.Name}, args...)...)
}

// Module is a compiled module that has proved that it can be started. Its methods may be called from any
// goroutine, but for Configure, which comes before the others.
type Module struct {
	config  Config
	loaded  uint64 // Config.Loaded in nanoseconds since the Unix epoch
	command bool
	shape   wasmbin.Shape
	info    *meter.Info

	runtime wazero.Runtime
	cache   wazero.CompilationCache // nil: none
	code    wazero.CompiledModule
	exports map[string]api.FunctionDefinition
	making  *sync.Mutex // wazero's instantiation is not for two goroutines at once

	counters counters
	gates    gateCounters
	health   health

	mu        sync.Mutex                           // guards what follows
	settings  []byte                               // what Configure was given; nil: it was not
	image     *image                               // what instances with these settings begin as; nil: each has to be started
	startFuel uint64                               // that the latest first instance used before it was ready
	first     handler                              // made by Compile or Configure to prove that it works; kept for the first worker
	workers   int                                  // handlers made so far, and the number of the next one
	open      map[handler]struct{}                 // handlers that were not closed yet
	spent     struct{ fuel, resets, codes uint64 } // by those that were
	codes     map[core.Code]uint64                 // of those that were
	closed    bool

	turn   sync.Mutex // callers of Reply take turns on direct
	direct handler    // nil until there is one
}

var (
	_ core.Handler    = (*Module)(nil)
	_ core.PerWorker  = (*Module)(nil)
	_ core.Configurer = (*Module)(nil)
)

// handler is what answers for one worker: a *worker or a *command.
type handler interface {
	core.Handler
	Close() error
	spending() *spending
}

// ErrClosed is returned, wrapped, by a Module or one of its handlers after Close.
var ErrClosed = errors.New("closed")

// Compile checks and compiles a module, and makes one instance of it, so that what cannot serve fails here.
// Errors name the handler and the cause in one line; what a guest itself did wrong is a *Fault.
//
// Compile looks at ctx between its steps, and while vectors are run. The compilation itself ends with ctx when
// Config.Compiler does it; otherwise it cannot be interrupted.
func Compile(ctx context.Context, wasm []byte, c Config) (*Module, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	m := &Module{
		config: c, loaded: uint64(c.Loaded.UnixNano()), open: map[handler]struct{}{}, making: new(sync.Mutex),
	}
	if err := m.load(ctx, wasm); err != nil {
		return nil, errors.Join(err, m.free())
	}
	if err := m.selfTest(ctx); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	m.health.start(m)
	return m, nil
}

// load takes wasm all the way to the first handler. What can be seen in the bytes alone comes first, our own
// imports and exports and then the meter's limits: wazero's decoder believes the lengths that it reads, and may
// allocate gigabytes for a few bytes, so it sees nothing that was not counted before. Then wazero validates the
// module as it came, for the meter checks no more than its own soundness rests on, and compiles what the meter
// made of it.
func (m *Module) load(ctx context.Context, wasm []byte) (err error) {
	if len(wasm) > MaxModule {
		return m.config.errorf("the module has %d bytes, more than the limit of %d", len(wasm), MaxModule)
	}
	if m.shape, err = wasmbin.ReadShape(wasm); err != nil {
		return m.config.errorf("%w", err)
	}
	if err := checkShape(&m.shape, &m.config); err != nil {
		return m.config.errorf("%w", err)
	}
	metered, info, err := meter.Rewrite(wasm, m.config.limits())
	if err != nil {
		return m.config.errorf("%w", err)
	}
	m.info = info
	if err := ctx.Err(); err != nil {
		return m.config.errorf("%w", err)
	}
	if err := m.compile(ctx, wasm, metered); err != nil {
		return m.config.errorf("%w", err)
	}
	m.exports = m.code.ExportedFunctions()
	if m.command, err = checkExports(m.code, m.exports); err != nil {
		return m.config.errorf("%w", err)
	}
	if err := m.provide(); err != nil {
		return m.config.errorf("%w", err)
	}
	if err := ctx.Err(); err != nil {
		return m.config.errorf("%w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.first, err = m.newHandler(0)
	m.workers = 1
	return err
}

// Configure gives the operator's bytes to a fresh first instance, and to every one that is made from now on.
// It returns core.ErrNoConfig, wrapped, when the module does not export retort_v1_configure.
func (m *Module) Configure(config []byte) error {
	if _, ok := m.exports[abi.Configure]; !ok || m.command {
		return m.config.errorf("%w: it does not export %s", core.ErrNoConfig, abi.Configure)
	}
	if len(config) > abi.MaxConfig {
		return m.config.errorf("the configuration has %d bytes, more than the limit of %d", len(config), abi.MaxConfig)
	}
	old, err := m.replaceFirst(config)
	if err != nil {
		return err
	}
	return old.Close()
}

// replaceFirst makes the first handler anew with a configuration, and returns the one before.
func (m *Module) replaceFirst(config []byte) (old handler, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, m.config.errorf("%w", ErrClosed)
	}
	if m.first == nil {
		return nil, m.config.errorf("configured after it began to serve")
	}
	before := m.settings
	m.settings = append([]byte{}, config...)
	configured, err := m.newHandler(0)
	if err != nil {
		m.settings = before
		return nil, err
	}
	old, m.first = m.first, configured
	return old, nil
}

// ForWorker returns a handler for one worker: an instance of the module. It is an io.Closer; it is a
// core.Classifier and a core.Idler when the module exports what these need.
func (m *Module) ForWorker() (core.Handler, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h, err := m.take()
	if err != nil {
		return nil, err
	}
	return withOptions(h), nil
}

// take returns the first handler, or another. It is called with m.mu held.
func (m *Module) take() (handler, error) {
	if m.closed {
		return nil, m.config.errorf("%w", ErrClosed)
	}
	if h := m.first; h != nil {
		m.first = nil
		return h, nil
	}
	h, err := m.newHandler(m.workers)
	if err == nil {
		m.workers++
	}
	return h, err
}

// newHandler makes the handler of a worker, with an instance that is ready. It is called with m.mu held.
func (m *Module) newHandler(worker int) (handler, error) {
	var h handler
	var err error
	if m.command {
		h, err = newCommand(m, worker)
	} else {
		h, err = newWorker(m, worker)
	}
	if err != nil {
		return nil, err
	}
	m.open[h] = struct{}{}
	return h, nil
}

// Reply answers for callers that are no workers. They take turns on one instance, made at the first call.
func (m *Module) Reply(dst []byte, d *core.Datagram) ([]byte, error) {
	m.turn.Lock()
	defer m.turn.Unlock()
	if m.direct == nil {
		m.mu.Lock()
		h, err := m.take()
		m.mu.Unlock()
		if err != nil {
			return nil, err
		}
		m.direct = h
	}
	return m.direct.Reply(dst, d)
}

// StartFuel is how much fuel the first instance used before it was ready for a datagram, of Config.StartFuel.
func (m *Module) StartFuel() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.startFuel
}

// Info tells what the meter found in the module.
func (m *Module) Info() meter.Info { return *m.info }

// Seed is what the random numbers of guests follow from.
func (m *Module) Seed() uint64 { return m.config.Seed }

// Loaded is what guests are told for the time before their first datagram.
func (m *Module) Loaded() time.Time { return time.Unix(0, int64(m.loaded)) }

// Close closes the Module. Handlers that ForWorker returned go on until each is closed by its worker; the
// compiled code is released with the last of them.
func (m *Module) Close() error {
	m.turn.Lock()
	defer m.turn.Unlock()
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil
	}
	m.closed = true
	first, last := m.first, len(m.open) == 0
	m.first = nil
	m.mu.Unlock()
	m.health.end()

	var errs []error
	for _, h := range []handler{first, m.direct} {
		if h != nil {
			errs = append(errs, h.Close())
		}
	}
	if last {
		errs = append(errs, m.free())
	}
	return errors.Join(errs...)
}

// release is called by each handler once, when it is closed.
func (m *Module) release(h handler) error {
	m.mu.Lock()
	delete(m.open, h)
	spent := h.spending()
	m.spent.fuel += spent.fuel.Load()
	m.spent.resets += spent.resets.Load()
	m.spent.codes += spent.codes.all.Load()
	if m.codes == nil {
		m.codes = make(map[core.Code]uint64)
	}
	spent.codes.addTo(m.codes)
	last := m.closed && len(m.open) == 0
	m.mu.Unlock()
	if last {
		return m.free()
	}
	return nil
}

// free releases the code. Nothing runs it any more.
func (m *Module) free() error {
	var errs []error
	if m.image != nil {
		errs = append(errs, m.image.memory.close())
	}
	if m.runtime != nil {
		errs = append(errs, m.runtime.Close(context.Background()))
	}
	if m.cache != nil {
		errs = append(errs, m.cache.Close(context.Background()))
	}
	return errors.Join(errs...)
}
