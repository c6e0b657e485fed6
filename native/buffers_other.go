//go:build !unix && !windows

package native

import "errors"

// These systems have no buffers that could be asked for, or do not tell.

type bufferKind int

const (
	readBuffer bufferKind = iota
	writeBuffer

	readBufferLimit  = "this system has none that could be set"
	writeBufferLimit = readBufferLimit
)

func askForBuffer(uintptr, bufferKind, int) error { return errors.ErrUnsupported }
func grantedBuffer(uintptr, bufferKind) int       { return 0 }
