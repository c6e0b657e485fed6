package looptest

import (
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/guard"
	"github.com/retort-udp/retort/core/guard/guardtest"
	"github.com/retort-udp/retort/core/reply"
	"github.com/retort-udp/retort/native"
	"github.com/retort-udp/retort/native/cmd/retort/internal/engine"
)

// Two listeners of one process are ourselves to each other: what is forged from one to the other is not answered. One
// that was opened before the other does not know it, and answers once.
func TestLoopsBetweenListeners(t *testing.T) {
	t.Parallel()
	e := engine.New(nil)
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	spec := func(name string, h core.Handler) engine.Spec {
		return engine.Spec{
			Name: name, Addresses: []string{"127.0.0.1:0"}, Socket: native.Options{Workers: 1},
			Slot: e.NewSlot(name, &engine.Handler{Name: name, Handler: h}), Drain: time.Millisecond,
		}
	}
	open := func(specs ...engine.Spec) []*engine.Listener {
		opened, err := e.Open(specs...)
		if err != nil {
			t.Fatal(err)
		}
		e.Start(opened...)
		return opened
	}
	opened := open(spec("counting", guardtest.Counting()), spec("time", reply.Time{}))
	opened = append(opened, open(spec("later", guardtest.Counting()))...)

	type counts struct{ received, own, replied uint64 }
	counted := func(l *engine.Listener) counts {
		s := l.Stats()
		return counts{s.Received, s.Refused[guard.Own], s.Replied}
	}
	want := make([]counts, len(opened))
	for from, a := range opened {
		for to, b := range opened {
			if a == b {
				continue
			}
			forge(t, a.Addresses()[0], b.Addresses()[0], []byte("x"))
			want[to].received++
			if from == 2 { // which nobody knows, but it knows everybody
				want[to].replied++
				want[from].received++
				want[from].own++
			} else {
				want[to].own++
			}
		}
	}
	over(t, opened...)
	for i, l := range opened {
		if got := counted(l); got != want[i] {
			t.Errorf("%s: received, refused as ours, replied: %v; want %v", l.Name(), got, want[i])
		}
	}
}
