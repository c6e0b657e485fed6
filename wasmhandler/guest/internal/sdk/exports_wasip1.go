package sdk

import (
	"unsafe"

	"github.com/retort-udp/retort/wasmhandler/abi"
)

// served is the guest. The functions that a module exports are static, so it has to be a variable; a module's
// instance has one.
var served *Instance

// Serve makes i what the exported functions use.
func Serve(i *Instance) {
	if served != nil {
		panic("Serve was called twice: a guest is one handler")
	}
	served = i
}

// HostLog writes one line to the host's log; one that is too long is cut before the host is asked to.
func HostLog(level int32, text string) { hostLog(level, text[:min(len(text), abi.MaxLog)]) }

//go:wasmimport retort_v1 log
func hostLog(level int32, text string)

//go:wasmexport retort_v1_window
func window(size uint32) unsafe.Pointer {
	if served == nil {
		HostLog(levelError, "no handler is served: call Serve in an init function, for main is never called")
		return nil
	}
	return unsafe.Pointer(unsafe.SliceData(served.Window(int(size))))
}

//go:wasmexport retort_v1_configure
func configure(ptr unsafe.Pointer, n uint32) int32 {
	return served.Configure(unsafe.Slice((*byte)(ptr), n))
}

//go:wasmexport retort_v1_reply
func reply(request unsafe.Pointer, n uint32, out unsafe.Pointer, room uint32, meta unsafe.Pointer) int32 {
	return served.Reply(bytes(request, n), bytes(out, room), block(meta))
}

//go:wasmexport retort_v1_idle
func idle() { served.Idle() }

// IsResponse is retort_v1_is_response, which package classifier exports.
func IsResponse(request unsafe.Pointer, n uint32, meta unsafe.Pointer) int32 {
	if served.IsResponse(bytes(request, n), block(meta)) {
		return 1
	}
	return 0
}

// bytes are n of them at an address. A slice of an array is checked with one comparison; unsafe.Slice has more to
// check, for which a tenth of a short reply goes.
func bytes(at unsafe.Pointer, n uint32) []byte { return (*[1 << 30]byte)(at)[:n:n] }

// block is the meta block.
func block(meta unsafe.Pointer) []byte { return (*[abi.MetaSize]byte)(meta)[:] }
