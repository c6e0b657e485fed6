package sdk_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/reply"
	"github.com/retort-udp/retort/wasmhandler/abi"
	"github.com/retort-udp/retort/wasmhandler/guest/internal/probe"
	"github.com/retort-udp/retort/wasmhandler/guest/internal/sdk"
)

// logged collects what an Instance logs.
type logged []string

func (l *logged) log(level int32, text string) { *l = append(*l, fmt.Sprintf("%d %s", level, text)) }

func metaBlock() []byte {
	block := make([]byte, abi.MetaSize)
	abi.PutMeta(block, &core.Datagram{
		From: netip.MustParseAddrPort("192.0.2.1:40000"),
		To:   netip.MustParseAddrPort("192.0.2.2:1060"),
		Time: time.Unix(1, 2),
	}, 0)
	return block
}

// ask has i answer request with room for that many bytes.
func ask(i *sdk.Instance, request string, room int) (result int32, out []byte) {
	out = make([]byte, room)
	result = i.Reply([]byte(request), out, metaBlock())
	return result, out
}

func TestReply(t *testing.T) {
	for _, tt := range []struct {
		name, request string
		room          int
		result        int32
		out           string
		log           string
	}{
		{"a reply", "eabc", 5, 3, "abc", ""},
		{"a reply of all the room", "eabc", 3, 3, "abc", ""},
		{"an empty reply", "0", 3, 0, "", ""},
		{"an empty reply without room", "0", 0, 0, "", ""},
		{"a reply built elsewhere", "o", 9, 4, "own!", ""},
		{"a reply built elsewhere that is too long", "o", 3, -102, "", ""},
		{"a reply that outgrew its room", "eabcd", 3, -102, "", ""},
		{"silence", "d", 9, -1, "", ""},
		{"malformed", "m", 9, -2, "", ""},
		{"a code", "c\x05", 9, -105, "", ""},
		{"the largest code", "c", 9, -100, "", ""},
		{"another error", "x", 9, -101, "", "8 the probe has no answer"},
		{"the meta block", "a", 99, 44, "192.0.2.1:40000 192.0.2.2:1060 1000000002 99", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log logged
			i := sdk.New(&probe.Handler{}, true, log.log)
			if len(i.Window(100)) != 100 {
				t.Fatal("no window")
			}
			result, out := ask(i, tt.request, tt.room)
			if result != tt.result || result >= 0 && string(out[:result]) != tt.out {
				t.Errorf("result %d, out %q; want %d, %q", result, out, tt.result, tt.out)
			}
			if strings.Join(log, "\n") != tt.log {
				t.Errorf("logged %q, want %q", log, tt.log)
			}
		})
	}
}

// A number that is no handler's to give must not reach the host, who would take it for something else.
func TestReplyWithForbiddenCode(t *testing.T) {
	for _, code := range []core.Code{-99, -3, -2, -1, 0, 1, 100} {
		var log logged
		i := sdk.New(core.HandlerFunc(func([]byte, *core.Datagram) ([]byte, error) { return nil, code }), false, log.log)
		i.Window(100)
		if got, _ := ask(i, "", 9); got != int32(sdk.CodeError) || len(log) != 1 {
			t.Errorf("%v became %d, logged %q", code, got, log)
		}
	}
}

func TestWindow(t *testing.T) {
	for _, size := range []int{0, 1, 15, 16, 17, 1000, 2*core.MaxPayload6 + abi.MetaSize, abi.MaxConfig} {
		w := sdk.New(reply.Length{}, false, new(logged).log).Window(size)
		if len(w) != max(size, 1) || uintptr(unsafe.Pointer(&w[0]))%abi.WindowAlign != 0 {
			t.Errorf("asked for %d bytes: %d bytes at %p", size, len(w), w)
		}
	}
}

// plain is a handler with a choice of optional interfaces.
type plain struct{ reply.Length }

type perWorker struct {
	plain
	worker core.Handler
	made   *int
}

func (p perWorker) ForWorker() (core.Handler, error) {
	*p.made++
	if p.worker == nil {
		return nil, errors.New("no worker today")
	}
	return p.worker, nil
}

type classifies struct{ plain }

func (classifies) IsResponse(d *core.Datagram) bool { return string(d.Data) == "yes" }

// configurable is a core.Configurer that is no core.PerWorker, and a core.Classifier.
type configurable struct{ classifies }

func (configurable) Configure([]byte) error { return nil }

// A window that is refused says why: it is what a host shows to whoever wrote the guest.
func TestWindowRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		h        core.Handler
		classify bool
		want     string
	}{
		"no instance":           {perWorker{made: new(int)}, false, "8 making the handler's instance: no worker today"},
		"guest.Serve":           {classifies{}, false, "8 the handler is a core.Classifier: serve it with classifier.Serve, not guest.Serve"},
		"classifier.Serve":      {plain{}, true, "8 the handler is no core.Classifier: serve it with guest.Serve, not classifier.Serve"},
		"a Configurer":          {configurable{}, false, "8 the handler is a core.Classifier: serve it with classifier.Serve, not guest.Serve"},
		"a worker that differs": {perWorker{worker: classifies{}, made: new(int)}, false, "8 the handler is a core.Classifier: serve it with classifier.Serve, not guest.Serve"},
	} {
		var log logged
		if w := sdk.New(tt.h, tt.classify, log.log).Window(100); w != nil {
			t.Errorf("%s: it gave a window", name)
		}
		if strings.Join(log, "\n") != tt.want {
			t.Errorf("%s: logged %q, want %q", name, log, tt.want)
		}
	}
}

// An instance is made once, as soon as nothing can come before it.
func TestWorkerIsMadeOnce(t *testing.T) {
	made := 0
	i := sdk.New(perWorker{worker: plain{}, made: &made}, false, new(logged).log)
	i.Window(100)
	if made != 1 {
		t.Fatalf("%d instances after the window", made)
	}
	i.Idle()
	ask(i, "", 99)
	if ask(i, "", 99); made != 1 {
		t.Errorf("%d instances in the end", made)
	}
}

func TestConfigure(t *testing.T) {
	for _, tt := range []struct {
		config string
		result int32
		log    string
	}{
		{"a text", 0, ""},
		{"", 0, ""},
		{"code", -200, ""},
		{"error", -101, "8 the probe takes no error"},
		{"no worker", -101, "8 making the handler's instance: the probe makes no worker"},
	} {
		var log logged
		i := sdk.New(&probe.Handler{}, true, log.log)
		window := i.Window(100)
		config := window[:copy(window, tt.config)]
		if got := i.Configure(config); got != tt.result || strings.Join(log, "\n") != tt.log {
			t.Errorf("%q: %d, logged %q; want %d, %q", tt.config, got, log, tt.result, tt.log)
			continue
		}
		if tt.result != 0 {
			continue
		}
		clear(window) // as the first datagram does
		i.Idle()
		result, out := ask(i, "s", 99)
		if got, want := string(out[:result]), "1 1 "+tt.config; got != want {
			t.Errorf("%q: the state is %q, want %q", tt.config, got, want)
		}
	}
}

func TestConfigureWithoutConfigurer(t *testing.T) {
	var log logged
	i := sdk.New(reply.Length{}, false, log.log)
	i.Window(100)
	if got := i.Configure([]byte("a")); got != -103 || len(log) != 1 {
		t.Errorf("%d, logged %q", got, log)
	}
}

// refuses is a core.Configurer whose instance cannot be made.
type refuses struct{ perWorker }

func (refuses) Configure([]byte) error { return nil }

// Nobody asks for the instance of a handler that could be configured and is not, before the first datagram: a
// trap is all that is left then.
func TestLateWorkerPanics(t *testing.T) {
	i := sdk.New(refuses{perWorker{made: new(int)}}, false, new(logged).log)
	if i.Window(100) == nil {
		t.Fatal("no window")
	}
	defer func() {
		if p := recover(); p != "making the handler's instance: no worker today" {
			t.Errorf("panicked with %v", p)
		}
	}()
	ask(i, "", 99)
	t.Error("no panic")
}

func TestIsResponse(t *testing.T) {
	i := sdk.New(classifies{}, true, new(logged).log)
	i.Window(100)
	if !i.IsResponse([]byte("yes"), metaBlock()) || i.IsResponse([]byte("no"), metaBlock()) {
		t.Error("it does not say what the handler says")
	}
}

func TestReplyDoesNotAllocate(t *testing.T) {
	i := sdk.New(&probe.Handler{}, true, new(logged).log)
	i.Window(100)
	out, meta := make([]byte, 200), metaBlock()
	for _, request := range []string{"lhello", "ehello", "t", "d", "o", "s"} {
		data := []byte(request)
		if n := testing.AllocsPerRun(100, func() { i.Reply(data, out, meta) }); n != 0 {
			t.Errorf("%q: %v allocations", request, n)
		}
	}
}

func TestCodeDoesNotAllocate(t *testing.T) {
	var code error = core.Code(-12345)
	i := sdk.New(core.HandlerFunc(func([]byte, *core.Datagram) ([]byte, error) { return nil, code }), false, new(logged).log)
	i.Window(100)
	out, meta := make([]byte, 200), metaBlock()
	if n := testing.AllocsPerRun(100, func() { i.Reply(nil, out, meta) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// The reply is the same wherever the handler built it, even on top of the room.
func TestReplyOverlapping(t *testing.T) {
	i := sdk.New(core.HandlerFunc(func(dst []byte, _ *core.Datagram) ([]byte, error) {
		return append(dst, "xxabc"...)[2:], nil
	}), false, new(logged).log)
	i.Window(100)
	if n, out := ask(i, "", 5); n != 3 || !bytes.Equal(out[:3], []byte("abc")) {
		t.Errorf("%d, %q", n, out)
	}
}
