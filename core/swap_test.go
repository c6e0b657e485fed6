package core_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/retort-udp/retort/core"
)

// generation is a PerWorker that counts its instances, which answer its number.
type generation struct {
	number       int
	refuse       atomic.Bool
	open, closed atomic.Int64
}

func (g *generation) Reply(dst []byte, _ *core.Datagram) ([]byte, error) {
	return nil, errors.New("only instances answer")
}

func (g *generation) ForWorker() (core.Handler, error) {
	if g.refuse.Load() {
		return nil, errors.New("out of instances")
	}
	g.open.Add(1)
	return &generationInstance{of: g}, nil
}

type generationInstance struct {
	of     *generation
	closed bool
}

func (i *generationInstance) Reply(dst []byte, _ *core.Datagram) ([]byte, error) {
	if i.closed {
		return nil, errors.New("an instance answered after it was closed")
	}
	return fmt.Append(dst, i.of.number), nil
}

func (i *generationInstance) IsResponse(*core.Datagram) bool { return i.of.number == 1 }

func (i *generationInstance) Close() error {
	if i.closed {
		return errors.New("an instance was closed twice")
	}
	i.closed = true
	i.of.closed.Add(1)
	return nil
}

func ask(t *testing.T, h core.Handler) string {
	t.Helper()
	reply, err := h.Reply(make([]byte, 0, 64), &core.Datagram{})
	if err != nil {
		t.Fatal(err)
	}
	if reply == nil {
		return "silence"
	}
	return string(reply)
}

func worker(t *testing.T, s *core.Swap) core.Handler {
	t.Helper()
	w, err := s.ForWorker()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func closeHandler(t *testing.T, h core.Handler) {
	t.Helper()
	if err := h.(interface{ Close() error }).Close(); err != nil {
		t.Error(err)
	}
}

func TestSwap(t *testing.T) {
	var s core.Swap
	early := worker(t, &s)
	if got := ask(t, early); got != "silence" {
		t.Errorf("before Set: %q", got)
	}
	first, second := &generation{number: 1}, &generation{number: 2}
	if err := s.Set(first); err != nil {
		t.Fatal(err)
	}
	late := worker(t, &s)
	if a, b := ask(t, early), ask(t, late); a != "1" || b != "1" {
		t.Errorf("after Set: %q and %q", a, b)
	}
	if c, ok := core.As[core.Classifier](early); !ok || !c.IsResponse(nil) {
		t.Error("the interfaces of the target are not visible")
	}

	if err := s.Set(second); err != nil {
		t.Fatal(err)
	}
	if first.closed.Load() != 0 {
		t.Error("an instance was closed before its worker let go of it")
	}
	if got := ask(t, early); got != "2" || first.closed.Load() != 1 {
		t.Errorf("%q, %d instances of the first closed", got, first.closed.Load())
	}
	if err := s.Set(echo); err != nil { // late never took the second
		t.Fatal(err)
	}
	if second.closed.Load() != 1 {
		t.Error("an instance that no worker took was not closed")
	}
	if _, ok := core.As[core.Classifier](late); ok {
		t.Error("the old target's interfaces are still visible")
	}
	closeHandler(t, early)
	closeHandler(t, late)
	for _, g := range []*generation{first, second} {
		if g.open.Load() != g.closed.Load() {
			t.Errorf("generation %d: %d opened, %d closed", g.number, g.open.Load(), g.closed.Load())
		}
	}
}

func TestSwapKeepsTheOldTargetWhenTheNewOneFails(t *testing.T) {
	good, bad := &generation{number: 1}, &generation{number: 2}
	var s core.Swap
	if err := s.Set(good); err != nil {
		t.Fatal(err)
	}
	w := worker(t, &s)
	bad.refuse.Store(true)
	if err := s.Set(bad); err == nil {
		t.Error("Set did not fail")
	}
	if got := ask(t, w); got != "1" {
		t.Errorf("%q answers", got)
	}
	if s.Unwrap() != core.Handler(good) {
		t.Error("the target changed")
	}
	closeHandler(t, w)
}

func TestSwapAnswersWithoutAWorker(t *testing.T) {
	var s core.Swap
	for n := 1; n <= 3; n++ {
		if err := s.Set(&generation{number: n}); err != nil {
			t.Fatal(err)
		}
		if got := ask(t, &s); got != fmt.Sprint(n) {
			t.Errorf("generation %d: %q", n, got)
		}
	}
}

// Swaps beside workers that never pause: every reply is whole and of some generation that had been set,
// generations never go back, and every instance is closed once.
func TestSwapUnderLoad(t *testing.T) {
	const workers, swaps = 4, 500
	var s core.Swap
	var generations []*generation
	set := func(n int) {
		g := &generation{number: n}
		generations = append(generations, g)
		if err := s.Set(g); err != nil {
			t.Error(err)
		}
	}
	set(0)
	stop := make(chan struct{})
	var running sync.WaitGroup
	for range workers {
		w := worker(t, &s)
		running.Go(func() {
			defer closeHandler(t, w)
			last := 0
			dst := make([]byte, 0, 64)
			for {
				reply, err := w.Reply(dst, &core.Datagram{})
				if err != nil {
					t.Error(err)
					return
				}
				var n int
				if _, err := fmt.Sscan(string(reply), &n); err != nil || n < last {
					t.Errorf("%q after generation %d", reply, last)
					return
				}
				last = n
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for n := 1; n <= swaps; n++ {
		set(n)
	}
	close(stop)
	running.Wait()
	for _, g := range generations {
		if g.open.Load() != workers && g.number > 0 || g.open.Load() != g.closed.Load() {
			t.Errorf("generation %d: %d opened, %d closed", g.number, g.open.Load(), g.closed.Load())
		}
	}
}
