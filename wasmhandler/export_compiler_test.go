package wasmhandler

import (
	"context"
	"time"
)

// WithCompileLimits returns c with other limits for its compiler, so that tests need not wait for the documented ones.
func WithCompileLimits(c Config, cpu, wall time.Duration, data int64) Config {
	c.compiling = compileLimits{cpu, wall, data}
	return c
}

// CompileInChild has c's compiler make an entry of any bytes, those included that are refused before a compiler sees
// them.
func CompileInChild(ctx context.Context, c Config, dir string, wasm []byte) error {
	c, err := c.withDefaults()
	if err != nil {
		return err
	}
	m := &Module{config: c}
	return m.compileInChild(ctx, dir, wasm, wasm)
}

// Evict evicts entries from a cache as of now.
func Evict(dir string, limit int64, now time.Time) error {
	s, err := openStore(dir)
	if err != nil {
		return err
	}
	return s.evict(limit, "", now)
}
