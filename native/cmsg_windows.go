package native

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

const (
	cmsgHeaderSize = int(unsafe.Sizeof(windows.WSACMSGHDR{}))
	cmsgAlignment  = int(unsafe.Alignof(windows.WSACMSGHDR{})) // of headers and data alike (ws2def.h)
)

func cmsgAlign(n int) int { return (n + cmsgAlignment - 1) &^ (cmsgAlignment - 1) }

// cmsgLen is the length of a header, what aligns the data behind it, and size bytes of data.
func cmsgLen(size int) int { return cmsgAlign(cmsgHeaderSize) + size }

// cmsgSpace is that and what aligns the header behind it.
func cmsgSpace(size int) int { return cmsgAlign(cmsgHeaderSize) + cmsgAlign(size) }
