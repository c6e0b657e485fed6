package server_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/reply"
	"github.com/retort-udp/retort/core/server"
)

// idler counts its moments.
type idler struct {
	reply.Length
	idle   atomic.Int64
	panics bool
}

func (i *idler) Idle() {
	i.idle.Add(1)
	if i.panics {
		panic("no rest")
	}
}

func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		quiet := &idler{panics: true}
		var log bytes.Buffer
		h := open(t, &server.Server{Handler: quiet, Log: slog.New(slog.NewTextHandler(&log, nil))})
		stop := h.serve()
		for range 20 { // 200 ms: at 0, 100 and 200
			h.ask(t, "")
			time.Sleep(10 * time.Millisecond)
		}
		h.ask(t, "")
		if err := stop(); err != nil {
			t.Error(err)
		}
		if got := quiet.idle.Load(); got != 3 {
			t.Errorf("%d moments in 200 ms, want 3", got)
		}
		if !strings.Contains(log.String(), "no rest") {
			t.Errorf("the panic of an Idler is not in the log:\n%s", &log)
		}
	})
}

func TestIdleWaitsWhileDatagramsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := new(idler)
		h := open(t, &server.Server{Handler: busy})
		h.conn.BatchSize = 1
		var order []string
		handler := core.HandlerFunc(func(dst []byte, d *core.Datagram) ([]byte, error) {
			order = append(order, fmt.Sprint(d.Data[0], " after ", busy.idle.Load()))
			return nil, nil
		})
		h.Handler = struct {
			core.HandlerFunc
			core.Idler
		}{handler, busy}
		for i := range byte(3) {
			h.peer.Send(listener, []byte{i})
		}
		if err := h.serve()(); err != nil {
			t.Error(err)
		}
		if want := []string{"0 after 0", "1 after 0", "2 after 0"}; !slices.Equal(order, want) || busy.idle.Load() != 1 {
			t.Errorf("%q, then %d moments", order, busy.idle.Load())
		}
	})
}
