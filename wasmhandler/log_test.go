package wasmhandler_test

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/wasmhandler"
	"github.com/retort-udp/retort/wasmhandler/abi"
)

// logRequest makes testdata/log.wat log text.
func logRequest(level int32, text string) *core.Datagram {
	return datagram(string(binary.LittleEndian.AppendUint32(nil, uint32(level))) + text)
}

// TestLog logs what guests might, and worse.
func TestLog(t *testing.T) {
	engines(t, func(t *testing.T, c wasmhandler.Config) {
		var log logged
		c.Name, c.Log = "chatty", log.logger(slog.LevelDebug)
		h := forWorker(t, load(t, "log", c))
		long := strings.Repeat("x", abi.MaxLog)
		for _, test := range []struct {
			level      int32
			text, want string
		}{
			{-4, "hello", "level=DEBUG msg=hello handler=chatty"},
			{0, "hello, world", `level=INFO msg="hello, world" handler=chatty`},
			{4, "", `level=WARN msg="" handler=chatty`},
			{8, "naïve ✓", `level=ERROR msg="naïve ✓" handler=chatty`},
			{math.MaxInt32, "a", "level=ERROR msg=a handler=chatty"},
			{math.MinInt32, "a", "level=DEBUG msg=a handler=chatty"},
			{1, "a", "level=INFO+1 msg=a handler=chatty"},
			{0, "ends\r\n\n", "level=INFO msg=ends handler=chatty"},
			{0, "two\nlevel=ERROR msg=forged", `level=INFO msg="two level=ERROR msg=forged" handler=chatty`},
			{0, "tab\tcr\rnul\x00esc\x1b[2Jdel\x7f", `level=INFO msg="tab cr nul�esc�[2Jdel�" handler=chatty`},
			{0, "c1\u0085sep\u2028bidi\u202ebom\ufeff", `level=INFO msg="c1�sep�bidi�bom�" handler=chatty`},
			{0, "not \xff\xfe UTF-8 \xe2\x9c", `level=INFO msg="not �� UTF-8 ��" handler=chatty`},
			{0, long, "level=INFO msg=" + long + " handler=chatty"},
			{0, long + "y", "level=INFO msg=" + long + " handler=chatty cut=1"},
			{0, strings.Repeat("x", 60_000), "level=INFO msg=" + long + fmt.Sprintf(" handler=chatty cut=%d", 60_000-abi.MaxLog)},
		} {
			ask(t, h, logRequest(test.level, test.text))
			if got := log.lines(); !slices.Equal(got, []string{test.want}) {
				t.Errorf("level %d, %.40q:\n\t%q\nwant\n\t%q", test.level, test.text, got, test.want)
			}
		}
	})
}

// TestLogLimit logs more than there may be in a second, from two workers.
func TestLogLimit(t *testing.T) {
	var log logged
	m := load(t, "log", wasmhandler.Config{Log: log.logger(slog.LevelInfo)})
	handlers := []core.Handler{forWorker(t, m), forWorker(t, m)}
	d := logRequest(0, "x")
	d.Time = time.Unix(1000, 0)
	for i := range 250 {
		ask(t, handlers[i%2], d)
	}
	if n := len(log.lines()); n != wasmhandler.MaxLogLines {
		t.Errorf("%d lines in one second", n)
	}
	if s := m.Stats(); s.LogLines != 100 || s.LogDropped != 150 {
		t.Errorf("%+v", s)
	}
	d.Time = d.Time.Add(time.Second)
	ask(t, handlers[0], d)
	ask(t, handlers[0], d)
	want := []string{"level=INFO msg=x handler=wasm dropped=150", "level=INFO msg=x handler=wasm"}
	if got := log.lines(); !slices.Equal(got, want) {
		t.Errorf("in the next second: %q", got)
	}
}

// TestLogLevel logs below the level that the log takes: that is neither written nor dropped.
func TestLogLevel(t *testing.T) {
	var log logged
	m := load(t, "log", wasmhandler.Config{Log: log.logger(slog.LevelWarn)})
	h := forWorker(t, m)
	for range 200 {
		ask(t, h, logRequest(0, "x"))
	}
	ask(t, h, logRequest(4, "y"))
	if got := log.lines(); !slices.Equal(got, []string{"level=WARN msg=y handler=wasm"}) {
		t.Errorf("%q", got)
	}
	if s := m.Stats(); s.LogLines != 1 || s.LogDropped != 0 {
		t.Errorf("%+v", s)
	}
}
