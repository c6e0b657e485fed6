package wasmhandler

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
)

// compile makes m's runtime and code, with the help of a cache or of a compiler in a process of its own if there
// are to be such. Of a cache that cannot be used the log hears, and the module is compiled without, but a cache
// that others have access to is an error: somebody may wait for it to be used.
//
// Wasm is what the meter made of original, which is validated first, unless the code is in the cache: then it was,
// or another was that the meter made the same of.
func (m *Module) compile(ctx context.Context, original, wasm []byte) error {
	if len(m.config.Compiler) == 0 && (m.config.CacheDir == "" || m.config.Interpreter) {
		return m.compileHere(original, func() error { return m.compileWith(nil, wasm) })
	}
	s, err := m.openStore()
	if err != nil {
		return err
	}
	key := m.cacheKey(wasm)
	if !m.compileCached(s, key, wasm) {
		err = m.fill(ctx, s, key, original, wasm)
	}
	return errors.Join(err, s.close())
}

// compileHere validates a module in this process, and then compiles it.
func (m *Module) compileHere(original []byte, compile func() error) error {
	if err := m.validate(original); err != nil {
		return err
	}
	return compile()
}

// compileCached takes the code from the cache, and tells whether it could.
func (m *Module) compileCached(s *store, key string, wasm []byte) bool {
	s.touch(key, time.Now())
	if _, _, err := checkSeal(s.entry(key)); err != nil {
		return false
	}
	if err := m.compileIn(s.entry(key), wasm); err != nil {
		_ = os.RemoveAll(s.entry(key)) // it is as it was sealed, and no good: publish would leave it there
		return false
	}
	return true
}

// openStore returns where compiled code goes: to the cache, or to a directory that lasts as long as the load does.
func (m *Module) openStore() (*store, error) {
	if m.config.CacheDir == "" {
		return privateStore()
	}
	s, err := openStore(m.config.CacheDir)
	if err == nil || errors.Is(err, errShared) {
		return s, err
	}
	m.warnCache(err)
	return privateStore()
}

// cacheKey names the entry of a module. Another build finds it under another name, and so does the same build
// when it rewrites the module in another way.
func (m *Module) cacheKey(wasm []byte) string {
	code := sha256.Sum256(wasm)
	all := sha256.Sum256(fmt.Appendf(nil, "%s\n%t\n%x", buildID(), m.config.Interpreter, code))
	return hex.EncodeToString(all[:keyLength/2])
}

// buildID tells builds apart whose machine code might differ: other versions of this module, of wazero, of Go, and
// other systems.
func buildID() string {
	h := sha256.New()
	fmt.Fprintln(h, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	if info, ok := debug.ReadBuildInfo(); ok {
		_, _ = io.WriteString(h, info.String()) // a hash takes everything
	}
	return hex.EncodeToString(h.Sum(nil))
}

// fill compiles anew. The code is loaded from where nobody else knows of it, and then published for others: what
// befalls the entry from then on does not matter here.
func (m *Module) fill(ctx context.Context, s *store, key string, original, wasm []byte) error {
	dir, err := s.fresh()
	if err != nil {
		return m.compileUncached(ctx, original, wasm, err)
	}
	defer os.RemoveAll(dir) // when it was published it is not there any more
	if err := m.compileInto(ctx, dir, original, wasm); err != nil || s.private {
		return err
	}
	if err := s.publish(dir, key); err != nil {
		m.warnCache(err)
	}
	if err := s.evict(m.config.CacheSize, key, time.Now()); err != nil {
		m.warnCache(err)
	}
	return nil
}

// compileInto makes an entry in dir and takes the code from there.
func (m *Module) compileInto(ctx context.Context, dir string, original, wasm []byte) error {
	if len(m.config.Compiler) > 0 {
		if err := m.compileInChild(ctx, dir, original, wasm); err != nil {
			return err
		}
		return m.compileIn(dir, wasm)
	}
	if err := m.compileHere(original, func() error { return m.compileIn(dir, wasm) }); err != nil {
		return err
	}
	if _, err := seal(dir); err != nil {
		m.warnCache(err) // publish takes it, and nobody finds it good
	}
	return nil
}

// compileUncached is fill when there is a cache that nothing can be written to.
func (m *Module) compileUncached(ctx context.Context, original, wasm []byte, why error) error {
	m.warnCache(why)
	s, err := privateStore()
	if err != nil {
		return err
	}
	dir, err := s.fresh()
	if err == nil {
		err = m.compileInto(ctx, dir, original, wasm)
	}
	return errors.Join(err, s.close())
}

// warnCache tells the log, if there is one, that the cache is of no help.
func (m *Module) warnCache(why error) {
	if m.config.Log != nil {
		m.config.Log.Warn("handler compiled without its cache", "handler", m.config.Name, "error", why)
	}
}

// compileIn compiles with what is in dir: no time passes when the code is there. After an error m is as before.
func (m *Module) compileIn(dir string, wasm []byte) (err error) {
	if m.cache, err = newCache(dir); err != nil {
		m.cache = nil
		return err
	}
	if err = m.compileWith(m.cache, wasm); err != nil {
		_ = m.free() // of what was compiled nothing runs
		m.runtime, m.cache, m.code = nil, nil, nil
	}
	return err
}

// compileWith compiles with what is in cache; nil: anew.
func (m *Module) compileWith(cache wazero.CompilationCache, wasm []byte) (err error) {
	config := wazero.NewRuntimeConfig()
	if m.config.Interpreter {
		config = wazero.NewRuntimeConfigInterpreter()
	}
	config = m.engine(config)
	if cache != nil {
		config = config.WithCompilationCache(cache)
	}
	defer func() {
		if p := recover(); p != nil { // a module that the compiler does not stand
			err = fmt.Errorf("the compiler failed: %s", clean(fmt.Sprint(p)))
		}
	}()
	m.runtime = newRuntime(config)
	if m.code, err = m.runtime.CompileModule(context.Background(), wasm); err != nil {
		return errors.New(clean(err.Error()))
	}
	return nil
}

// makingEngine is held while wazero makes a cache or an engine: it then finds out which version it is, and keeps that in
// a variable that two goroutines may not have at once.
var makingEngine sync.Mutex

func newCache(dir string) (wazero.CompilationCache, error) {
	makingEngine.Lock()
	defer makingEngine.Unlock()
	return wazero.NewCompilationCacheWithDir(dir)
}

func newRuntime(config wazero.RuntimeConfig) wazero.Runtime {
	makingEngine.Lock()
	defer makingEngine.Unlock()
	return wazero.NewRuntimeWithConfig(context.Background(), config)
}
