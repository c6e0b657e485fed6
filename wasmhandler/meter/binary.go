package meter

import "github.com/retort-udp/retort/wasmhandler/internal/wasmbin"

// A reader takes the binary format apart; what it reads beyond numbers and names is said where it is read.
type reader struct{ wasmbin.Reader }

func newReader(b []byte) reader { return reader{wasmbin.Reader{Buf: b}} }

// beyond reports whether an index is out of range.
func beyond(i uint32, have int) bool { return uint64(i) >= uint64(have) }

// appendU32 appends v in unsigned LEB128, in as few bytes as it takes.
func appendU32(b []byte, v uint32) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

// appendSigned appends v in signed LEB128, in as few bytes as it takes.
func appendSigned(b []byte, v int64) []byte {
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

// appendName appends a name: its length and its bytes.
func appendName[T string | []byte](b []byte, name T) []byte {
	return append(appendU32(b, uint32(len(name))), name...)
}

// appendSection appends a section: its number, its length and its content.
func appendSection(b []byte, id byte, content []byte) []byte {
	b = append(b, id)
	b = appendU32(b, uint32(len(content)))
	return append(b, content...)
}
