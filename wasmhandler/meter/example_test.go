package meter_test

import (
	"context"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/retort-udp/retort/wasmhandler/meter"
)

// A guest that never returns is stopped, and its host learns why.
func Example() {
	ctx := context.Background()
	wasm := only(fn{code: loop(void, br(0))}) // (func (export "f") (loop (br 0)))

	metered, info, err := meter.Rewrite(wasm, meter.Limits{})
	if err != nil {
		fmt.Println(err)
		return
	}
	r := wazero.NewRuntime(ctx)
	defer r.Close(ctx)
	if _, err := r.CompileModule(ctx, wasm); err != nil { // the original has to be valid, too
		fmt.Println(err)
		return
	}
	instance, err := r.Instantiate(ctx, metered)
	if err != nil {
		fmt.Println("start:", meter.TraceCause(err), err)
		return
	}
	counters, err := meter.Bind(info, func(name string) meter.Global {
		global, _ := instance.ExportedGlobal(name).(api.MutableGlobal)
		return global
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	counters.Arm(10_000_000)
	if _, err := instance.ExportedFunction("f").Call(ctx); err != nil {
		fmt.Println("trap:", counters.Cause())
		counters.Reset()
	}
	// Output: trap: fuel
}

// A module that is too much for a compiler is refused before one sees it.
func ExampleLimitError() {
	wasm := mod{
		fns:    []fn{{}, {code: rep(4_001, block(void, nil))}},
		custom: [][]byte{cat(str("name"), op(1), sized(vec(cat(uleb(1), str("generated")))))},
	}.bytes()
	_, _, err := meter.Rewrite(wasm, meter.Limits{})
	fmt.Println(err)
	// Output: meter: function 1 ("generated"): 4001 blocks, of at most 4000
}
