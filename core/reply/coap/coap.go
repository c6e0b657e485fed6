// Package coap is a server of the Constrained Application Protocol (RFC 7252) for resources that are configured: it
// answers GET, block by block where that must be (RFC 7959), PUT for those that may be written, and GET of
// /.well-known/core (RFC 6690), which lists them.
//
// A confirmable request is answered in its acknowledgment, any other by a message of its own. What is empty is a
// ping and gets a reset, and so does a confirmable message that answers what was never asked. Everything else of the
// kind gets silence.
//
// # What is not well-formed
//
// A message that is not well-formed, or whose code has a reserved class (1, 6 or 7), gets silence, though RFC 7252
// wants a reset for it when it is confirmable (section 4.2). Text that begins with a capital from A to O looks like
// such a message, and a server that answers whatever comes with another line of text, a quote of the day (RFC 865)
// for instance, would take each reset for a question, for ever. Whoever did mean it repeats the message four times,
// within 45 seconds, and gives up (section 4.8.2); a reset would have told him no more than that.
//
// # Writing
//
// What is PUT is kept in memory by the worker that received it, up to the length that the resource allows, until the
// server ends. A kernel keeps a peer with one worker; to have all peers see what one wrote, run one worker.
// Nobody has to show who he is: CoAP does that with DTLS or OSCORE, which are not here.
//
// # Groups
//
// A request to a multicast address is answered only with a representation (RFC 7252, section 8.2), and at once: the
// leisure in which a crowd of servers would spread its answers takes a clock that handlers do not have. Servers
// answer no groups at all unless they are told to.
//
// # What is not here
//
// The server sends nothing of its own accord and no confirmable message, so it needs no retransmission and no limit
// on what is outstanding. Observe (RFC 7641) is ignored, as it may be: clients see a plain answer. A PUT in blocks
// is refused with 4.02.
//
// # Duplicates
//
// A message that comes again is known by its peer, id and bytes for 247 seconds, and for 145 when it is not confirmable
// (RFC 7252, section 4.8.2), as arrival times have it. The confirmable one gets the same response, the other silence. A
// worker remembers a fixed number of messages, the latest; a GET whose response is longer than 64 bytes is answered
// anew.
//
// # Amplification
//
// A GET of 4 bytes may ask for a block of 1,024: that is 33 to 1 on the wire, the headers of IP and UDP counted. But a
// reply takes no more than the room for it: when a representation does not fit there, its first block is sent, as
// small as need be (RFC 7252, section 11.3, asks for this). So a server whose guard allows a factor of 3 answers
// a short GET with 32 or 64 bytes of a long representation, and the client asks for the rest block by block. Where not
// even 16 bytes fit, the reply is too long and the server drops it.
package coap

import (
	"errors"
	"slices"

	"github.com/retort-udp/retort/core"
)

// The limits of a Handler.
const (
	MaxResources = 256
	MaxBody      = 1 << 20 // bytes: as many as 20 bits of a block number reach with blocks of 16 bytes, and fewer
	MaxWritable  = 1024    // bytes that can be written: a PUT is one datagram
	MaxRemember  = 1 << 16
)

// The defaults of a Handler.
const (
	DefaultBlock    = 1024
	DefaultRemember = 1024
)

// Handler serves resources. The zero Handler has none and says so at /.well-known/core.
//
// Fill in the fields, or have Configure do it, before ForWorker.
type Handler struct {
	Resources []Resource
	Block     int // the largest block in bytes: 16, 32, 64, 128, 256, 512 or 1024; 0: DefaultBlock
	Remember  int // messages that a worker knows again, about 120 bytes each; 0: DefaultRemember, negative: none
}

var (
	_ core.PerWorker  = (*Handler)(nil)
	_ core.Configurer = (*Handler)(nil)
	_ core.Classifier = (*Handler)(nil)
	_ core.Classifier = (*worker)(nil)
)

// errNoWorker says that state has no place.
var errNoWorker = errors.New("coap: Reply is for what ForWorker returns")

// Reply returns an error: a Handler answers by its workers, which have the state.
func (h *Handler) Reply([]byte, *core.Datagram) ([]byte, error) { return nil, errNoWorker }

// ForWorker returns a Handler for one worker, in which every resource has its first representation. It is an error when
// the fields are not what they may be.
func (h *Handler) ForWorker() (core.Handler, error) {
	if err := h.check(); err != nil {
		return nil, err
	}
	w := &worker{exponent: exponentOf(h.Block)}
	for i := range h.Resources {
		r := &h.Resources[i]
		w.resources = append(w.resources, newResource(r))
		if i > 0 {
			w.links = append(w.links, ',')
		}
		w.links = append(w.links, w.resources[i].link...)
	}
	w.linksTag = tagOf(w.links)
	remember := h.Remember
	if remember == 0 {
		remember = DefaultRemember
	}
	w.duplicates = newDuplicates(max(remember, 0))
	return w, nil
}

// IsResponse says whether d acknowledges, resets or answers something.
func (h *Handler) IsResponse(d *core.Datagram) bool { return isResponse(d) }

// worker is the Handler of one worker.
type worker struct {
	resources  []resource
	links      []byte // the whole of /.well-known/core
	linksTag   uint64 // of links
	exponent   int    // of the largest block
	duplicates duplicates
	id         uint16 // of the last message that is no acknowledgment
	started    bool   // id has its first value
}

// Reply implements core.Handler.
func (w *worker) Reply(dst []byte, d *core.Datagram) ([]byte, error) {
	m, ok := parseHeader(d.Data)
	if !ok {
		return nil, core.ErrMalformed
	}
	if m.kind == acknowledgment || m.kind == reset {
		return nil, nil // of what was never sent
	}
	group := d.To.Addr().IsMulticast() // nothing there is confirmed, reset or refused (RFC 7252, section 8)
	class := m.class()
	switch {
	case !m.parseRest(d.Data), class == 1, class > 5, group && m.kind == confirmable:
		return nil, core.ErrMalformed
	case m.kind == confirmable && (m.code == empty || class != 0):
		return append(dst, 1<<6|reset<<4, empty, byte(m.id>>8), byte(m.id)), nil
	case m.code == empty || class != 0:
		return nil, nil
	}
	return w.answerOnce(dst, d, &request{message: m, group: group}), nil
}

// answerOnce answers a request, or does again what it did when it came first.
func (w *worker) answerOnce(dst []byte, d *core.Datagram, r *request) []byte {
	lifetime := exchangeLifetime
	if r.kind == nonConfirmable {
		lifetime = nonLifetime
	}
	now := d.Time.UnixNano()
	known, again := w.duplicates.find(d.From, d.Data, now, int64(lifetime))
	switch {
	case again && r.kind == nonConfirmable:
		return nil
	case again && known.length >= 0:
		return append(dst, known.kept[:known.length]...)
	}
	r.readOptions()
	id := r.id
	if r.kind == nonConfirmable {
		id = w.nextID(now)
	}
	response := w.answer(writer{out: dst}, r, id)
	if r.group && (len(response) < 2 || response[1] != content) {
		response = nil
	}
	if len(response) <= cap(dst) && !again { // silence is remembered, too: what was PUT in it must not be PUT again
		known.keep(response, now)
	}
	return response
}

// answer answers a request; nil is silence.
func (w *worker) answer(out writer, r *request, id uint16) []byte {
	if r.bad {
		if r.kind == nonConfirmable {
			return nil // it is rejected (RFC 7252, section 5.4.1)
		}
		out.begin(&r.message, badOption, id)
		return out.out
	}
	if r.proxy {
		out.begin(&r.message, proxyingNotSupported, id)
		return out.out
	}
	for i := range w.resources {
		// The hash is there because a request may have many options, and a server many resources.
		if o := &w.resources[i]; (o.hash == r.path || o.path == "/") && r.asksFor(o.path) {
			switch r.code {
			case get:
				return w.get(out, r, id, representation{body: o.body, format: o.Format, tag: o.tag})
			case put:
				return o.put(out, r, id)
			}
			out.begin(&r.message, methodNotAllowed, id)
			return out.out
		}
	}
	if r.asksFor(wellKnown) {
		return w.core(out, r, id)
	}
	out.begin(&r.message, notFound, id)
	return out.out
}

// nextID numbers a message that is not in answer to a confirmable one. The first number follows from the time, lest a
// server that starts again use the numbers that it used before (RFC 7252, section 4.4).
func (w *worker) nextID(now int64) uint16 {
	if !w.started {
		w.started, w.id = true, uint16(fold(uint64(now), 0x9e3779b97f4a7c15))
	}
	w.id++
	return w.id
}

// IsResponse implements core.Classifier.
func (w *worker) IsResponse(d *core.Datagram) bool { return isResponse(d) }

func isResponse(d *core.Datagram) bool {
	m, ok := parseHeader(d.Data)
	return ok && (m.kind == acknowledgment || m.kind == reset || m.class() >= 2 && m.class() <= 5)
}

// exponentOf returns the exponent of a block size that was checked.
func exponentOf(size int) int {
	if size == 0 {
		size = DefaultBlock
	}
	return slices.Index(blockSizes, size)
}

// blockSizes are those that there are, by exponent (RFC 7959, section 2.2).
var blockSizes = []int{16, 32, 64, 128, 256, 512, 1024}
