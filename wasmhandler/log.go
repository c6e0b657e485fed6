package wasmhandler

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/retort-udp/retort/wasmhandler/abi"

	"github.com/tetratelabs/wazero/api"
)

// MaxLogLines is how many lines a second the guests of one Module may log, in all.
const MaxLogLines = 100

var background = context.Background()

// guestLog is retort_v1.log: (level, ptr, len i32).
func guestLog(in *instance, memory api.Memory, args []uint64) errno {
	level, ptr, size := int32(args[0]), uint32(args[1]), uint32(args[2])
	text, ok := memory.Read(ptr, size)
	if !ok {
		detail := fmt.Sprintf("it logged %d bytes at %#x, outside its memory", size, ptr)
		panic(&hostTrap{cause: CauseBounds, detail: detail})
	}
	in.charge(hostByteFuel * uint64(min(size, abi.MaxLog)))
	in.log(min(max(slog.Level(level), slog.LevelDebug), slog.LevelError), text[:min(size, abi.MaxLog)], int(size))
	return errnoSuccess
}

// log hands a line of the guest to the log: what is left, after cutting, of so many bytes.
func (in *instance) log(level slog.Level, line []byte, size int) {
	m := in.module
	if level >= slog.LevelError {
		in.console.remember(line)
	}
	log := m.config.Log
	if log == nil {
		m.counters.logDropped.Add(1)
		return
	}
	if !log.Enabled(background, level) {
		return
	}
	ok, dropped := m.counters.guestLines.allow(in.clock, MaxLogLines)
	if !ok {
		m.counters.logDropped.Add(1)
		return
	}
	m.counters.logLines.Add(1)
	attrs := []slog.Attr{slog.String("handler", m.config.Name)}
	if cut := size - len(line); cut > 0 {
		attrs = append(attrs, slog.Int("cut", cut))
	}
	if dropped > 0 {
		attrs = append(attrs, slog.Uint64("dropped", dropped))
	}
	log.LogAttrs(background, level, clean(string(line)), attrs...)
}

// console collects what a guest prints until there is a line of it to log.
type console struct {
	out, err partialLine
	said     []byte // see Fault.Said
}

type partialLine struct {
	text []byte
	cut  int // bytes that did not fit
}

// print takes what a guest wrote to standard output or error.
func (in *instance) print(to *partialLine, level slog.Level, text []byte) {
	for len(text) > 0 {
		line, rest, ended := bytes.Cut(text, []byte("\n"))
		to.add(line)
		if ended {
			in.endLine(to, level)
		}
		text = rest
	}
}

func (l *partialLine) add(text []byte) {
	fits := min(len(text), abi.MaxLog-len(l.text))
	l.text = append(l.text, text[:fits]...)
	l.cut += len(text) - fits
}

// endLine logs a line that is complete. Empty ones tell nothing.
func (in *instance) endLine(l *partialLine, level slog.Level) {
	if len(l.text) > 0 {
		if l == &in.console.err {
			in.console.remember(l.text)
		}
		in.log(level, l.text, len(l.text)+l.cut)
	}
	l.text, l.cut = l.text[:0], 0
}

// The levels of what guests print.
const (
	levelStdout = slog.LevelInfo
	levelStderr = slog.LevelWarn
)

// flush logs lines that lack their newline, for the guest ends here.
func (in *instance) flush() {
	in.endLine(&in.console.out, levelStdout)
	in.endLine(&in.console.err, levelStderr)
}

// remember keeps the first line that says what is wrong. One that ends with a colon announces the next,
// as those of Rust's panics do.
func (c *console) remember(line []byte) {
	const most = 256
	if len(c.said) > 0 && (c.said[len(c.said)-1] != ':' || len(line) == 0) || len(c.said) >= most {
		return
	}
	if len(c.said) > 0 {
		c.said = append(c.said, ' ')
	}
	line = line[:min(len(line), most)]
	c.said = append(c.said, clean(string(line))...)
}

// quote is what was said, ready to be put behind a message.
func (c *console) quote() string {
	if len(c.said) == 0 {
		return ""
	}
	return fmt.Sprintf(": %q", c.said)
}

// clean makes a guest's text one harmless line: what would break it, move the cursor, hide or reorder text, or is
// not UTF-8 becomes a replacement character; tabs and newlines become spaces, at the end nothing.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t', r == '\n', r == '\r':
			return ' '
		case r != ' ' && !unicode.IsPrint(r):
			return utf8.RuneError
		}
		return r
	}, strings.TrimRight(text, "\t\n\r "))
}

// limiter lets so many events pass in a second. The seconds are those of datagrams' arrivals, not of a clock.
type limiter struct {
	state   atomic.Uint64 // the second, shifted left by 32, and how many passed in it
	skipped atomic.Uint64 // since one passed
}

// allow tells whether an event at now, in nanoseconds since the Unix epoch, may pass, and if so how many were
// held back before it. Workers' clocks differ by a batch's time, so that a second may not end for all at once;
// one that is far behind means that the clock was set back.
func (l *limiter) allow(now uint64, limit uint32) (ok bool, skipped uint64) {
	second := uint32(now / uint64(time.Second))
	for {
		old := l.state.Load()
		next := old + 1
		if d := int32(second - uint32(old>>32)); d > 0 || d < -1 {
			next = uint64(second)<<32 | 1
		} else if uint32(old) >= limit {
			l.skipped.Add(1)
			return false, 0
		}
		if l.state.CompareAndSwap(old, next) {
			return true, l.skipped.Swap(0)
		}
	}
}
