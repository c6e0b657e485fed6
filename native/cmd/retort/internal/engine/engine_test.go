package engine_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/guard"
	"github.com/retort-udp/retort/core/reply"
	"github.com/retort-udp/retort/native"
	"github.com/retort-udp/retort/native/cmd/retort/internal/engine"
)

// fixed is a handler that always answers the same.
func fixed(text string) *engine.Handler {
	return &engine.Handler{Name: text, Handler: reply.Fixed{Text: []byte(text)}}
}

// ask returns what is answered at addr.
func ask(t *testing.T, addr netip.AddrPort) string {
	t.Helper()
	c, err := native.Dial(t.Context(), addr.String(), native.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	answer, err := c.Ask(t.Context(), []byte("?"))
	if err != nil {
		t.Fatal(err)
	}
	return string(answer.Data)
}

// newEngine returns an engine that is closed when the test ends.
func newEngine(t *testing.T) *engine.Engine {
	t.Helper()
	e := engine.New(nil)
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// open opens and starts a listener on a port of its own.
func open(t *testing.T, e *engine.Engine, name string, slot *engine.Slot) *engine.Listener {
	t.Helper()
	opened, err := e.Open(engine.Spec{Name: name, Addresses: []string{"127.0.0.1:0"}, Slot: slot, Drain: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	e.Start(opened...)
	return opened[0]
}

func TestListenersAreIndependent(t *testing.T) {
	e := newEngine(t)
	a := open(t, e, "a", e.NewSlot("one", fixed("one")))
	b := open(t, e, "b", e.NewSlot("two", fixed("two")))
	if one, two := ask(t, a.Addresses()[0]), ask(t, b.Addresses()[0]); one != "one" || two != "two" {
		t.Errorf("they answer %q and %q", one, two)
	}
	if err := e.Stop(a); err != nil {
		t.Fatal(err)
	}
	if got := e.Listeners(); !slices.Equal(got, []*engine.Listener{b}) {
		t.Errorf("after one was stopped there are %d listeners", len(got))
	}
	if got := a.Stats().Replied; got != 1 {
		t.Errorf("the one that was stopped has replied %d times", got)
	}
	if got := ask(t, b.Addresses()[0]); got != "two" {
		t.Errorf("the other answers %q", got)
	}
	again, err := e.Open(engine.Spec{Name: "a", Addresses: []string{a.Addresses()[0].String()}, Slot: a.Slot()})
	if err != nil {
		t.Fatalf("its address and name are not free: %v", err)
	}
	e.Start(again...)
	if got := ask(t, again[0].Addresses()[0]); got != "one" {
		t.Errorf("opened again it answers %q", got)
	}
}

// TestASharedSlot: all listeners of a slot follow it.
func TestASharedSlot(t *testing.T) {
	e := newEngine(t)
	slot := e.NewSlot("shared", fixed("old"))
	a, b := open(t, e, "a", slot), open(t, e, "b", slot)
	if err := slot.Set(fixed("new")); err != nil {
		t.Fatal(err)
	}
	for _, l := range []*engine.Listener{a, b} {
		if got := ask(t, l.Addresses()[0]); got != "new" {
			t.Errorf("%s answers %q", l.Name(), got)
		}
	}
	if slot.Swaps() != 1 || slot.Current().Name != "new" {
		t.Errorf("%d swaps, %q is there", slot.Swaps(), slot.Current().Name)
	}
	if err := slot.Set(nil); err != nil || slot.Current() != nil {
		t.Errorf("emptied: %v, %v", err, slot.Current())
	}
}

// TestOpenIsAllOrNothing: when one listener cannot be opened, the sockets of the others are closed again.
func TestOpenIsAllOrNothing(t *testing.T) {
	e := newEngine(t)
	slot := e.NewSlot("echo", fixed("x"))
	taken := open(t, e, "taken", slot)
	free, err := native.Listen("127.0.0.1:0", native.Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	port := free[0].LocalAddr()
	free[0].Close()

	refuse := func([]core.Conn) (*guard.Policy, error) { return nil, errors.New("not this one") }
	for name, second := range map[string]engine.Spec{
		"in use":  {Name: "b", Addresses: []string{taken.Addresses()[0].String()}, Slot: slot},
		"twice":   {Name: "taken", Addresses: []string{"127.0.0.1:0"}, Slot: slot},
		"refused": {Name: "b", Addresses: []string{"127.0.0.1:0"}, Slot: slot, Policy: refuse},
		"no slot": {Name: "b", Addresses: []string{"127.0.0.1:0"}},
	} {
		opened, err := e.Open(engine.Spec{Name: "a", Addresses: []string{port.String()}, Slot: slot}, second)
		if err == nil || len(opened) > 0 || !strings.Contains(err.Error(), second.Name) {
			t.Errorf("%s: %v, %v", name, opened, err)
		}
		again, err := native.Listen(port.String(), native.Options{Workers: 1})
		if err != nil {
			t.Fatalf("%s: the first listener's socket is still open: %v", name, err)
		}
		again[0].Close()
	}
	if n := len(e.Listeners()); n != 1 {
		t.Errorf("there are %d listeners", n)
	}
}

// TestListenersKnowEachOther: a forged datagram must not have two of them answer each other. Of every two one knows
// the other, whenever they were opened, and under every name that it has.
func TestListenersKnowEachOther(t *testing.T) {
	local, err := native.LocalAddrs()
	if err != nil {
		t.Fatal(err)
	}
	e := newEngine(t)
	slot := e.NewSlot("echo", fixed("x"))
	spec := func(name, at string) engine.Spec {
		return engine.Spec{Name: name, Addresses: []string{at}, Slot: slot}
	}
	opened, err := e.Open(spec("a", "127.0.0.1:0"), spec("b", "0.0.0.0:0"))
	if err != nil {
		t.Fatal(err)
	}
	knows := func(l, other *engine.Listener) bool { return slices.Contains(l.Policy().Own, other.Addresses()[0]) }
	a, b := opened[0], opened[1]
	if !knows(a, b) || !knows(b, a) || knows(a, a) {
		t.Errorf("to a %v are its own, to b %v", a.Policy().Own, b.Policy().Own)
	}
	if !slices.Equal(a.Policy().Local, local) {
		t.Errorf("another listens on all addresses of this host, which are %v; a knows %v", local, a.Policy().Local)
	}
	later, err := e.OpenInPlace([]*engine.Listener{b}, spec("b", "127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Stop(b); err != nil {
		t.Fatal(err)
	}
	if c := later[0]; !knows(c, a) || knows(c, b) {
		t.Errorf("to one that was opened later %v are its own; want %v", c.Policy().Own, a.Addresses())
	}
}

// brokenConn fails once something is received.
type brokenConn struct{ core.Conn }

func (c brokenConn) Receive(b *core.Batch) error {
	if err := c.Conn.Receive(b); err != nil {
		return err
	}
	return errors.New("the cable is cut")
}

func TestRunEndsWithAListener(t *testing.T) {
	e := engine.New(nil)
	slot := e.NewSlot("echo", fixed("x"))
	well := open(t, e, "well", slot)
	opened, err := e.Open(engine.Spec{Name: "ill", Addresses: []string{"127.0.0.1:0"}, Slot: slot, AroundConn: func(c core.Conn) core.Conn { return brokenConn{c} }})
	if err != nil {
		t.Fatal(err)
	}
	e.Start(opened...)
	ended := make(chan error, 1)
	go func() { ended <- e.Run(t.Context()) }()
	if got := ask(t, well.Addresses()[0]); got != "x" {
		t.Errorf("answered %q", got)
	}
	c, err := native.Dial(t.Context(), opened[0].Addresses()[0].String(), native.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Send([]byte("?")); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil || !strings.Contains(err.Error(), `listener "ill": `) || !strings.Contains(err.Error(), "cable") {
		t.Errorf("Run returned %v", err)
	}
	if _, err := e.Open(engine.Spec{Name: "late", Addresses: []string{"127.0.0.1:0"}, Slot: slot}); !errors.Is(err, engine.ErrEnded) {
		t.Errorf("opened after the end: %v", err)
	}
	if n := len(e.Listeners()); n != 2 {
		t.Errorf("Listeners returns %d", n)
	}
}

// TestRunAnswersWhatHasArrived: what was sent before the end is answered.
func TestRunAnswersWhatHasArrived(t *testing.T) {
	e := engine.New(nil)
	opened, err := e.Open(engine.Spec{Addresses: []string{"127.0.0.1:0"}, Slot: e.NewSlot("x", fixed("x")), Drain: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	c, err := native.Dial(t.Context(), opened[0].Addresses()[0].String(), native.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const n = 20
	for range n {
		if err := c.Send([]byte("?")); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	e.Start(opened...)
	if err := e.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if got := opened[0].Stats().Replied; got != n {
		t.Errorf("it replied %d times to %d datagrams", got, n)
	}
}

func Example() {
	e := engine.New(nil)
	slot := e.NewSlot("greeting", &engine.Handler{Name: "hello", Handler: reply.Fixed{Text: []byte("hello")}})
	listeners, err := e.Open(engine.Spec{Name: "main", Addresses: []string{"127.0.0.1:0"}, Slot: slot})
	if err != nil {
		fmt.Println(err)
		return
	}
	e.Start(listeners...)
	if err := slot.Set(&engine.Handler{Name: "good bye", Handler: reply.Fixed{Text: []byte("good bye")}}); err != nil {
		fmt.Println(err)
	}
	c, err := native.Dial(context.Background(), listeners[0].Addresses()[0].String(), native.ClientOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	answer, err := c.Ask(context.Background(), []byte("?"))
	fmt.Printf("%s %v\n", answer.Data, err)

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	fmt.Println(e.Run(ctx))
	// Output:
	// good bye <nil>
	// <nil>
}

// In the place of another, a listener may have its name; that one goes on until it is stopped, and whatever fails.
func TestOpenInPlace(t *testing.T) {
	e := newEngine(t)
	slot := e.NewSlot("one", fixed("one"))
	old, other := open(t, e, "a", slot), open(t, e, "b", slot)
	spec := engine.Spec{Name: "a", Addresses: []string{"127.0.0.1:0"}, Slot: slot}
	if _, err := e.Open(spec); err == nil || !strings.Contains(err.Error(), `two listeners called "a"`) {
		t.Errorf("a second listener of the name: %v", err)
	}
	conns, err := native.Listen("127.0.0.1:0", native.Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	bad := engine.Spec{Name: "c", Slot: slot, Conns: conns}
	for name, specs := range map[string][]engine.Spec{
		"another's name": {spec, {Name: "b", Addresses: spec.Addresses, Slot: slot}},
		"no slot":        {{Name: "x", Addresses: spec.Addresses}, bad},
	} {
		if _, err := e.OpenInPlace([]*engine.Listener{old}, specs...); err == nil {
			t.Errorf("%s: there is no error", name)
		}
	}
	if err := conns[0].Receive(core.NewBatch()); err == nil {
		t.Error("the sockets of a listener that was not opened are open")
	}
	if got := e.Listeners(); !slices.Equal(got, []*engine.Listener{old, other}) || ask(t, old.Addresses()[0]) != "one" {
		t.Errorf("after that there are %d listeners", len(got))
	}
	opened, err := e.OpenInPlace([]*engine.Listener{old}, spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Restore([]*engine.Listener{old}, opened); err != nil {
		t.Fatal(err)
	}
	if got := e.Listeners(); !slices.Equal(got, []*engine.Listener{other, old}) || ask(t, old.Addresses()[0]) != "one" {
		t.Errorf("restored are %d listeners", len(got))
	}
	if opened, err = e.OpenInPlace([]*engine.Listener{old}, spec); err != nil {
		t.Fatal(err)
	}
	e.Start(opened...)
	if a, b := ask(t, old.Addresses()[0]), ask(t, opened[0].Addresses()[0]); a != "one" || b != "one" {
		t.Errorf("they answer %q and %q", a, b)
	}
	if err := e.Stop(old); err != nil {
		t.Fatal(err)
	}
	if got := e.Listeners(); !slices.Equal(got, []*engine.Listener{other, opened[0]}) {
		t.Errorf("in the end there are %d listeners", len(got))
	}
}
