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
// What is bounded: linear memory ([Config.Memory]), the declared size of tables, the module's size, the log,
// what one host call does. What is not bounded: how long a guest runs, how deep it recurses (wazero stops it at
// several hundred MiB of stack), how far table.grow goes, and how much time and memory a crafted module takes to
// compile. A guest that loops for ever holds its worker for ever and, at the next garbage collection, the process.
// Run only modules that you trust not to.
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
	"github.com/retort-udp/retort/wasmhandler/abi"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// The limits of a module that no Config changes.
const (
	MaxModule = 16 << 20 // bytes of WebAssembly
	MaxTable  = 65536    // elements that a module's tables may have to begin with, in all
)

// DefaultMemory is what Config.Memory is when it is zero, in bytes.
const DefaultMemory = 64 << 20

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

	// Seed is what the random numbers of guests follow from; each worker has its own sequence of them.
	// Default: a random one, which Module.Seed tells.
	Seed uint64

	// CacheDir is a directory for compiled code, made when it does not exist. What is in it is run as
	// machine code, so nobody else may write there; damage is noticed and compiled anew. A cache that
	// cannot be used costs time and a line in Log, never the module. Default: no cache.
	CacheDir string

	// Log hears what guests log, and their faults, with an attribute handler=Name. It is called between datagrams,
	// so it must not block. Default: nobody.
	Log *slog.Logger

	// Interpreter interprets the module instead of compiling it: many times slower, and loaded sooner.
	// Default: compile where wazero can, which is amd64 and arm64 on the common systems, and interpret elsewhere.
	Interpreter bool
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
	for c.Seed == 0 {
		var random [8]byte
		rand.Read(random[:])
		c.Seed = binary.LittleEndian.Uint64(random[:])
	}
	return c, nil
}

// errorf names the handler in front of what went wrong with it.
func (c Config) errorf(format string, args ...any) error {
	return fmt.Errorf("handler %q: "+format, append([]any{c.Name}, args...)...)
}

// Module is a compiled module that has proved that it can be started. Its methods may be called from any
// goroutine, but for Configure, which comes before the others.
type Module struct {
	config  Config
	loaded  uint64 // when Compile was called, in ns since the Unix epoch: guests' clock before their first datagram
	command bool
	shape   shape

	runtime wazero.Runtime
	cache   wazero.CompilationCache // nil: none
	code    wazero.CompiledModule
	exports map[string]api.FunctionDefinition
	making  sync.Mutex // wazero's instantiation is not for two goroutines at once

	counters counters

	mu       sync.Mutex // guards what follows
	settings []byte     // what Configure was given; nil: it was not
	first    handler    // made by Compile or Configure to prove that it works; kept for the first worker
	workers  int        // handlers made so far, and the number of the next one
	open     int        // handlers that were not closed yet
	closed   bool

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
}

// ErrClosed is returned, wrapped, by a Module or one of its handlers after Close.
var ErrClosed = errors.New("closed")

// Compile checks and compiles a module, and makes one instance of it, so that what cannot serve fails here.
// Errors name the handler and the cause in one line; what a guest itself did wrong is a *Fault.
//
// Compile looks at ctx between its steps; the compilation itself cannot be interrupted.
func Compile(ctx context.Context, wasm []byte, c Config) (*Module, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	m := &Module{config: c, loaded: uint64(time.Now().UnixNano())}
	if err := m.load(ctx, wasm); err != nil {
		return nil, errors.Join(err, m.free())
	}
	return m, nil
}

// load takes wasm all the way to the first handler.
func (m *Module) load(ctx context.Context, wasm []byte) (err error) {
	if len(wasm) > MaxModule {
		return m.config.errorf("the module has %d bytes, more than the limit of %d", len(wasm), MaxModule)
	}
	if m.shape, err = readShape(wasm); err != nil {
		return m.config.errorf("%w", err)
	}
	if err := m.shape.check(m.config.Memory); err != nil {
		return m.config.errorf("%w", err)
	}
	if err := ctx.Err(); err != nil {
		return m.config.errorf("%w", err)
	}
	if err := m.compile(wasm); err != nil {
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
	if w, ok := h.(*worker); ok {
		return w.withOptions(), nil
	}
	return h, nil
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
	random := newRandom(m.config.Seed, worker)
	var h handler
	var err error
	if m.command {
		h, err = newCommand(m, random)
	} else {
		h, err = newWorker(m, random)
	}
	if err != nil {
		return nil, err
	}
	m.open++
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

// Seed is what the random numbers of guests follow from.
func (m *Module) Seed() uint64 { return m.config.Seed }

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
	first, last := m.first, m.open == 0
	m.first = nil
	m.mu.Unlock()

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
func (m *Module) release() error {
	m.mu.Lock()
	m.open--
	last := m.closed && m.open == 0
	m.mu.Unlock()
	if last {
		return m.free()
	}
	return nil
}

// free releases the code. Nothing runs it any more.
func (m *Module) free() error {
	var errs []error
	if m.runtime != nil {
		errs = append(errs, m.runtime.Close(context.Background()))
	}
	if m.cache != nil {
		errs = append(errs, m.cache.Close(context.Background()))
	}
	return errors.Join(errs...)
}
