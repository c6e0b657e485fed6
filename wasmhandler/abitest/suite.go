package abitest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/wasmhandler"
)

// suite is one run of the checks.
type suite struct {
	ctx     context.Context
	wasm    []byte
	options Options
	report  *Report

	module  *wasmhandler.Module // nil: it was not loaded
	handler core.Handler        // an instance of it
	memory  []byte              // the room for replies, between two strips
	blank   []byte              // what is in it before it is used: canaries
	ended   string              // why there is nothing more to find out
}

// run runs the checks in their order.
func (s *suite) run() {
	defer s.close()
	s.report.OK = true
	for _, c := range checks {
		status, detail := Skip, s.ended
		switch {
		case s.ctx.Err() != nil:
			return
		case s.ended != "":
		case c.thorough && s.options.Quick:
			continue
		default:
			status, detail = c.run(s)
			detail = oneLine(strings.ReplaceAll(detail, s.prefix(), ""))
		}
		s.report.Checks = append(s.report.Checks, Check{c.name, status, detail})
		if status == Fail {
			s.report.OK = false
		}
	}
	s.sumFuel()
	if !s.options.Quick && s.handler != nil {
		s.measure()
	}
}

func (s *suite) close() {
	if c, ok := s.handler.(io.Closer); ok {
		_ = c.Close() // it was judged by its replies
	}
	if s.module != nil {
		_ = s.module.Close()
	}
}

// prefix is how the host's errors begin. It says nothing that the report's own name does not.
func (s *suite) prefix() string { return fmt.Sprintf("handler %q: ", s.options.Config.Name) }

// oneLine keeps what a module put into an error from breaking the report.
func oneLine(text string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == '\n' || c == '\t':
			return ' '
		case !unicode.IsPrint(c):
			return unicode.ReplacementChar
		}
		return c
	}, text)
}

// What a check returns.
func pass(format string, args ...any) (Status, string) { return Pass, fmt.Sprintf(format, args...) }
func fail(format string, args ...any) (Status, string) { return Fail, fmt.Sprintf(format, args...) }
func skip(format string, args ...any) (Status, string) { return Skip, fmt.Sprintf(format, args...) }

// end keeps the checks that follow from being run.
func (s *suite) end(format string, args ...any) { s.ended = fmt.Sprintf(format, args...) }

// load makes another Module with the same options, so that nothing was asked of it yet.
func (s *suite) load(settings []byte) (*wasmhandler.Module, error) {
	m, err := wasmhandler.Compile(s.ctx, s.wasm, s.options.Config)
	if err != nil || settings == nil {
		return m, err
	}
	if err := m.Configure(settings); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// outcome is what became of a request.
type outcome struct {
	kind  string // "reply", "silence", "malformed", "oversize", "code -123" or "fault"
	reply []byte // of a reply
	err   error  // of a fault: the guest's, or a breach of the contract by whoever runs it
	fuel  uint64 // 0: not known
}

const fault = "fault"

// String is short enough for a table.
func (o outcome) String() string {
	if o.kind != "reply" {
		return o.kind
	}
	return count(len(o.reply), "byte")
}

func (o outcome) equal(p outcome) bool {
	return o.kind == p.kind && bytes.Equal(o.reply, p.reply) && o.fuel == p.fuel
}

// ask has h answer a request, with room for so many bytes between two strips of canaries.
func (s *suite) ask(h core.Handler, request []byte, limit int) (o outcome) {
	const strip, canary = 64, 0xa5
	if s.memory == nil {
		s.memory = make([]byte, strip+core.MaxPayload6+strip)
		s.blank = bytes.Repeat([]byte{canary}, len(s.memory))
	}
	memory := s.memory[:strip+limit+strip]
	copy(memory, s.blank)
	d := datagram(request)
	before := *d

	reply, err := h.Reply(memory[strip:strip:strip+limit], d)

	if used, ok := h.(wasmhandler.FuelMeter); ok {
		o.fuel = used.FuelUsed()
	}
	isBlank := func(b []byte) bool { return bytes.Equal(b, s.blank[:len(b)]) }
	var code core.Code
	switch {
	case !isBlank(memory[:strip]) || !isBlank(memory[strip+limit:]):
		o.kind, o.err = fault, errors.New("bytes were written outside the room for the reply")
	case !bytes.Equal(d.Data, request) || d.From != before.From || d.To != before.To || !d.Time.Equal(before.Time):
		o.kind, o.err = fault, errors.New("the datagram was changed")
	case err != nil && reply != nil:
		o.kind, o.err = fault, fmt.Errorf("there is a reply beside the error: %w", err)
	case errors.Is(err, core.ErrMalformed):
		o.kind = "malformed"
	case errors.As(err, &code):
		o.kind = fmt.Sprintf("code %d", code)
	case err != nil:
		o.kind, o.err = fault, err
	case reply == nil:
		o.kind = "silence"
	case len(reply) > limit:
		o.kind = "oversize"
	default:
		o.kind, o.reply = "reply", slices.Clone(reply)
	}
	return o
}

// datagram carries a request from and to addresses that are examples (RFC 5737, RFC 3849).
func datagram(request []byte) *core.Datagram {
	peer, local := "192.0.2.1:40000", "198.51.100.1:1060"
	if len(request) > core.MaxPayload4 {
		peer, local = "[2001:db8::1]:40000", "[2001:db8::2]:1060"
	}
	return &core.Datagram{
		Data: slices.Clone(request),
		From: netip.MustParseAddrPort(peer),
		To:   netip.MustParseAddrPort(local),
		Time: time.Date(2026, 11, 22, 13, 40, 0, 123456000, time.UTC),
	}
}

// faults is how many there were so far, those that no caller was told of included.
func (s *suite) faults() (n uint64) {
	for _, faults := range s.module.Stats().Faults {
		n += faults
	}
	return n
}
