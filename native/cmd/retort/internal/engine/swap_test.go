package engine_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/native/cmd/retort/internal/engine"
	"github.com/retort-udp/retort/native/cmd/retort/internal/race"
	"github.com/retort-udp/retort/wasmhandler"
)

// counting echoes, and counts that.
type counting struct{ n *atomic.Uint64 }

func (c counting) Reply(dst []byte, d *core.Datagram) ([]byte, error) {
	c.n.Add(1)
	return append(dst, d.Data...), nil
}

// TestSwapsUnderLoad: while clients keep a server as busy as they can, its handler is replaced a thousand times, by
// a module and by one that is built in. Every request is answered, and none twice.
func TestSwapsUnderLoad(t *testing.T) {
	swaps := 1000
	if testing.Short() || race.Enabled {
		swaps = 100
	}
	wasm, err := os.ReadFile("../../../../../wasmhandler/testdata/echo.wasm")
	if err != nil {
		t.Fatal(err)
	}
	var native, total atomic.Uint64
	next := func(i int) *engine.Handler {
		if i%2 == 0 {
			return &engine.Handler{Name: "native", Handler: counting{&native}}
		}
		m, err := wasmhandler.Compile(t.Context(), wasm, wasmhandler.Config{})
		if err != nil {
			t.Fatal(err)
		}
		return engine.ModuleHandler("module", wasm, m)
	}
	e := newEngine(t)
	l := open(t, e, "busy", e.NewSlot("busy", next(0)))

	ctx, stop := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for range 3 {
		clients.Go(func() {
			n, err := load(ctx, l.Addresses()[0])
			if err != nil {
				t.Error(err)
			}
			total.Add(n)
		})
	}
	for i := range swaps {
		if err := l.Slot().Set(next(i + 1)); err != nil {
			t.Fatal(err)
		}
		for before := l.Stats().Received; l.Stats().Received == before && !t.Failed(); { // each of them serves
			time.Sleep(10 * time.Microsecond)
		}
	}
	stop()
	clients.Wait()
	if err := e.Stop(l); err != nil {
		t.Error(err)
	}
	stats := l.Stats()
	if stats.Received != total.Load() || stats.Replied != total.Load() {
		t.Errorf("of %d requests %d were received and %d answered", total.Load(), stats.Received, stats.Replied)
	}
	if n := native.Load(); n == 0 || n == stats.Replied || l.Slot().Swaps() != uint64(swaps) {
		t.Errorf("after %d swaps the handler that is built in has answered %d of %d", l.Slot().Swaps(), n, stats.Replied)
	}
	t.Logf("%d requests, %d swaps", total.Load(), swaps)
}

// load asks without a pause until ctx ends, with so many requests on their way that no buffer overflows, and expects
// each to be answered once. It returns how many that were.
func load(ctx context.Context, server netip.AddrPort) (uint64, error) {
	const window = 32
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(server))
	if err != nil {
		return 0, err
	}
	defer c.Close()
	var sent, answered uint64
	waiting := make(map[uint64]bool)
	request, reply := make([]byte, 8), make([]byte, 64)
	for ctx.Err() == nil || len(waiting) > 0 {
		for ctx.Err() == nil && len(waiting) < window {
			binary.BigEndian.PutUint64(request, sent)
			if _, err := c.Write(request); err != nil {
				return sent, err
			}
			waiting[sent] = true
			sent++
		}
		if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			return sent, err
		}
		n, err := c.Read(reply)
		if err != nil {
			return sent, fmt.Errorf("%d requests are lost: %w", len(waiting), err)
		}
		id := binary.BigEndian.Uint64(reply)
		if n != 8 || !waiting[id] {
			return sent, fmt.Errorf("%d bytes, for request %d of %d: it was answered before, or never asked", n, id, sent)
		}
		delete(waiting, id)
		answered++
	}
	// Whatever was answered twice is here by now, or arrives behind the answer to one more request.
	binary.BigEndian.PutUint64(request, sent)
	if _, err := c.Write(request); err != nil {
		return sent, err
	}
	if n, err := c.Read(reply); err != nil || n != 8 || binary.BigEndian.Uint64(reply) != sent {
		return sent, fmt.Errorf("after the end: %x, %v", reply[:n], err)
	}
	return answered + 1, nil
}
