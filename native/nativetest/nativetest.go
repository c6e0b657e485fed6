// Package nativetest gives a test a server on a real socket, in one line:
//
//	addr := nativetest.Serve(t, handler)
package nativetest

import (
	"context"
	"net/netip"
	"testing"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/impair"
	"github.com/retort-udp/retort/core/server"
	"github.com/retort-udp/retort/native"
)

// Server is a server for a test. The zero value, with a Handler, is a good one.
type Server struct {
	server.Server

	// Address is where it listens. Default: a free port of 127.0.0.1.
	Address string

	// Options are those of its sockets. Default: one worker, so that a handler with state has one state.
	Options native.Options

	// Impair is what goes wrong on the way to it and back.
	Impair impair.Settings
}

// Serve serves h on a free port of 127.0.0.1 until the test ends, and returns the address. The test fails when the
// server does.
func Serve(t testing.TB, h core.Handler) netip.AddrPort {
	t.Helper()
	return (&Server{Server: server.Server{Handler: h}}).Start(t)
}

// Start serves until the test ends, and returns the address. The test fails when the server does.
func (s *Server) Start(t testing.TB) netip.AddrPort {
	t.Helper()
	address, options := s.Address, s.Options
	if address == "" {
		address = "127.0.0.1:0"
	}
	if options.Workers == 0 {
		options.Workers = 1
	}
	conns, err := native.Listen(address, options)
	if err != nil {
		t.Fatal(err)
	}
	addr := conns[0].LocalAddr()
	if s.Impair.Any() {
		for worker, c := range conns {
			if conns[worker], err = native.Impair(c, s.Impair, worker); err != nil {
				t.Fatal(err)
			}
		}
	}
	ctx, end := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, conns...) }()
	t.Cleanup(func() {
		end()
		if err := <-served; err != nil {
			t.Errorf("the server at %v: %v", addr, err)
		}
		for _, c := range conns {
			if err := c.Close(); err != nil {
				t.Errorf("close %v: %v", addr, err)
			}
		}
	})
	return addr
}
