package transcript_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/retort-udp/retort/native/cmd/retort/internal/transcript"
)

// TestReport: lines that are lost are told of, no more often than asked for and in one line each time.
func TestReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		p := transcript.Start(g, []byte("head\n"))
		r := p.Recorder(transcript.MinBuffer)
		var lines bytes.Buffer
		ctx, cancel := context.WithCancel(t.Context())
		go p.Report(ctx, slog.New(slog.NewTextHandler(&lines, nil)), 10*time.Second)

		for range 100 { // 100 seconds
			for range 1000 {
				r.Record(transcript.Said, peer, []byte("text"))
			}
			time.Sleep(time.Second)
		}
		time.Sleep(time.Minute) // nothing new is lost
		cancel()
		synctest.Wait()
		if n := strings.Count(lines.String(), "\n"); n != 10 {
			t.Errorf("%d lines in 100 seconds:\n%s", n, &lines)
		}
		close(g.open)
		p.Close(t.Context())
	})
}

func TestReportFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := transcript.Start(&failing{}, []byte("head\n"))
		var lines bytes.Buffer
		ctx, cancel := context.WithCancel(t.Context())
		go p.Report(ctx, slog.New(slog.NewTextHandler(&lines, nil)), time.Second)
		time.Sleep(time.Minute)
		cancel()
		synctest.Wait()
		if n := strings.Count(lines.String(), "standard output cannot be written"); n != 1 {
			t.Errorf("told %d times:\n%s", n, &lines)
		}
		p.Close(t.Context())
	})
}
