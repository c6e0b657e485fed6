package engine_test

import (
	"testing"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/reply"
	"github.com/retort-udp/retort/native/cmd/retort/internal/engine"
)

// BenchmarkSlot compares a handler with itself in a slot, as a worker has it.
func BenchmarkSlot(b *testing.B) {
	handler := reply.Length{}
	e := engine.New(nil)
	b.Cleanup(func() { e.Close() })
	slot := e.NewSlot("length", &engine.Handler{Name: "length", Handler: handler})
	worker, err := engine.ForWorker(slot)
	if err != nil {
		b.Fatal(err)
	}
	d, dst := &core.Datagram{Data: make([]byte, 32)}, make([]byte, 0, 64)
	for name, h := range map[string]core.Handler{"alone": handler, "slot": worker} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := h.Reply(dst, d); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
