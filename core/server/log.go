package server

import (
	"context"
	"log/slog"
	"time"
)

// The least time between two log lines of one kind, for each worker: what a peer can cause at will must not
// fill a disk. There are a dozen kinds of refusals, and a flood brings several at once.
const (
	logEvery     = time.Second
	refusalEvery = 10 * time.Second
)

// throttle lets one log line through in a while and counts the others.
type throttle struct {
	last       time.Time
	suppressed int
}

func (t *throttle) allows(now time.Time, every time.Duration) bool {
	if !t.last.IsZero() && now.Sub(t.last) < every {
		t.suppressed++
		return false
	}
	t.last = now
	return true
}

// log writes a line about the datagram at hand, with the number of lines that t held back.
func (w *worker) log(level slog.Level, what string, t *throttle, about ...slog.Attr) {
	w.logLine(level, what, t, append(about, slog.Any("peer", w.datagram.From))...)
}

// logLine writes a line, with the number of lines that t held back.
func (w *worker) logLine(level slog.Level, what string, t *throttle, about ...slog.Attr) {
	if w.server.Log == nil {
		return
	}
	about = append(about, slog.Any("listener", w.conn.LocalAddr()))
	if t.suppressed > 0 {
		about = append(about, slog.Int("suppressed", t.suppressed))
		t.suppressed = 0
	}
	w.server.Log.LogAttrs(context.Background(), level, what, about...)
}
