package classifier

import (
	"unsafe"

	"github.com/retort-udp/retort/wasmhandler/guest/internal/sdk"
)

//go:wasmexport retort_v1_is_response
func isResponse(request unsafe.Pointer, n uint32, meta unsafe.Pointer) int32 {
	return sdk.IsResponse(request, n, meta)
}
