package wasmhandler_test

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/wasmhandler"
	"github.com/retort-udp/retort/wasmhandler/internal/wasmgen"
)

// FuzzResult has a guest return any number: what comes of it is as the ABI says.
func FuzzResult(f *testing.F) {
	for _, seed := range []int32{0, 1, 100, 101, 65527, 65528, 1 << 30, -1, -2, -3, -99, -100, -101, -1 << 31} {
		f.Add(seed, uint16(100))
	}
	h := forWorker(f, load(f, "result", wasmhandler.Config{FaultAllowance: -1})) // or a source of faults is ignored
	f.Fuzz(func(t *testing.T, result int32, space uint16) {
		d := datagram(string(binary.LittleEndian.AppendUint32(nil, uint32(result))))
		reply, err := h.Reply(room(int(space)), d)
		var fault *wasmhandler.Fault
		var code core.Code
		ok := false
		switch {
		case result >= 0 && result <= int32(min(int(space), core.MaxPayload6)):
			ok = err == nil && reply != nil && len(reply) == int(result)
		case result == -1:
			ok = err == nil && reply == nil
		case result == -2:
			ok = err == core.ErrMalformed && reply == nil
		case result <= -100:
			ok = errors.As(err, &code) && code == core.Code(result) && reply == nil
		default:
			ok = errors.As(err, &fault) && fault.Cause == wasmhandler.CauseResult && reply == nil
		}
		if !ok {
			t.Errorf("%d with room for %d: %d bytes, %v", result, space, len(reply), err)
		}
	})
}

// FuzzWindow has a guest give any address for its window, in a memory of any size.
func FuzzWindow(f *testing.F) {
	for _, seed := range []uint32{0, 1, 8, 16, 65536, 131056, 131072, 262144, 1 << 31, 0xffff_fff0, 0xffff_ffff} {
		f.Add(seed, uint8(4))
	}
	f.Fuzz(func(t *testing.T, window uint32, pages uint8) {
		b := new(wasmgen.Module)
		b.Memory(uint32(pages))
		m, err := wasmhandler.Compile(context.Background(), b.HandlerAt(window, -1), wasmhandler.Config{Interpreter: true})
		const size = 131127
		fits := window != 0 && window%16 == 0 && uint64(window)+size <= uint64(pages)*65536
		if fits != (err == nil) {
			t.Fatalf("a window at %#x of %d pages: %v", window, pages, err)
		}
		var fault *wasmhandler.Fault
		if err != nil {
			if !errors.As(err, &fault) || fault.Cause != wasmhandler.CauseWindow {
				t.Error(err)
			}
			return
		}
		defer m.Close()
		ask(t, m, datagram(strings.Repeat("x", core.MaxPayload6)))
	})
}

// FuzzHostCall calls every host function with any arguments. A call may fail, the host may not.
func FuzzHostCall(f *testing.F) {
	type function struct{ module, name, params, results string }
	functions := []function{{"retort_v1", "log", "iii", ""}}
	for name, p := range preview1(f) {
		functions = append(functions, function{"wasi_snapshot_preview1", name, p[0], p[1]})
	}
	slices.SortFunc(functions, func(a, b function) int { return strings.Compare(a.name, b.name) })

	// A guest for each, whose arguments lie in the request, eight bytes apart. Many calls are faults.
	c := wasmhandler.Config{Memory: 4 * 65536, Log: slog.New(slog.DiscardHandler), FaultAllowance: -1}
	handlers := make([]core.Handler, len(functions))
	for i, fn := range functions {
		m := new(wasmgen.Module)
		host := m.Import(fn.module, fn.name, fn.params, fn.results)
		var code wasmgen.Code
		for j, p := range fn.params {
			load := byte(0x28) // i32.load
			if p == 'I' {
				load = 0x29
			}
			code = append(code.Get(0), load, 0, byte(8*j)) // of local 0, the request
		}
		code = code.Call(host)
		if fn.results != "" {
			code = code.Op(wasmgen.Drop)
		}
		wasm := m.Handler(m.Function(wasmgen.ReplyParams, "i", code.I32(0)))
		handlers[i] = forWorker(f, compile(f, wasm, c))
	}
	words := func(args ...uint64) (b []byte) {
		for _, a := range args {
			b = binary.LittleEndian.AppendUint64(b, a)
		}
		return b
	}
	const request = 65536 + 64
	for i := range functions {
		f.Add(uint8(i), words(1, request+64, 1, request+128, 0, 0, 0, 0, request+128, 5, 0, 0))
		f.Add(uint8(i), words(request, 1<<18, 1<<18-1, 4, 5, 6, 7, 8, 9))
		f.Add(uint8(i), words(2, 0xffff_fff8, 1024, 0xffff_fffc, 1<<32-1))
	}
	f.Fuzz(func(t *testing.T, which uint8, arguments []byte) {
		if len(arguments) > core.MaxPayload6 {
			return
		}
		h := handlers[int(which)%len(handlers)]
		d := datagram(string(arguments))
		reply, err := h.Reply(room(1), d)
		var fault *wasmhandler.Fault
		if err != nil && !errors.As(err, &fault) || err == nil && reply == nil {
			t.Errorf("%q, %v", reply, err)
		}
	})
}

// FuzzLog logs anything: it is one line, without what could make it two or disguise it.
func FuzzLog(f *testing.F) {
	for _, seed := range []string{"", "plain", "two\nlines", "\x1b[31mred", "\xff\xfe", "\u202e", strings.Repeat("é", 600)} {
		f.Add(seed)
	}
	var log record
	h := forWorker(f, load(f, "log", wasmhandler.Config{Log: slog.New(&log)}))
	now := arrival
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > core.MaxPayload6-4 {
			return
		}
		log.messages = nil
		now = now.Add(time.Second) // to stay below the limit
		d := logRequest(0, text)
		d.Time = now
		ask(t, h, d)
		if len(log.messages) != 1 {
			t.Fatalf("%d records", len(log.messages))
		}
		for _, r := range log.messages[0] {
			if r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 || r >= 0x202a && r <= 0x202e || r >= 0xd800 && r < 0xe000 {
				t.Errorf("%U got through", r)
			}
		}
	})
}

// record is a slog.Handler that keeps messages as they are.
type record struct {
	slog.Handler
	messages []string
}

func (r *record) Enabled(context.Context, slog.Level) bool { return true }

func (r *record) Handle(_ context.Context, rec slog.Record) error {
	r.messages = append(r.messages, rec.Message)
	return nil
}
