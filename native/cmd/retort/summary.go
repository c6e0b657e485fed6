package main

import (
	"log/slog"
	"maps"
	"slices"
	"strconv"

	"github.com/retort-udp/retort/core/guard"
	"github.com/retort-udp/retort/core/server"
	"github.com/retort-udp/retort/native/cmd/retort/internal/engine"
	"github.com/retort-udp/retort/native/cmd/retort/internal/transcript"
	"github.com/retort-udp/retort/wasmhandler"
)

// summary lists what was counted, but for what is zero.
func summary(s server.Stats, p transcript.Stats) []slog.Attr {
	list := []slog.Attr{slog.Uint64("received", s.Received), slog.Uint64("replied", s.Replied)}
	list = append(list, append(counts{
		{"silent", s.Silent},
		{"withheld", s.Withheld},
		{"released", s.Released},
		{"slipped", s.Slipped},
		{"malformed", s.Malformed},
		{"faults", s.Faults},
		{"panics", s.Panics},
		{"oversize", s.Oversize},
	}, printSummary(p)...).attrs()...)

	var refused, codes counts
	for verdict, n := range s.Refused {
		refused = append(refused, count{guard.Verdict(verdict).String(), n})
	}
	for _, code := range slices.Sorted(maps.Keys(s.Codes)) {
		codes = append(codes, count{strconv.Itoa(int(code)), s.Codes[code]})
	}
	codes = append(codes, count{"other", s.OtherCodes})
	lost := counts{
		{"truncated", s.Losses.Truncated},
		{"kernel", s.Losses.Kernel},
		{"unreachable", s.Losses.Unreachable},
		{"too_long", s.Losses.TooLong},
		{"no_buffer", s.Losses.NoBuffer},
		{"forbidden", s.Losses.Forbidden},
		{"unsent", s.Losses.Unsent},
	}
	if p.Err != nil {
		list = append(list, slog.Any("print_error", p.Err))
	}
	return append(list, // slog leaves out a group without attributes
		slog.GroupAttrs("refused", refused.attrs()...),
		slog.GroupAttrs("codes", codes.attrs()...),
		slog.GroupAttrs("lost", lost.attrs()...),
	)
}

// listenerSummary lists what a listener and its handler have counted.
func listenerSummary(l *engine.Listener, p transcript.Stats) []slog.Attr {
	return append(summary(l.Stats(), p), guestSummary(l.Slot().Stats()))
}

// printSummary lists what printing has counted.
func printSummary(p transcript.Stats) counts {
	return counts{{"not_ascii", p.NonASCII}, {"unprinted", p.Unprinted()}}
}

// guestSummary lists what a .wasm handler has counted, but for what is zero.
func guestSummary(s wasmhandler.Stats) slog.Attr {
	list := counts{
		{"silenced", s.Silenced},
		{"paused", s.Paused},
		{"checks", s.Checks},
		{"unfit", s.Unfit},
		{"restarts", s.Restarts},
		{"failures", s.Failures},
		{"log_dropped", s.LogDropped},
	}
	for cause, n := range s.Faults {
		list = append(list, count{"fault_" + wasmhandler.Cause(cause).String(), n})
	}
	return slog.GroupAttrs("guest", list.attrs()...)
}

type count struct {
	name string
	n    uint64
}

type counts []count

// attrs returns what is not zero.
func (c counts) attrs() (list []slog.Attr) {
	for _, one := range c {
		if one.n > 0 {
			list = append(list, slog.Uint64(one.name, one.n))
		}
	}
	return list
}
