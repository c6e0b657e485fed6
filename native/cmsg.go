//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly || windows

package native

// Control messages: what a kernel says about a datagram and is told about one, beside its data
// (RFC 3542, section 20). Each has a header, its length with the header, its level and its type, and then
// data; headers and data are aligned as the system likes it, which cmsg_unix.go and cmsg_windows.go know.

import "encoding/binary"

// controlRoom holds the control messages of one datagram, on every system.
const controlRoom = 256

// lengthSize is the size of a header's length field, which two fields of four bytes follow.
const lengthSize = cmsgHeaderSize - 8

// nextControl cuts the first control message from b. It returns ok false at the end, and where b is not
// made of control messages.
func nextControl(b []byte) (level, kind int32, data, rest []byte, ok bool) {
	start := cmsgLen(0)
	if len(b) < start {
		return 0, 0, nil, nil, false
	}
	var length uint64
	if lengthSize == 8 {
		length = binary.NativeEndian.Uint64(b)
	} else {
		length = uint64(binary.NativeEndian.Uint32(b))
	}
	if length < uint64(start) || length > uint64(len(b)) {
		return 0, 0, nil, nil, false
	}
	level = int32(binary.NativeEndian.Uint32(b[lengthSize:]))
	kind = int32(binary.NativeEndian.Uint32(b[lengthSize+4:]))
	data = b[start:length]
	return level, kind, data, b[min(cmsgSpace(len(data)), len(b)):], true
}

// appendControl appends a control message with size zero bytes of data to b, which has the room for it,
// and returns that data to be filled in.
func appendControl(b []byte, level, kind int32, size int) (extended, data []byte) {
	at := len(b)
	b = b[:at+cmsgSpace(size)]
	m := b[at:]
	clear(m)
	if lengthSize == 8 {
		binary.NativeEndian.PutUint64(m, uint64(cmsgLen(size)))
	} else {
		binary.NativeEndian.PutUint32(m, uint32(cmsgLen(size)))
	}
	binary.NativeEndian.PutUint32(m[lengthSize:], uint32(level))
	binary.NativeEndian.PutUint32(m[lengthSize+4:], uint32(kind))
	return b, m[cmsgLen(0):cmsgLen(size)]
}
