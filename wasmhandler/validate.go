package wasmhandler

import (
	"context"
	"errors"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// validate says whether a module is valid WebAssembly. It asks wazero's interpreter, which translates a module many
// times faster than the compiler does, and in time and memory in proportion to it.
func (m *Module) validate(wasm []byte) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("validating it failed: %s", clean(fmt.Sprint(p)))
		}
	}()
	config := m.engine(wazero.NewRuntimeConfigInterpreter())
	runtime := wazero.NewRuntimeWithConfig(context.Background(), config)
	defer runtime.Close(context.Background())
	if _, err := runtime.CompileModule(context.Background(), wasm); err != nil {
		return errors.New(clean(err.Error()))
	}
	return nil
}

// engine sets what validating and compiling must agree on.
func (m *Module) engine(config wazero.RuntimeConfig) wazero.RuntimeConfig {
	return config.WithCoreFeatures(api.CoreFeaturesV2).
		WithMemoryLimitPages(uint32(m.config.Memory / pageSize)).
		WithDebugInfoEnabled(false) // function names are enough, and nobody has to parse a stranger's DWARF
}
