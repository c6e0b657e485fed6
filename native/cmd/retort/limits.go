package main

import (
	"github.com/spf13/pflag"

	"github.com/retort-udp/retort/native/cmd/retort/internal/flagtype"
	"github.com/retort-udp/retort/wasmhandler"
)

// guestLimits are the flags that bound what a .wasm handler may use up, beside --memory.
type guestLimits struct {
	fuel, startFuel int64
	depth           int64
	frameBytes      flagtype.Size
	tableElements   int64
}

// limitFlags are their names.
var limitFlags = []string{"fuel", "start-fuel", "depth", "frame-bytes", "table-elements"}

func (l *guestLimits) add(flags *pflag.FlagSet) {
	l.frameBytes = wasmhandler.DefaultFrameBytes
	flags.Int64Var(&l.fuel, "fuel", wasmhandler.DefaultFuel,
		"`UNITS`, about one an instruction, that a .wasm handler may use up for a datagram")
	flags.Int64Var(&l.startFuel, "start-fuel", wasmhandler.DefaultStartFuel,
		"`UNITS` that it may use up before its first datagram")
	flags.Int64Var(&l.depth, "depth", wasmhandler.DefaultDepth, "`CALLS` that it may have open at once")
	flags.Var(&l.frameBytes, "frame-bytes", "stack that these may take, estimated generously")
	flags.Int64Var(&l.tableElements, "table-elements", wasmhandler.DefaultTableElements,
		"`ELEMENTS` that its tables may have together")
}

// applyTo puts the limits into c. To a Config zero is its default; who writes a zero means something else.
func (l *guestLimits) applyTo(c *wasmhandler.Config) error {
	frameBytes := int64(l.frameBytes)
	for i, limit := range []struct{ from, to *int64 }{
		{&l.fuel, &c.Fuel}, {&l.startFuel, &c.StartFuel}, {&l.depth, &c.Depth},
		{&frameBytes, &c.FrameBytes}, {&l.tableElements, &c.TableElements},
	} {
		if *limit.from < 1 {
			return about(limitFlags[i], usagef("--%s %d: it must be 1 or more", limitFlags[i], *limit.from))
		}
		*limit.to = *limit.from
	}
	return nil
}
