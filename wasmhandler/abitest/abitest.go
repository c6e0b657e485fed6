// Package abitest says whether a WebAssembly module is a good handler: it loads it as a server would, asks it what
// handlers tend to trip over, and reports what it found.
//
//	report, err := abitest.Run(ctx, "length.wasm", wasm, abitest.Options{})
//	fmt.Print(report)
//
// It needs no socket and no file. In a Go test, [Test] does the same and reports each check as a subtest.
//
// A module conforms when no check fails. What the checks are is said at the table in checks.go; what a handler must
// do is said in abi.md beside package abi.
package abitest

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/retort-udp/retort/core/vectors"
	"github.com/retort-udp/retort/wasmhandler"
)

// Options say what a module is checked with. The zero Options are good ones.
type Options struct {
	// Config is how the module is run: its limits, cache and compiler. Name, Seed, Vectors, Fallback and
	// FaultAllowance have no effect: the package sets them. Where CacheDir is empty, a temporary one is used,
	// for the module is loaded more than once, and where Loaded is zero, always the same time.
	Config wasmhandler.Config

	// Settings are the operator's configuration of the handler. Default: those of Vectors; if there are none, it
	// is not configured.
	Settings []byte

	// Vectors are what the handler must answer. Default: none.
	Vectors *vectors.File

	// Seed is what the malformed requests follow from, and the guest's random numbers. Default: 1.
	Seed uint64

	// Quick leaves out what takes long: fewer malformed requests, no second load to compare with, no times. What
	// is left takes milliseconds beyond the loading of the module.
	Quick bool
}

// Run checks a module. A module that does not conform, or is none, is no error but a Report that says so; an error
// is that ctx ended, or that something of this machine failed.
//
// A call of the guest cannot be interrupted, but Config's limits of fuel bound it; Run looks at ctx between them.
func Run(ctx context.Context, name string, wasm []byte, o Options) (*Report, error) {
	if o.Seed == 0 {
		o.Seed = 1
	}
	if o.Settings == nil && o.Vectors != nil && o.Vectors.Config != nil {
		o.Settings = o.Vectors.Config.Bytes()
	}
	o.Config.Name, o.Config.Seed = name, o.Seed
	o.Config.Vectors, o.Config.Fallback, o.Config.FaultAllowance = nil, nil, -1
	if o.Config.Loaded.IsZero() {
		o.Config.Loaded = datagram(nil).Time.Add(-time.Second)
	}
	if o.Config.CacheDir == "" && !o.Quick {
		dir, err := os.MkdirTemp("", "retort-abitest-")
		if err != nil {
			return nil, fmt.Errorf("a directory for compiled code: %w", err)
		}
		defer os.RemoveAll(dir)
		o.Config.CacheDir = dir
	}
	s := &suite{ctx: ctx, wasm: wasm, options: o, report: newReport(name, wasm, o.Quick)}
	s.run()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("checking %s: %w", plain(name), err)
	}
	return s.report, nil
}

// Test is Run for a Go test: each check is a subtest.
func Test(t *testing.T, name string, wasm []byte, o Options) {
	t.Helper()
	report, err := Run(t.Context(), name, wasm, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range report.Checks {
		t.Run(c.Name, func(t *testing.T) {
			switch c.Status {
			case Fail:
				t.Error(c.Detail)
			case Skip:
				t.Skip(c.Detail)
			}
		})
	}
}
