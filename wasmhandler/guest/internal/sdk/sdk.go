// Package sdk is what the packages guest and guest/classifier share: a core.Handler behind the functions that
// a host calls. It deals in byte slices, so that it works, and is tested, on every system; only the files for
// wasip1 know of addresses.
package sdk

import (
	"errors"
	"slices"
	"unsafe"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/wasmhandler/abi"
)

// The codes that the SDK itself answers with, as retort_v1_reply or retort_v1_configure. Package guest explains
// them to those who write guests.
const (
	CodeError    core.Code = -101
	CodeOversize core.Code = -102
	CodeNoConfig core.Code = -103
)

// Log is the host's log: a slog level and one line.
type Log func(level int32, text string)

// slog's number for an error.
const levelError = 8

// Instance is one guest: one worker's instance of a handler, and the memory that the host writes to.
type Instance struct {
	handler  core.Handler // as it was served
	worker   core.Handler // what answers; nil until start
	classify bool         // retort_v1_is_response is exported
	log      Log

	classifier core.Classifier // the worker's; nil: it is none
	idler      core.Idler      // likewise
	datagram   core.Datagram   // of every call; one for all, so that none is allocated
	meta       abi.MetaReader  // likewise
	window     []byte          // the host's, kept from the garbage collector
}

// New returns a guest that answers with h. Classify says whether it exports retort_v1_is_response.
func New(h core.Handler, classify bool, log Log) *Instance {
	return &Instance{handler: h, classify: classify, log: log}
}

// Window returns size bytes for the host, aligned as the ABI wants, or nil when the guest cannot serve; the
// log says why.
//
// An instance is one worker, so ForWorker is called here, once. A core.PerWorker that may be configured is the
// exception: its configuration comes after the window and must come before ForWorker.
func (i *Instance) Window(size int) []byte {
	_, configurable := core.As[core.Configurer](i.handler)
	_, perWorker := i.handler.(core.PerWorker)
	if !configurable || !perWorker {
		if err := i.start(); err != nil {
			i.log(levelError, err.Error())
			return nil
		}
	}
	i.window = aligned(size)
	return i.window
}

// aligned returns size bytes, at least one, at an address that suits the ABI. Go does not move them.
func aligned(size int) []byte {
	size = max(size, 1)
	b := make([]byte, size+abi.WindowAlign-1)
	past := int(uintptr(unsafe.Pointer(&b[0])) % abi.WindowAlign)
	skip := (abi.WindowAlign - past) % abi.WindowAlign
	return b[skip : skip+size : skip+size]
}

// start makes the worker.
func (i *Instance) start() error {
	w := i.handler
	if p, ok := w.(core.PerWorker); ok {
		var err error
		if w, err = p.ForWorker(); err != nil {
			return errors.New("making the handler's instance: " + err.Error())
		}
	}
	i.classifier, _ = core.As[core.Classifier](w)
	i.idler, _ = core.As[core.Idler](w)
	switch classifies := i.classifier != nil; {
	case classifies && !i.classify:
		return errors.New("the handler is a core.Classifier: serve it with classifier.Serve, not guest.Serve")
	case !classifies && i.classify:
		return errors.New("the handler is no core.Classifier: serve it with guest.Serve, not classifier.Serve")
	}
	i.worker = w
	return nil
}

// startLate makes the worker of a handler that could have been configured and was not. Nobody is left to refuse
// then, so it panics when it cannot.
func (i *Instance) startLate() {
	if err := i.start(); err != nil {
		panic(err.Error())
	}
}

// Configure hands the operator's bytes to the handler and returns 0, or the code that refuses them.
func (i *Instance) Configure(config []byte) int32 {
	// The handler may keep its configuration, and datagrams will be where it lies now.
	err := core.Configure(i.handler, slices.Clone(config))
	if err == nil && i.worker == nil {
		err = i.start()
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, core.ErrNoConfig):
		i.log(levelError, err.Error())
		return int32(CodeNoConfig)
	}
	return i.code(err)
}

// Reply answers the datagram that request and meta hold, in out, whose capacity is the room for it. It returns
// what retort_v1_reply does.
//
// It is on the way of every datagram, and a call costs Go as a guest what ten statements do: so what is rare is in
// functions, and what is common is not.
func (i *Instance) Reply(request, out, meta []byte) int32 {
	if i.worker == nil {
		i.startLate()
	}
	d := &i.datagram
	d.Data = request
	i.meta.Read(meta, d)
	reply, err := i.worker.Reply(out[:0], d)
	if err != nil {
		return i.failed(err)
	}
	if n := len(reply); 0 < n && n <= cap(out) {
		if &reply[0] != &out[:1][0] { // the handler built its reply elsewhere
			copy(out[:cap(out)], reply)
		}
		return int32(n)
	}
	switch {
	case reply == nil:
		return abi.Silence
	case len(reply) > 0:
		return int32(CodeOversize)
	}
	return 0
}

// failed is what retort_v1_reply returns for an error.
func (i *Instance) failed(err error) int32 {
	if err == core.ErrMalformed || errors.Is(err, core.ErrMalformed) { // the first costs nothing to find
		return abi.Malformed
	}
	return i.code(err)
}

// IsResponse says whether the datagram is an answer.
func (i *Instance) IsResponse(request, meta []byte) bool {
	if i.worker == nil {
		i.startLate()
	}
	d := &i.datagram
	d.Data = request
	i.meta.Read(meta, d)
	return i.classifier.IsResponse(d)
}

// Idle gives the handler its moment.
func (i *Instance) Idle() {
	if i.worker == nil {
		i.startLate()
	}
	if i.idler != nil {
		i.idler.Idle()
	}
}

// code is the number of an error: its own, or CodeError for one that has none, which the log explains.
func (i *Instance) code(err error) int32 {
	code, ok := err.(core.Code) // the common form, which costs nothing to find
	if !ok {
		code = wrappedCode(err)
	}
	if code <= core.MaxCode {
		return int32(code)
	}
	i.log(levelError, err.Error())
	return int32(CodeError)
}

// wrappedCode is the core.Code that err wraps; zero if there is none.
func wrappedCode(err error) (code core.Code) {
	errors.As(err, &code)
	return code
}
