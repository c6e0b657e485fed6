//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package native

import "golang.org/x/sys/unix"

const cmsgHeaderSize = unix.SizeofCmsghdr

// cmsgLen is the length of a header, what aligns the data behind it, and size bytes of data.
func cmsgLen(size int) int { return unix.CmsgLen(size) }

// cmsgSpace is that and what aligns the header behind it.
func cmsgSpace(size int) int { return unix.CmsgSpace(size) }
