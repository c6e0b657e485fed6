package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/retort-udp/retort/native/cmd/retort/internal/lossy"
)

// forgeries are texts that want to be more than a value: another line, another attribute, or what a terminal obeys.
var forgeries = []string{
	"x\ntime=2026-01-01T00:00:00Z level=ERROR msg=\"all is lost\"",
	"x\r\nlevel=ERROR",
	"x\rlevel=ERROR",
	"x\" level=ERROR msg=\"forged",
	"x\",\"level\":\"ERROR\"}\n{\"msg\":\"forged",
	"\x1b[2J\x1b[1;31mred",
	"\x1b]0;title\a",
	"\u009b31m, a control sequence of one character",
	"\u202egnp.exe, written backwards",
	"\u2066isolated\u2069",
	"\u2028 and \u2029 end lines for some",
	"\u200b\ufeff, which cannot be seen",
	"\U000e0041\U0001d173, and beyond 16 bits",
	"\x00\b\x7f\v\f\x85",
	"\xff\xfe\xc0\x80, which is no UTF-8",
	strings.Repeat("long\n", 1000),
	`\n is no newline`,
	"",
}

// checkLine says what is wrong with what a log has written of one record.
func checkLine(t *testing.T, format, text string) {
	t.Helper()
	if strings.Count(text, "\n") != 1 || !strings.HasSuffix(text, "\n") {
		t.Fatalf("%s: it is no single line: %q", format, text)
	}
	line := strings.TrimSuffix(text, "\n")
	if !utf8.ValidString(line) {
		t.Errorf("%s: it is no UTF-8: %q", format, line)
	}
	for _, r := range line {
		if r != ' ' && !unicode.IsPrint(r) {
			t.Errorf("%s: it has %U in it: %q", format, r, line)
		}
	}
}

// logForged has somebody log a text wherever one can be.
func logForged(format, text string) string {
	var out bytes.Buffer
	log := newLog(&out, format)
	log.With("name", text).WithGroup("group").LogAttrs(context.Background(), slog.LevelWarn, text,
		slog.String("handler", text), slog.Any("error", errors.New(text)), slog.Any("panic", text),
		slog.Any("list", []string{text}), slog.String(text, "key"))
	return out.String()
}

// TestForgedLines: whatever a guest, a datagram or a file calls itself, a record is one line that shows it, and no
// terminal obeys it.
func TestForgedLines(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		for _, text := range forgeries {
			checkLine(t, format, logForged(format, text))
		}
	}
}

// TestJSONKeepsTexts: a program that reads the log gets the text itself.
func TestJSONKeepsTexts(t *testing.T) {
	for _, text := range forgeries {
		if !utf8.ValidString(text) {
			continue
		}
		var record struct {
			Level, Msg, Name string
			Group            struct{ Handler string }
		}
		if err := json.Unmarshal([]byte(logForged("json", text)), &record); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if record.Level != "WARN" || record.Msg != text || record.Name != text || record.Group.Handler != text {
			t.Errorf("%q has become %+v", text, record)
		}
	}
}

func FuzzForgedLines(f *testing.F) {
	for _, text := range forgeries {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, format := range []string{"text", "json"} {
			checkLine(t, format, logForged(format, text))
		}
	})
}

// stuckWriter is a standard error that nobody reads.
type stuckWriter struct{ free chan struct{} }

func (w stuckWriter) Write(p []byte) (int, error) {
	<-w.free
	return len(p), nil
}

// TestLogDoesNotBlock: a server whose standard error nobody reads logs on, and loses lines.
func TestLogDoesNotBlock(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		stuck := stuckWriter{make(chan struct{})}
		out := lossy.New(stuck, 16<<10)
		out.Start()
		log := newLog(out, format)
		for range 10_000 { // hangs, or does not
			log.Warn("a guest has something to say", "text", forgeries[0])
		}
		if out.Lost() == 0 {
			t.Errorf("%s: nothing was lost", format)
		}
		close(stuck.free)
		closeWithin(patience, out.Close)
	}
}

// TestWholeLines: what the log hands on at once is whole lines, so that lines that are lost are lost whole.
func TestWholeLines(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		log := newLog(lineWriter{t}, format)
		for _, text := range forgeries {
			log.Info(text, "x", text)
		}
	}
}

type lineWriter struct{ t *testing.T }

var _ io.Writer = lineWriter{}

func (w lineWriter) Write(p []byte) (int, error) {
	checkLine(w.t, "a write", string(p))
	return len(p), nil
}
