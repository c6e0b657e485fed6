package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/coretest"
	"github.com/retort-udp/retort/core/reply"
	"github.com/retort-udp/retort/core/server"
)

// perWorker counts its instances.
type perWorker struct {
	open, closed atomic.Int64
	failAt       int64 // which instance cannot be made; 0: none
	closeErr     error
}

func (p *perWorker) Reply([]byte, *core.Datagram) ([]byte, error) {
	return nil, errors.New("only instances answer")
}

func (p *perWorker) ForWorker() (core.Handler, error) {
	if n := p.open.Add(1); n == p.failAt {
		p.open.Add(-1)
		return nil, errors.New("out of instances")
	}
	return &instance{of: p}, nil
}

type instance struct {
	of    *perWorker
	count int // not shared: the race detector watches
}

func (i *instance) Reply(dst []byte, _ *core.Datagram) ([]byte, error) {
	i.count++
	return fmt.Append(dst, i.count), nil
}

func (i *instance) Close() error {
	i.of.closed.Add(1)
	return i.of.closeErr
}

func TestEachConnHasItsWorker(t *testing.T) {
	n := coretest.NewNetwork(coretest.Faults{})
	var conns []core.Conn
	for range 3 {
		c, err := n.Listen(anybody)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	peer, err := n.Peer(anybody)
	if err != nil {
		t.Fatal(err)
	}
	handler := new(perWorker)
	s := &server.Server{Handler: handler}
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() { result <- s.Serve(ctx, conns...) }()
	for round := 1; round <= 3; round++ {
		for _, c := range conns {
			peer.Send(c.LocalAddr(), nil)
			got, from, err := peer.Receive(t.Context())
			if err != nil || from != c.LocalAddr() || string(got) != fmt.Sprint(round) {
				t.Errorf("round %d: %q from %v, %v", round, got, from, err)
			}
		}
	}
	cancel()
	if err := <-result; err != nil {
		t.Error(err)
	}
	if o, c := handler.open.Load(), handler.closed.Load(); o != 3 || c != 3 {
		t.Errorf("%d instances opened, %d closed", o, c)
	}
	if got := s.Stats().Received; got != 9 {
		t.Errorf("received %d over three workers", got)
	}
}

func TestServeRefusesToBegin(t *testing.T) {
	broken := &perWorker{failAt: 2}
	h := open(t, &server.Server{Handler: broken})
	second, err := h.network.Listen(anybody)
	if err != nil {
		t.Fatal(err)
	}
	err = h.Serve(t.Context(), h.conn, second)
	if err == nil || !strings.Contains(err.Error(), "out of instances") || !strings.Contains(err.Error(), second.LocalAddr().String()) {
		t.Errorf("Serve returned %v", err)
	}
	if o, c := broken.open.Load(), broken.closed.Load(); o != 1 || c != 1 {
		t.Errorf("%d instances opened, %d closed", o, c)
	}
	if err := new(server.Server).Serve(t.Context(), h.conn); err == nil || !strings.Contains(err.Error(), "no Handler") {
		t.Errorf("without a handler: %v", err)
	}
	if err := h.Serve(t.Context()); err == nil || !strings.Contains(err.Error(), "no Conn") {
		t.Errorf("without a Conn: %v", err)
	}
}

// brokenConn fails as told.
type brokenConn struct {
	*coretest.Conn
	receive, send error
}

func (c *brokenConn) Receive(b *core.Batch) error {
	if c.receive != nil {
		return c.receive
	}
	return c.Conn.Receive(b)
}

func (c *brokenConn) Send(b *core.Batch) error {
	if c.send != nil {
		return c.send
	}
	return c.Conn.Send(b)
}

// A Conn that fails ends Serve, and the workers beside it.
func TestServeEndsWhenAConnFails(t *testing.T) {
	cause := errors.New("the cable is cut")
	for _, fails := range []*brokenConn{{receive: cause}, {send: cause}} {
		h := open(t, &server.Server{Handler: reply.Length{}})
		second, err := h.network.Listen(anybody)
		if err != nil {
			t.Fatal(err)
		}
		fails.Conn = h.conn
		h.peer.Send(listener, nil)
		if err := h.Serve(t.Context(), second, fails); !errors.Is(err, cause) {
			t.Errorf("Serve returned %v", err)
		}
	}
}

func TestServeReportsWhatCloseSays(t *testing.T) {
	h := open(t, &server.Server{Handler: &perWorker{closeErr: io.ErrUnexpectedEOF}})
	if err := h.serve()(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Serve returned %v", err)
	}
}

// When its context ends the Server goes on for the time of Drain, and what had arrived by then is
// answered.
func TestDrain(t *testing.T) {
	for _, tt := range []struct {
		drain, want time.Duration
	}{
		{0, server.DefaultDrain},
		{-1, 0},
		{time.Minute, time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := open(t, &server.Server{Handler: reply.Length{}, Drain: tt.drain})
			stop := h.serve()
			synctest.Wait()
			for range 100 {
				h.peer.Send(listener, nil)
			}
			began := time.Now()
			if err := stop(); err != nil {
				t.Error(err)
			}
			if took := time.Since(began); took != tt.want {
				t.Errorf("Drain %v: Serve took %v to end", tt.drain, took)
			}
			if tt.want > 0 && h.peer.Waiting() != 100 {
				t.Errorf("Drain %v: %d of 100 datagrams were answered", tt.drain, h.peer.Waiting())
			}
		})
	}
}
