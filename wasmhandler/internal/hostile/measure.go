package hostile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/metrics"
	"sync"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/wasmhandler"
	"github.com/retort-udp/retort/wasmhandler/internal/wasmgen"
)

// Figures are an Outcome and what it cost everybody else. Durations depend on the machine and what else it does.
type Figures struct {
	Outcome
	Took  time.Duration // from the module's bytes to its end
	Pause time.Duration // the longest time for which the world was stopped, rounded up as the runtime counts it
	Wait  time.Duration // the longest that the neighbour's client waited for a reply
	Peak  int64         // bytes of memory that the process had at most; 0: not known here
}

// Measure is Run, Beside a neighbour.
func Measure(wasm []byte, config wasmhandler.Config) (Figures, error) {
	var o Outcome
	f, err := Beside(func() { o = Run(wasm, config) })
	f.Got, f.Leaked, f.Broken = o.Got, o.Leaked, append(o.Broken, f.Broken...)
	return f, err
}

// Calmest measures something, and does so again, a few times at most, while the world was stopped for long. A pause that
// a guest causes comes each time, and one that comes of what else the machine does seldom comes again: the shortest
// counts.
func Calmest(measure func() (Figures, error)) (best Figures, err error) {
	const (
		long  = 5 * time.Millisecond
		times = 5
	)
	for i := range times {
		f, err := measure()
		if err != nil {
			return f, err
		}
		if i == 0 || f.Pause < best.Pause {
			best = f
		}
		if best.Pause < long {
			break
		}
	}
	return best, nil
}

// Control is what Beside returns for a while of ordinary Go code, which lets go whenever it is asked to. Pauses of
// the size that it has are the machine's, and not a guest's.
func Control() (Figures, error) {
	const while = time.Second
	return Beside(func() {
		numbers := make([]byte, 1<<20)
		for start := time.Now(); time.Since(start) < while; {
			for i := range numbers {
				numbers[i] += numbers[i/2] + 1
			}
		}
	})
}

// Beside calls f while another handler in the same process goes on answering, and returns what f cost it. The
// garbage is collected all the while, for that is when a guest that does not let go stops the world.
func Beside(f func()) (Figures, error) {
	n, err := newNeighbour()
	if err != nil {
		return Figures{}, fmt.Errorf("the neighbour: %w", err)
	}
	stop := make(chan struct{})
	var others sync.WaitGroup
	others.Go(func() { n.live(stop) })
	others.Go(func() { collect(stop) })
	goroutines := runtime.NumGoroutine()

	before, start := pauses(), time.Now()
	f()
	figures := Figures{Took: time.Since(start), Pause: longest(before, pauses()), Peak: peakMemory()}

	if left := runtime.NumGoroutine() - goroutines; left > 0 {
		figures.Broken = append(figures.Broken, fmt.Sprintf("%d goroutines are left over", left))
	}
	close(stop)
	others.Wait()
	figures.Wait = n.wait
	if err := errors.Join(n.err, n.module.Close()); err != nil {
		figures.Broken = append(figures.Broken, fmt.Sprintf("its neighbour: %v", err))
	}
	return figures, nil
}

// collect collects the garbage again and again.
func collect(stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(time.Millisecond):
			runtime.GC()
		}
	}
}

// neighbour is a handler that echoes, and a client that asks it again and again.
type neighbour struct {
	module *wasmhandler.Module
	wait   time.Duration // the longest for a reply
	err    error         // the first
}

func newNeighbour() (*neighbour, error) {
	const length, reply = 1, 2
	m := new(wasmgen.Module)
	echo := m.Function(wasmgen.ReplyParams, "i", code{}.Get(reply).Get(request).Get(length).MemoryCopy().Get(length))
	module, err := wasmhandler.Compile(context.Background(), m.Handler(echo), wasmhandler.Config{Name: "neighbour"})
	return &neighbour{module: module}, err
}

// live asks until it is told to stop.
func (n *neighbour) live(stop <-chan struct{}) {
	h, err := n.module.ForWorker()
	if err != nil {
		n.err = err
		return
	}
	defer h.(io.Closer).Close()
	dst := make([]byte, 0, core.MaxPayload6)
	for i := 0; n.err == nil; i++ {
		d := question(i % questions)
		start := time.Now()
		reply, err := h.Reply(dst, d)
		n.wait = max(n.wait, time.Since(start))
		if err == nil && !bytes.Equal(reply, d.Data) {
			err = fmt.Errorf("its reply to %d bytes is %d others", len(d.Data), len(reply))
		}
		n.err = err
		select {
		case <-stop:
			return
		case <-time.After(100 * time.Microsecond):
		}
	}
}

// The histograms of times for which the world was stopped, in seconds.
var pauseMetrics = [...]string{"/sched/pauses/total/gc:seconds", "/sched/pauses/total/other:seconds"}

func pauses() (read [len(pauseMetrics)]metrics.Sample) {
	for i, name := range pauseMetrics {
		read[i].Name = name
	}
	metrics.Read(read[:])
	return read
}

// longest is the upper bound of the longest pause between two readings.
func longest(before, after [len(pauseMetrics)]metrics.Sample) (d time.Duration) {
	for i := range after {
		a, b := after[i].Value.Float64Histogram(), before[i].Value.Float64Histogram()
		for bucket, n := range a.Counts {
			if n > b.Counts[bucket] {
				d = max(d, time.Duration(a.Buckets[bucket+1]*float64(time.Second)))
			}
		}
	}
	return d
}
