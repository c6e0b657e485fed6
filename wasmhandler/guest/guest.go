// Package guest makes a core.Handler a WebAssembly module that a host of the handler ABI can load. A guest is
// a program that serves its handler in an init function:
//
//	package main
//
//	import (
//		"github.com/retort-udp/retort/core/reply"
//		"github.com/retort-udp/retort/wasmhandler/guest"
//	)
//
//	func init() { guest.Serve(reply.Length{}) }
//
//	func main() {}
//
// It is built by
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -ldflags='-s -w' -o length.wasm .
//
// A host never calls main. On other systems than wasip1 the package does nothing, so that the same source can be
// vetted and tested there; test the handler itself natively, where that is quick.
//
// # What becomes of a handler's results
//
// They mean to a host what they mean natively: a slice is the reply, nil is silence, core.ErrMalformed is a
// malformed request, a core.Code is that code. Two have no number of their own in the ABI and become codes of
// this package: any other error is [CodeError], with its text in the host's log, and a reply that is longer than
// its room is [CodeOversize]. A panic ends the call with a trap; the Go runtime prints its message and stack,
// which the host logs, and the host replaces the instance.
//
// # The optional interfaces
//
// A core.PerWorker is asked for one instance, since a module's instance serves one worker. A core.Configurer
// is given the operator's configuration; other handlers refuse it with [CodeNoConfig]. A core.Idler has its
// moment.
//
// A core.Classifier is served by package guest/classifier instead. To export retort_v1_is_response is to say
// that answers can be told from questions, and hosts trust a guest more that says so. Go's exports
// are fixed when a program is linked, so the export has a package of its own: a guest has it exactly when its
// handler is a Classifier. A guest that confuses the two refuses its window and says so in the log.
//
// # Time
//
// The clock stands still while a datagram is answered, at its Time. A handler that sleeps, or waits for a timer,
// waits for ever, and the host ends its call.
//
// # Memory
//
// The request and dst lie in the window, which is the guest's memory and the host's to write: a handler that
// keeps either finds other bytes there later. Nothing in this package allocates per datagram, except for
// peers with a large IPv6 scope id and errors that are logged. A handler should not either, for the garbage
// collector is paid for with the fuel of whichever datagram it runs in.
package guest

import (
	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/wasmhandler/guest/internal/sdk"
)

// The codes of this package. A handler that returns them as its own cannot be told from it.
const (
	CodeError    = sdk.CodeError    // the handler returned an error without a number; the log has its text
	CodeOversize = sdk.CodeOversize // the reply was longer than its room
	CodeNoConfig = sdk.CodeNoConfig // there was a configuration, and the handler takes none
)

// Serve makes h what the module answers with. Call it once, in an init function of package main: a host that
// finds nothing served refuses the module. h is not a core.Classifier; package classifier serves those.
func Serve(h core.Handler) { sdk.Serve(sdk.New(h, false, sdk.HostLog)) }

// Level is how much a log line matters, in log/slog's numbers.
type Level int32

// The levels.
const (
	Debug Level = -4
	Info  Level = 0
	Warn  Level = 4
	Error Level = 8
)

// Log writes one line to the host's log. Hosts cut it at 1 KiB and drop lines that come too fast, so it is for
// what an operator must know, not for every datagram. Package log/slog would add a megabyte to a module.
func Log(level Level, text string) { sdk.HostLog(int32(level), text) }
