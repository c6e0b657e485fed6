package meter_test

import (
	"context"
	"fmt"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/retort-udp/retort/wasmhandler/meter"
)

// A yieldCounter counts calls of the function in which a guest lets go.
type yieldCounter struct{ n int }

func (y *yieldCounter) NewFunctionListener(f api.FunctionDefinition) experimental.FunctionListener {
	if !strings.HasSuffix(f.DebugName(), "retort.meter.refill") {
		return nil
	}
	return experimental.FunctionListenerFunc(
		func(context.Context, api.Module, api.FunctionDefinition, []uint64, experimental.StackIterator) { y.n++ })
}

// A guest lets go once for each slice of fuel that it uses, bulk operations included.
func TestYields(t *testing.T) {
	engines(t, func(t *testing.T, config wazero.RuntimeConfig) {
		for _, slice := range []int64{1_000, meter.DefaultSlice, 1 << 20} {
			var yields yieldCounter
			ctx := experimental.WithFunctionListenerFactory(t.Context(), &yields)
			m := benchmarks
			m.memory = op(0, 64)
			out, info := rewrite(t, m.bytes(), meter.Limits{Slice: slice})
			r := wazero.NewRuntimeWithConfig(ctx, config)
			defer r.Close(ctx)
			instance, err := r.Instantiate(ctx, out)
			if err != nil {
				t.Fatal(err)
			}
			g := &guest{instance, bind(t, instance, info), info}
			for _, c := range []struct {
				name string
				args []uint64
			}{
				{"tight", []uint64{50_000}}, {"fib", []uint64{18}},
				{"hash", []uint64{0, 30_000}}, {"fill", []uint64{4 << 20}},
			} {
				yields.n = 0
				g.Arm(10_000_000)
				if _, err := g.ExportedFunction(c.name).Call(ctx, c.args...); err != nil {
					t.Fatal(err)
				}
				spent := int64(10_000_000 - g.Remaining())
				least, most := spent/(slice+200)-1, spent/slice // the last charge of a slice overdraws it
				if c.name == "fill" {                           // whose pieces are larger than the smallest slice
					least = min(least, 15)
				}
				if n := int64(yields.n); n < least || n > most {
					t.Errorf("slice %d: %s lets go %d times in %d units", slice, c.name, n, spent)
				}
			}
		}
	})
}

// spin waits until the host has written to address 4, having written to address 0.
var spin = only(fn{code: cat(
	i32c(0), i32c(1), store,
	loop(void, cat(i32c(4), load, op(0x45), brIf(0))),
)})

// While a guest computes, the world can be stopped: a collection that begins during a call ends during it.
// The guest is the witness: it goes on until it sees what the host writes after the collection.
func TestCollectionDuringCall(t *testing.T) {
	g := instantiate(t, compiler(t), spin, meter.Limits{})
	f := g.ExportedFunction("f")
	for range 20 {
		g.Memory().WriteUint64Le(0, 0)
		g.Arm(meter.MaxFuel)
		g.Reset()
		done := make(chan error, 1)
		go func() {
			_, err := f.Call(t.Context())
			done <- err
		}()
		for {
			if running, _ := g.Memory().ReadUint32Le(0); running != 0 {
				break
			}
			runtime.Gosched()
		}
		runtime.GC()
		g.Memory().WriteUint32Le(4, 1)
		err := <-done
		if err == nil {
			return
		}
		if g.Cause() != meter.Fuel {
			t.Fatal(err)
		}
		// A slow machine may need more time for a collection than the fuel lasts.
	}
	t.Error("collections wait for the end of the call")
}

// BenchmarkStopTheWorld reports how long the collector takes to stop a process in which a guest computes,
// over a second in which it does so each millisecond. Run it with -benchtime 1x.
func BenchmarkStopTheWorld(b *testing.B) {
	long := func(name string) []uint64 {
		return map[string][]uint64{"tight": {30_000_000}, "hash": {0, 64 << 20}, "fill": {64 << 20}}[name]
	}
	m := benchmarks
	m.memory = op(0, 0x80, 8) // 64 MiB
	for _, bench := range []struct {
		name, f string
		slice   int64 // 0: plain
	}{
		{"idle", "", 0},
		{"loop/plain", "tight", 0}, {"loop/slice", "tight", meter.DefaultSlice}, {"loop/slice", "tight", 1_000_000},
		{"loads/plain", "hash", 0}, {"loads/slice", "hash", meter.DefaultSlice},
		{"fill/plain", "fill", 0}, {"fill/slice", "fill", meter.DefaultSlice},
	} {
		b.Run(fmt.Sprintf("%s-%d", bench.name, bench.slice), func(b *testing.B) {
			var f api.Function
			arm := func() {}
			if bench.slice > 0 {
				g := instantiate(b, compiler(b), m.bytes(), meter.Limits{Slice: bench.slice})
				f, arm = g.ExportedFunction(bench.f), func() { g.Arm(meter.MaxFuel) }
			} else if bench.f != "" {
				r := wazero.NewRuntimeWithConfig(b.Context(), compiler(b))
				defer r.Close(b.Context())
				plain, err := r.Instantiate(b.Context(), m.bytes())
				if err != nil {
					b.Fatal(err)
				}
				f = plain.ExportedFunction(bench.f)
			}
			for b.Loop() {
				var stop atomic.Bool
				stopped := make(chan struct{})
				go func() {
					defer close(stopped)
					for f != nil && !stop.Load() {
						arm()
						if _, err := f.Call(b.Context(), long(bench.f)...); err != nil {
							b.Error(err)
						}
					}
				}()
				before := pauses()
				for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
					runtime.GC()
				}
				after := pauses()
				stop.Store(true)
				<-stopped
				for i := range after.Counts {
					after.Counts[i] -= before.Counts[i]
				}
				b.ReportMetric(quantile(after, 0.5)*1e6, "median-µs")
				b.ReportMetric(quantile(after, 0.99)*1e6, "p99-µs")
				b.ReportMetric(quantile(after, 1)*1e6, "longest-µs")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// pauses reads how long the collector took to stop the world, as a histogram.
func pauses() *metrics.Float64Histogram {
	sample := []metrics.Sample{{Name: "/sched/pauses/stopping/gc:seconds"}}
	metrics.Read(sample)
	h := sample[0].Value.Float64Histogram()
	return &metrics.Float64Histogram{Counts: append([]uint64(nil), h.Counts...), Buckets: h.Buckets}
}

// quantile returns the upper bound of the bucket that a quantile falls into.
func quantile(h *metrics.Float64Histogram, q float64) float64 {
	var all, n uint64
	for _, count := range h.Counts {
		all += count
	}
	for i, count := range h.Counts {
		if n += count; n > 0 && float64(n) >= q*float64(all) {
			return h.Buckets[i+1]
		}
	}
	return 0
}
