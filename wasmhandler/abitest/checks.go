package abitest

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/wasmhandler"
	"github.com/retort-udp/retort/wasmhandler/abi"
)

// checks are all there is, in their order. The thorough ones are left out of a quick run.
var checks = []struct {
	name     string
	thorough bool
	run      func(*suite) (Status, string)
}{
	// The host takes it: it is valid, exports and imports what it may, keeps to the limits, starts, gives a window.
	{"load", false, (*suite).checkLoad},
	// It takes the configuration that it was given.
	{"configuration", false, (*suite).checkConfiguration},
	// A configuration that makes no sense is refused or taken, but does not end in a fault, other than for its length.
	{"odd-configuration", true, (*suite).checkOddConfiguration},
	// It answers its vectors as they say.
	{"vectors", false, (*suite).checkVectors},
	// It can be run by several workers.
	{"workers", false, (*suite).checkWorkers},
	// It answers, or stays silent at, requests from none to 65,507 bytes and, on IPv6, 65,527.
	{"sizes", false, (*suite).checkSizes},
	// It keeps to the room that there is for a reply, even if that is none.
	{"room", false, (*suite).checkRoom},
	// It does not write over its request, which others read after it.
	{"request", false, (*suite).checkRequest},
	// It can tell responses from questions without a fault, if it says that it can.
	{"is-response", false, (*suite).checkIsResponse},
	// It survives its moment of idleness, if it wants one.
	{"idle", false, (*suite).checkIdle},
	// Requests that make no sense do not end in a fault: whoever sends them could keep it from answering others.
	{"malformed", false, (*suite).checkMalformed},
	// Two fresh instances answer the same requests with the same bytes, so that what happened can be replayed.
	{"determinism", true, (*suite).checkDeterminism},
}

func (s *suite) checkLoad() (Status, string) {
	start := time.Now()
	m, err := s.load(nil)
	if err != nil {
		s.end("it was not loaded")
		return fail("%v", err)
	}
	s.module = m
	s.report.LoadTime, s.report.StartFuel, s.report.Kind = time.Since(start), m.StartFuel(), Handler
	if !slices.Contains(s.report.Module.Exports, abi.Reply) {
		s.report.Kind = Command
	}
	return pass("a %s", s.report.Kind)
}

func (s *suite) checkConfiguration() (Status, string) {
	settings, takes := s.options.Settings, s.takesConfiguration()
	if settings != nil {
		if err := s.module.Configure(settings); err != nil {
			s.end("it was not configured")
			return fail("%v", err)
		}
	}
	h, err := s.module.ForWorker()
	if err != nil {
		s.end("it has no instance")
		return fail("making an instance of it: %v", err)
	}
	s.handler = h
	switch {
	case settings != nil:
		return pass("%d bytes", len(settings))
	case takes:
		return skip("none was given; it takes one")
	}
	return skip("none was given, and it takes none")
}

func (s *suite) takesConfiguration() bool {
	return s.report.Kind == Handler && slices.Contains(s.report.Module.Exports, abi.Configure)
}

func (s *suite) checkOddConfiguration() (Status, string) {
	if !s.takesConfiguration() {
		return skip("it takes none")
	}
	m, err := s.load(nil)
	if err != nil {
		return fail("loading it again: %v", err)
	}
	defer m.Close()
	refused := 0
	odd := [][]byte{
		{}, {0}, []byte("\n"), []byte("="), []byte("\xff\xfe\x00"),
		bytes.Repeat([]byte("x"), 4096), bytes.Repeat([]byte{0xff}, abi.MaxConfig),
	}
	for _, settings := range odd {
		err := m.Configure(settings)
		// To give no window for so many bytes, or to have no fuel for them, is to refuse them.
		if f, ok := errors.AsType[*wasmhandler.Fault](err); ok &&
			f.Cause != wasmhandler.CauseWindow && f.Cause != wasmhandler.CauseFuel {
			return fail("%s: %v", describe(settings), f)
		}
		if err != nil {
			refused++
		}
	}
	return pass("%d of %d are refused", refused, len(odd))
}

func (s *suite) checkVectors() (Status, string) {
	file := s.options.Vectors
	if file == nil {
		return skip("there are none")
	}
	module, own := s.module, file.Config
	if own != nil && !bytes.Equal(own.Bytes(), s.options.Settings) || own == nil && s.options.Settings != nil {
		// They are for another configuration than the one that the rest is checked with.
		var settings []byte
		if own != nil {
			settings = own.Bytes()
		}
		m, err := s.load(settings)
		if err != nil {
			return fail("loading it as they say: %v", err)
		}
		defer m.Close()
		module = m
	}
	run := *file
	run.Config = nil // it has it already
	if err := run.Run(module); err != nil {
		return fail("%v", err)
	}
	return pass("%d of them", len(file.Vectors))
}

func (s *suite) checkWorkers() (Status, string) {
	const workers = 2 // beside the one that there is
	for range workers {
		h, err := s.module.ForWorker()
		if err != nil {
			return fail("making another instance of it: %v", err)
		}
		o := s.ask(h, nil, core.MaxPayload4)
		err = h.(io.Closer).Close()
		if o.err != nil {
			return fail("another instance: %v", o.err)
		}
		if err != nil {
			return fail("closing an instance: %v", err)
		}
	}
	return pass("%d", 1+workers)
}

func (s *suite) checkSizes() (Status, string) {
	var first error
	for _, size := range sizes {
		request := text(size)
		o := s.ask(s.handler, request, core.MaxPayload(datagram(request).From.Addr()))
		again := s.ask(s.handler, request, core.MaxPayload(datagram(request).From.Addr()))
		f := Figure{Size: size, Reply: o.String(), Fuel: o.fuel, failed: o.err != nil || again.err != nil}
		f.Stable = o.kind == again.kind && bytes.Equal(o.reply, again.reply)
		s.report.Figures = append(s.report.Figures, f)
		if err := cmp.Or(o.err, again.err); err != nil && first == nil {
			first = fmt.Errorf("a request of %d bytes: %w", size, err)
		}
	}
	if first != nil {
		return fail("%v", first)
	}
	if differ := s.unstable(); differ > 0 {
		return pass("%d to %d bytes; %d of %d got another reply when they came again",
			sizes[0], sizes[len(sizes)-1], differ, len(sizes))
	}
	return pass("%d to %d bytes", sizes[0], sizes[len(sizes)-1])
}

// unstable is how many requests got another reply the second time.
func (s *suite) unstable() (n int) {
	for _, f := range s.report.Figures {
		if !f.Stable {
			n++
		}
	}
	return n
}

func (s *suite) checkRoom() (Status, string) {
	rooms := []int{0, 1, 2, 16, 512}
	withheld := 0
	for _, size := range []int{0, 1, 32, 1400} {
		for _, room := range rooms {
			o := s.ask(s.handler, text(size), room)
			if o.err != nil {
				return fail("a request of %d bytes, with room for %d: %v", size, room, o.err)
			}
			if o.kind != "reply" {
				withheld++
			}
		}
	}
	return pass("%d to %d bytes; %d of %d requests got no reply",
		rooms[0], rooms[len(rooms)-1], withheld, 4*len(rooms))
}

func (s *suite) checkRequest() (Status, string) {
	keeper, ok := core.As[wasmhandler.RequestKeeper](s.handler)
	switch {
	case !ok:
		return skip("a command has a copy")
	case s.options.Config.Isolate == wasmhandler.IsolateDatagram:
		return skip("it forgets each datagram")
	}
	for _, size := range sizes {
		request := text(size)
		if o := s.ask(s.handler, request, core.MaxPayload4); o.err == nil && !keeper.RequestIntact(request) {
			return fail("a request of %d bytes was written over", size)
		}
	}
	return pass("left as it was")
}

func (s *suite) checkIsResponse() (Status, string) {
	classifier, ok := core.As[core.Classifier](s.handler)
	if !ok {
		return skip("it does not export %s", abi.IsResponse)
	}
	before, responses := s.faults(), 0
	requests := slices.Concat(sizeRequests(), s.malformed(100))
	for i, request := range requests {
		d := datagram(request)
		if classifier.IsResponse(d) {
			responses++
		}
		if s.faults() != before {
			return fail("request %d, %s: it has a fault", i, describe(request))
		}
		if !bytes.Equal(d.Data, request) {
			return fail("request %d, %s: the datagram was changed", i, describe(request))
		}
	}
	return pass("%d of %d requests are responses", responses, len(requests))
}

func (s *suite) checkIdle() (Status, string) {
	idler, ok := core.As[core.Idler](s.handler)
	if !ok {
		return skip("it does not export %s", abi.Idle)
	}
	before := s.faults()
	idler.Idle()
	if s.faults() != before {
		return fail("it has a fault")
	}
	if o := s.ask(s.handler, text(32), core.MaxPayload4); o.err != nil {
		return fail("the request after it: %v", o.err)
	}
	return pass("without a fault")
}

func (s *suite) checkMalformed() (Status, string) {
	const enough = 10 // faults, of which each costs a new instance
	requests := s.malformed(s.malformedCount())
	causes, kinds := map[string]int{}, map[string]int{}
	var first string
	asked := 0
	for i, request := range requests {
		if s.ctx.Err() != nil {
			break
		}
		o := s.ask(s.handler, request, core.MaxPayload4)
		asked++
		kinds[kindOf(o)]++
		if o.err == nil {
			continue
		}
		causes[causeOf(o.err)]++
		if first == "" {
			first = fmt.Sprintf("number %d of seed %d, %s: %v", i, s.options.Seed, describe(request), o.err)
		}
		if kinds[fault] == enough {
			break
		}
	}
	if n := kinds[fault]; n > 0 {
		return fail("%d of %d requests had a fault (%s); the first, %s", n, asked, counts(causes), first)
	}
	return pass("%d requests: %s", asked, counts(kinds))
}

// kindOf is an outcome's kind, but that all codes are one.
func kindOf(o outcome) string {
	kind, _, _ := strings.Cut(o.kind, " ")
	return kind
}

func causeOf(err error) string {
	if f, ok := errors.AsType[*wasmhandler.Fault](err); ok {
		return f.Cause.String()
	}
	return "no instance"
}

// counts shows numbers by their names.
func counts(n map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(n)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, n[name]))
	}
	return strings.Join(parts, ", ")
}

func (s *suite) checkDeterminism() (Status, string) {
	var twins [2]core.Handler
	for i := range twins {
		m, err := s.load(s.options.Settings)
		if err != nil {
			return fail("loading it again: %v", err)
		}
		defer m.Close()
		h, err := m.ForWorker()
		if err != nil {
			return fail("making an instance of it: %v", err)
		}
		defer h.(io.Closer).Close()
		twins[i] = h
	}
	requests := slices.Concat(sizeRequests(), sizeRequests(), s.known(), s.malformed(200))
	for i, request := range requests {
		if s.ctx.Err() != nil {
			break
		}
		one := s.ask(twins[0], request, core.MaxPayload4)
		other := s.ask(twins[1], request, core.MaxPayload4)
		switch {
		case one.equal(other):
		case one.kind == other.kind && bytes.Equal(one.reply, other.reply):
			return fail("request %d, %s: one instance used %d fuel, another %d",
				i, describe(request), one.fuel, other.fuel)
		default:
			return fail("request %d, %s: one instance answered %s, another %s",
				i, describe(request), show(one), show(other))
		}
	}
	return pass("%d requests", len(requests))
}

// show is an outcome with the beginning of its reply.
func show(o outcome) string {
	if o.kind == "reply" {
		return describe(o.reply)
	}
	return o.String()
}

// describe shows the length of some bytes and how they begin.
func describe(b []byte) string {
	const few = 24
	switch {
	case len(b) == 0:
		return "no bytes"
	case len(b) > few:
		return fmt.Sprintf("%d bytes 0x%x…", len(b), b[:few])
	}
	return fmt.Sprintf("%d bytes 0x%x", len(b), b)
}
