package protocoltest

import (
	"context"
	"log/slog"
	"slices"
	"strings"
)

// reports is what a handler says of what it counted. Those of a guest are lines of its log, for which it is a
// slog.Handler.
type reports []string

var _ slog.Handler = (*reports)(nil)

func (r *reports) add(line string) { *r = append(*r, line) }

// String is the lines in one order: a table of metrics has another one in each instance.
func (r *reports) String() string {
	return strings.Join(slices.Sorted(slices.Values(*r)), "\n")
}

func (r *reports) Enabled(context.Context, slog.Level) bool { return true }

func (r *reports) Handle(_ context.Context, record slog.Record) error {
	r.add(record.Message)
	return nil
}

func (r *reports) WithAttrs([]slog.Attr) slog.Handler { return r }

func (r *reports) WithGroup(string) slog.Handler { return r }
