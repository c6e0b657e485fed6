package hostile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/wasmhandler"
)

// Outcome is what a module got.
type Outcome struct {
	// Got is in words, parts of which may be missing:
	//
	//	refused: TEXT                 it was not loaded
	//	fault in CALL: CAUSE          it was not loaded, for a fault of its own
	//	configure: ok                 or refused, or fault (CAUSE): where it can be configured
	//	8 replies                     of the eight datagrams that it was asked; where all of them are the same and
	//	                              short, 8 replies of "TEXT"
	//	2 silent, 2 malformed, 2 codes, 2 oversize, 8 faults (fuel), 8 faults (bounds 7, exit 1), 8 unanswered
	//	is_response: 3 of 8           where it can tell; faults follow behind a comma
	//	idle: ok                      or 1 fault (CAUSE): where it has that moment
	//	100 log lines, more dropped
	Got string

	// Leaked is how many replies show what another datagram said. With IsolateDatagram it must be none.
	Leaked int

	// Broken are the promises to everybody else that were not kept. There must be none.
	Broken []string
}

// Meets says whether the outcome is what a case wants. Of an error, a part of its text is enough.
func (o Outcome) Meets(want string) bool {
	got, refused := strings.CutPrefix(o.Got, "refused: ")
	if part, ok := strings.CutPrefix(want, "refused:"); ok && refused {
		return strings.Contains(got, strings.TrimSpace(part))
	}
	return o.Got == want
}

// Seed is what the random numbers of the corpus's guests follow from.
const Seed = 1

// questions is how many datagrams a module is asked.
const questions = 8

// Run loads a module, asks it, and tells what came of it. Config says how it is run; its name, seed and log are
// Run's own, and no source is silenced for its faults, so that each datagram meets the guest.
func Run(wasm []byte, config wasmhandler.Config) Outcome {
	r := &runner{}
	config.Name, config.Seed, config.Log, config.FaultAllowance = "hostile", Seed, slog.New(r), -1
	m, err := wasmhandler.Compile(context.Background(), wasm, config)
	if err != nil {
		r.refused(err)
		return r.outcome()
	}
	r.configure(m)
	r.serve(m)
	r.idle(m)
	if err := m.Close(); err != nil {
		r.broken("closing it: %v", err)
	}
	r.countLog(m.Stats())
	return r.outcome()
}

// runner collects an Outcome. It is the slog.Handler that hears the module.
type runner struct {
	slog.Handler
	parts    []string
	promises []string
	leaked   int    // replies
	faults   uint64 // that were returned
	reports  int    // of faults, in the log
}

func (r *runner) outcome() Outcome { return Outcome{strings.Join(r.parts, "; "), r.leaked, r.promises} }

func (r *runner) gotf(format string, args ...any) {
	r.parts = append(r.parts, fmt.Sprintf(format, args...))
}

// broken notes a promise that was not kept, once.
func (r *runner) broken(format string, args ...any) {
	if p := fmt.Sprintf(format, args...); !slices.Contains(r.promises, p) {
		r.promises = append(r.promises, p)
	}
}

// fault returns the cause of the fault that err is, "" if it is none. Any error must be one plain line.
func (r *runner) fault(err error) (cause string) {
	r.checkPlain("an error", err.Error())
	var f *wasmhandler.Fault
	if errors.As(err, &f) {
		return f.Cause.String()
	}
	return ""
}

// checkPlain checks that a text can be shown: one line, of a length that can be read, with nothing in it that
// moves the cursor, hides, or turns the direction of text.
func (r *runner) checkPlain(what, text string) {
	const long = 4 << 10
	if len(text) > long {
		r.broken("%s has %d bytes: %.100q", what, len(text), text)
	}
	bad := func(c rune) bool { return c != ' ' && c != utf8.RuneError && !unicode.IsPrint(c) }
	if strings.ContainsFunc(text, bad) || !utf8.ValidString(text) {
		r.broken("%s is more than a plain line: %.100q", what, text)
	}
}

func (r *runner) refused(err error) {
	cause := r.fault(err)
	var f *wasmhandler.Fault
	if errors.As(err, &f) {
		r.gotf("fault in %s: %s", f.Call, cause)
		return
	}
	text, ok := strings.CutPrefix(err.Error(), `handler "hostile": `)
	if !ok {
		r.broken("an error does not name the handler: %v", err)
	}
	r.gotf("refused: %s", text)
}

func (r *runner) configure(m *wasmhandler.Module) {
	err := m.Configure([]byte("a configuration"))
	switch {
	case errors.Is(err, core.ErrNoConfig):
	case err == nil:
		r.gotf("configure: ok")
	default:
		if cause := r.fault(err); cause != "" {
			r.gotf("configure: fault (%s)", cause)
			return
		}
		r.gotf("configure: refused")
	}
}

// worker takes a handler from m.
func (r *runner) worker(m *wasmhandler.Module) (core.Handler, func()) {
	h, err := m.ForWorker()
	if err != nil {
		r.fault(err)
		return nil, nil
	}
	return h, func() {
		if err := h.(io.Closer).Close(); err != nil {
			r.broken("closing a worker: %v", err)
		}
	}
}

// serve asks a worker all datagrams, first for replies, then whether they are responses.
func (r *runner) serve(m *wasmhandler.Module) {
	h, closeHandler := r.worker(m)
	if h == nil {
		r.gotf("no worker")
		return
	}
	defer closeHandler()
	t := tally{counts: map[string]int{}, causes: map[string]int{}}
	for i := range questions {
		r.ask(h, i, &t)
	}
	if n := sum(m.Stats()); n != r.faults {
		r.broken("%d faults were counted, and there were %d", n, r.faults)
	}
	r.parts = append(r.parts, t.String())

	classifier, ok := core.As[core.Classifier](h)
	if !ok {
		return
	}
	before, responses := m.Stats(), 0
	for i := range questions {
		d := question(i)
		data := bytes.Clone(d.Data)
		if classifier.IsResponse(d) {
			responses++
		}
		if !bytes.Equal(d.Data, data) {
			r.broken("the data of a datagram was changed")
		}
	}
	r.gotf("is_response: %d of %d%s", responses, questions, since(before, m.Stats(), ", "))
}

// idle gives another worker its moment.
func (r *runner) idle(m *wasmhandler.Module) {
	h, closeHandler := r.worker(m)
	if h == nil {
		return
	}
	defer closeHandler()
	if idler, ok := core.As[core.Idler](h); ok {
		before := m.Stats()
		idler.Idle()
		if faults := since(before, m.Stats(), ""); faults != "" {
			r.gotf("idle: %s", faults)
		} else {
			r.gotf("idle: ok")
		}
	}
}

// letter is what a datagram consists of, and no other.
func letter(number int) byte { return 'a' + byte(number) }

// question is one of the datagrams: its first byte is its number, and the rest its letter.
func question(i int) *core.Datagram {
	size := [questions]int{1, 4, 32, 512, 1400, 9000, core.MaxPayload4, core.MaxPayload6}[i]
	d := &core.Datagram{
		Data: bytes.Repeat([]byte{letter(i)}, size),
		From: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}), 40000),
		To:   netip.MustParseAddrPort("198.51.100.1:1060"),
		Time: time.Date(2026, 11, 22, 13, 40, 0, 0, time.UTC).Add(time.Duration(i) * time.Millisecond),
	}
	if size > core.MaxPayload4 {
		d.From, d.To = netip.MustParseAddrPort("[2001:db8::1]:40000"), netip.MustParseAddrPort("[2001:db8::2]:1060")
	}
	d.Data[0] = byte(i)
	return d
}

// ask asks h a datagram, in a room that lies between two strips that nobody may touch.
func (r *runner) ask(h core.Handler, number int, t *tally) {
	const strip, mark = 64, 0xa5
	d := question(number)
	limit := core.MaxPayload(d.From.Addr())
	memory := bytes.Repeat([]byte{mark}, strip+limit+strip)
	data := bytes.Clone(d.Data)

	reply, err := h.Reply(memory[strip:strip:strip+limit], d)

	untouched := bytes.Repeat([]byte{mark}, strip)
	if !bytes.Equal(memory[:strip], untouched) || !bytes.Equal(memory[strip+limit:], untouched) {
		r.broken("it wrote outside the room for the reply")
	}
	if !bytes.Equal(d.Data, data) {
		r.broken("the data of a datagram was changed")
	}
	var code core.Code
	switch {
	case err == nil && reply == nil:
		t.counts["silent"]++
	case err == nil && len(reply) > limit:
		t.counts["oversize"]++
	case err == nil:
		t.replies = append(t.replies, bytes.Clone(reply))
		if leaks(reply, number) {
			r.leaked++
		}
	case reply != nil:
		r.broken("there is a reply beside the error %v", err)
	case errors.Is(err, core.ErrMalformed):
		t.counts["malformed"]++
	case errors.As(err, &code):
		t.counts["codes"]++
	default:
		if cause := r.fault(err); cause != "" && !errors.Is(err, wasmhandler.ErrNoInstance) {
			r.faults++
			t.causes[cause]++
		} else {
			t.counts["unanswered"]++
		}
	}
}

// leaks says whether the reply to a datagram shows a piece of another one.
func leaks(reply []byte, number int) bool {
	const telling = 16 // bytes that are no chance
	for other := range questions {
		if other != number && bytes.Contains(reply, bytes.Repeat([]byte{letter(other)}, telling)) {
			return true
		}
	}
	return false
}

// tally counts what became of datagrams.
type tally struct {
	replies [][]byte
	counts  map[string]int
	causes  map[string]int // of faults
}

func (t *tally) String() string {
	var parts []string
	if n := len(t.replies); n > 0 {
		parts = append(parts, count(n, "reply", "replies")+t.same())
	}
	for _, kind := range []string{"silent", "malformed", "codes", "oversize"} {
		if n := t.counts[kind]; n > 0 {
			parts = append(parts, fmt.Sprint(n, " ", kind))
		}
	}
	if faults := causes(t.causes); faults != "" {
		parts = append(parts, faults)
	}
	if n := t.counts["unanswered"]; n > 0 {
		parts = append(parts, fmt.Sprint(n, " unanswered"))
	}
	return strings.Join(parts, ", ")
}

// same shows the replies if all of them are the same, and short.
func (t *tally) same() string {
	const short = 16
	first := t.replies[0]
	for _, reply := range t.replies {
		if len(reply) > short || !bytes.Equal(reply, first) {
			return ""
		}
	}
	return " of " + strconv.QuoteToASCII(string(first))
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n, " ", many)
}

// causes shows counts of faults by their causes.
func causes(faults map[string]int) string {
	total := 0
	var each []string
	for _, cause := range slices.Sorted(maps.Keys(faults)) {
		total += faults[cause]
		each = append(each, fmt.Sprint(cause, " ", faults[cause]))
	}
	switch len(each) {
	case 0:
		return ""
	case 1:
		each[0], _, _ = strings.Cut(each[0], " ")
	}
	return fmt.Sprintf("%s (%s)", count(total, "fault", "faults"), strings.Join(each, ", "))
}

// since shows the faults between two counts, with something in front if there are any.
func since(before, after wasmhandler.Stats, front string) string {
	faults := map[string]int{}
	for cause, n := range after.Faults {
		if n -= before.Faults[cause]; n > 0 {
			faults[wasmhandler.Cause(cause).String()] = int(n)
		}
	}
	if len(faults) == 0 {
		return ""
	}
	return front + causes(faults)
}

func sum(s wasmhandler.Stats) (n uint64) {
	for _, faults := range s.Faults {
		n += faults
	}
	return n
}

func (r *runner) countLog(s wasmhandler.Stats) {
	if s.LogLines == 0 {
		return
	}
	more := ""
	if s.LogDropped > 0 {
		more = ", more dropped"
	}
	r.gotf("%s%s", count(int(s.LogLines), "log line", "log lines"), more)
	// All questions come in one second.
	if s.LogLines > wasmhandler.MaxLogLines {
		r.broken("%d lines were logged in a second", s.LogLines)
	}
	if r.reports > 1 {
		r.broken("%d faults were logged in a second", r.reports)
	}
}

// Enabled is part of slog.Handler.
func (r *runner) Enabled(context.Context, slog.Level) bool { return true }

// Handle checks a line of the log.
func (r *runner) Handle(_ context.Context, record slog.Record) error {
	r.checkPlain("a log line", record.Message)
	record.Attrs(func(a slog.Attr) bool {
		r.checkPlain("an attribute of a log line", a.Value.String())
		if a.Key == "fault" {
			r.reports++
		}
		return true
	})
	return nil
}
