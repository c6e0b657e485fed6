package wasmhandler

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

// reserve returns n bytes of addresses with nothing behind them.
func reserve(n int) ([]byte, error) {
	address, err := windows.VirtualAlloc(0, uintptr(n), windows.MEM_RESERVE, windows.PAGE_NOACCESS)
	if err != nil {
		return nil, err
	}
	// Through a pointer to it, since the address is none of Go's memory that could move.
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&address)), n), nil
}

// commit puts memory behind b[from:to].
func commit(b []byte, from, to int) error {
	address := uintptr(unsafe.Pointer(&b[from]))
	_, err := windows.VirtualAlloc(address, uintptr(to-from), windows.MEM_COMMIT, windows.PAGE_READWRITE)
	return err
}

// release gives back what reserve returned.
func release(b []byte) {
	address := uintptr(unsafe.Pointer(&b[0]))
	_ = windows.VirtualFree(address, 0, windows.MEM_RELEASE) // fails only for what is no reservation
}
