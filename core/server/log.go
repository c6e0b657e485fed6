package server

import (
	"context"
	"log/slog"
	"time"
)

// logEvery is the least time between two log lines of one kind, for each worker: what a peer can
// cause at will must not fill a disk.
const logEvery = time.Second

// throttle lets one log line through every logEvery and counts the others.
type throttle struct {
	last       time.Time
	suppressed int
}

func (t *throttle) allows(now time.Time) bool {
	if !t.last.IsZero() && now.Sub(t.last) < logEvery {
		t.suppressed++
		return false
	}
	t.last = now
	return true
}

// log writes a line about the datagram at hand, with the number of lines that t held back.
func (w *worker) log(level slog.Level, what string, t *throttle, about ...slog.Attr) {
	if w.server.Log == nil {
		return
	}
	about = append(about, slog.Any("listener", w.conn.LocalAddr()), slog.Any("peer", w.datagram.From))
	if t.suppressed > 0 {
		about = append(about, slog.Int("suppressed", t.suppressed))
		t.suppressed = 0
	}
	w.server.Log.LogAttrs(context.Background(), level, what, about...)
}
