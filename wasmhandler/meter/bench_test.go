package meter_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/retort-udp/retort/wasmhandler/meter"
)

// tight is the tightest loop there is: it counts its parameter down.
var tight = fn{name: "tight", params: vals{i32}, results: vals{i32}, code: cat(
	loop(void, cat(get(0), i32c(1), sub, tee(0), brIf(0))),
	get(0),
)}

// hash is FNV-1a over memory from its first parameter on, as long as its second.
var hash = fn{name: "hash", params: vals{i32, i32}, results: vals{i32}, locals: vals{i32}, code: cat(
	i32c(-2128831035), set(2),
	get(0), get(1), add, set(1),
	block(void, loop(void, cat(
		get(0), get(1), op(0x4f), brIf(1), // i32.ge_u
		get(2), get(0), op(0x2d, 0, 0), op(0x73), i32c(16777619), op(0x6c), set(2), // load8_u, xor, mul
		get(0), i32c(1), add, set(0),
		br(0),
	))),
	get(2),
)}

// leaf does next to nothing.
var leaf = fn{name: "leaf", params: vals{i32, i32}, results: vals{i32}, code: cat(get(0), get(1), add)}

// fib calls itself as Fibonacci's rabbits do.
var fib = fn{name: "fib", params: vals{i32}, results: vals{i32}, code: cat(
	get(0), i32c(2), op(0x49), // i32.lt_u
	ifElse(i32, get(0), cat(get(0), i32c(1), sub, call(3), get(0), i32c(2), sub, call(3), add)),
)}

// fill clears a little memory.
var fill = fn{name: "fill", params: vals{i32}, code: cat(i32c(0), i32c(0), get(0), memoryFill)}

var benchmarks = mod{fns: []fn{tight, hash, leaf, fib, fill}, memory: op(0, 1)}

// BenchmarkOverhead runs pieces of code plain and metered in turns, and reports the median of the ratios of
// their times. It takes as long as it takes, whatever the number of rounds: run it with -benchtime 1x.
func BenchmarkOverhead(b *testing.B) {
	ctx := context.Background()
	wasm := benchmarks.bytes()
	metered, info := rewrite(b, wasm, meter.Limits{})
	r := wazero.NewRuntimeWithConfig(ctx, compiler(b))
	defer r.Close(ctx)
	instance := func(wasm []byte) api.Module {
		m, err := r.InstantiateWithConfig(ctx, wasm, wazero.NewModuleConfig().WithName(""))
		if err != nil {
			b.Fatal(err)
		}
		return m
	}
	p, m := instance(wasm), instance(metered)
	counters := bind(b, m, info)
	for _, bench := range []struct {
		name  string
		f     string
		args  []uint64
		calls int
	}{
		{"hash-1000-bytes", "hash", []uint64{0, 1000}, 200},
		{"hash-32-bytes", "hash", []uint64{0, 32}, 2000},
		{"tight-loop", "tight", []uint64{10_000}, 50},
		{"empty-call", "leaf", []uint64{1, 2}, 5000},
		{"calls", "fib", []uint64{15}, 50},
		{"fill-16-bytes", "fill", []uint64{16}, 2000},
		{"fill-4096-bytes", "fill", []uint64{4096}, 1000},
	} {
		b.Run(bench.name, func(b *testing.B) {
			plainF, meteredF := p.ExportedFunction(bench.f), m.ExportedFunction(bench.f)
			stack := make([]uint64, max(1, len(bench.args)))
			run := func(f api.Function, arm bool) float64 {
				start := time.Now()
				for range bench.calls {
					copy(stack, bench.args)
					if arm {
						counters.Arm(10_000_000)
					}
					if err := f.CallWithStack(ctx, stack); err != nil {
						b.Fatal(err)
					}
				}
				return float64(time.Since(start).Nanoseconds()) / float64(bench.calls)
			}
			var plain, metered, ratios []float64
			for b.Loop() {
				for range 400 {
					x, y := run(plainF, false), run(meteredF, true)
					plain, metered, ratios = append(plain, x), append(metered, y), append(ratios, y/x)
				}
			}
			b.ReportMetric(median(plain), "plain-ns/call")
			b.ReportMetric(median(metered), "metered-ns/call")
			b.ReportMetric(median(ratios), "ratio")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func median(x []float64) float64 {
	slices.Sort(x)
	return x[len(x)/2]
}

// BenchmarkRewrite is how fast modules are rewritten: the compiler that follows takes twenty times as long.
func BenchmarkRewrite(b *testing.B) {
	for _, size := range []int{1, 100, 1000} {
		m := benchmarks
		for i := range size {
			f := hash
			f.name = fmt.Sprint("hash", i)
			m.fns = append(slices.Clone(m.fns), f)
		}
		wasm := m.bytes()
		b.Run(fmt.Sprint(len(wasm)), func(b *testing.B) {
			b.SetBytes(int64(len(wasm)))
			for b.Loop() {
				rewrite(b, wasm, meter.Limits{})
			}
		})
	}
}

// BenchmarkArm is what a host does before each call, and after it.
func BenchmarkArm(b *testing.B) {
	g := instantiate(b, compiler(b), benchmarks.bytes(), meter.Limits{})
	b.Run("arm", func(b *testing.B) {
		for b.Loop() {
			g.Arm(10_000_000)
		}
	})
	b.Run("remaining", func(b *testing.B) {
		for b.Loop() {
			g.Remaining()
		}
	})
}
