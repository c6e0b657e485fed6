package abitest

import (
	"strings"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
)

// TestText is what people read.
func TestText(t *testing.T) {
	r := &Report{
		Name: "bad\nname.wasm", LoadTime: 2345 * time.Microsecond, StartFuel: 7,
		Module: Facts{
			Size: 1, SHA256: "00ff", Functions: 1, LargestFunction: 12,
			MemoryPages: 1, MemoryMaxPages: 2, TableElements: 3,
			Imports: []string{"env.\x1b[2J"}, Exports: []string{"memory", strings.Repeat("é", 41)},
		},
		Fuel: &Spread{Min: 1, Median: 2, Max: 3, Limit: 10_000_000},
		Figures: []Figure{
			{Size: 0, Reply: "silence", Fuel: 1},
			{Size: 65507, Reply: "1 byte", Fuel: 12, Nanos: 61.4, Stable: true},
		},
		Checks: []Check{
			{"load", Pass, "a handler"}, {"sizes", Fail, "a request of 0 bytes: it traps"}, {"idle", Skip, ""},
		},
	}
	const want = `"bad\nname.wasm" does not conform

  module   1 byte, 1 function, the largest of 12 bytes
  sha256   00ff
  imports  "env.\x1b[2J"
  exports  memory, éééééééééééééééééééééééééééééééééééééééé…
  memory   1 page of 64 KiB to begin with, at most 2
  tables   3 elements to begin with
  loaded   in 2.35ms, with 7 fuel
  fuel     1 to 3 for a datagram, median 2, of 10000000

  request    reply  fuel  ns
        0  silence     1   -
    65507   1 byte    12  61

pass  load   a handler
FAIL  sizes  a request of 0 bytes: it traps
skip  idle
`
	if got := trimLines(r.String()); got != want {
		t.Errorf("it is\n%s\nand must be\n%s", got, want)
	}
	const why = `"bad\nname.wasm" does not conform: sizes: a request of 0 bytes: it traps`
	if err := r.Err(); err == nil || err.Error() != why {
		t.Error(err)
	}
}

// trimLines takes off the blanks at the ends of lines.
func trimLines(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return b.String()
}

// scribbler is a handler whose guest writes over its request.
type scribbler struct{ intact bool }

func (scribbler) Reply(dst []byte, _ *core.Datagram) ([]byte, error) { return dst, nil }
func (s scribbler) RequestIntact([]byte) bool                        { return s.intact }

func TestRequest(t *testing.T) {
	for intact, want := range map[bool]Status{true: Pass, false: Fail} {
		s := &suite{handler: scribbler{intact}}
		if status, detail := s.checkRequest(); status != want {
			t.Errorf("intact %v: %s, %s", intact, status, detail)
		}
	}
}

// TestMalformed checks that malformed requests are of all kinds, follow from their seed, and fit into a datagram.
func TestMalformed(t *testing.T) {
	s := &suite{options: Options{Seed: 7}}
	many, few := s.malformed(5000), s.malformed(50)
	short, long := 0, 0
	for i, request := range many {
		if i < len(few) && string(few[i]) != string(request) {
			t.Errorf("number %d is another one when there are fewer", i)
		}
		switch {
		case len(request) == 0:
			short++
		case len(request) > 1400:
			long++
		}
		if len(request) > core.MaxPayload4 {
			t.Errorf("number %d has %d bytes", i, len(request))
		}
	}
	if short == 0 || long == 0 {
		t.Errorf("%d are empty and %d long", short, long)
	}
	if other := (&suite{options: Options{Seed: 8}}).malformed(1); string(other[0]) == string(many[0]) {
		t.Error("another seed gives the same")
	}
}
