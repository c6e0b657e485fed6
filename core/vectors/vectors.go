// Package vectors reads and runs a handler's self-test: a text file of requests and the replies that they
// must get, kept beside the handler as NAME.vectors.txt.
//
//	# length.vectors.txt
//	""          -> "Your data was 0 bytes long"
//	"a" * 65507 -> "Your data was 65507 bytes long"
//
//	from [fe80::1%2]:5353
//	time 2026-11-22T13:40:00.123456Z
//	0x1234_0100 "\x07example\x00"
//	    -> 0x1234_8180 "\x07example\x00"
//
// The vectors run in the order of the file on one fresh instance, so a handler that keeps state can be
// tested too.
//
// # Grammar
//
//	file      = { statement } .
//	statement = vector | directive .
//	vector    = bytes "->" outcome .
//	outcome   = bytes | "silence" | "malformed" | "oversize" | "code" integer .
//	directive = "config" bytes
//	          | "from" address | "to" address | "time" timestamp | "limit" integer .
//	bytes     = piece { piece } .
//	piece     = ( string | hex ) [ "*" integer ] .
//	string    = '"' { character | escape } '"' .
//	escape    = `\\` | `\"` | `\n` | `\r` | `\t` | `\x` digit digit .
//	hex       = "0x" digit digit { [ "_" ] digit digit } .
//
// The text is UTF-8. A statement begins at the start of a line; a line that begins with a blank continues
// the statement above it. "#" outside a string begins a comment, which ends with the line. Blanks (spaces
// and tabs) stand between any two tokens. A character of a string stands for its UTF-8 bytes; those that do
// not print, or do not look like what they are, are written as escapes. The bytes of pieces follow each
// other; "*" repeats the piece before it.
//
// The outcomes other than a reply: silence, nothing is sent; malformed, the handler says that the request
// is not of its protocol ([core.ErrMalformed]); oversize, its reply is longer than it may be; code, it
// returns that number as its error ([core.Code], -100 or below).
//
// A directive holds for the vectors after it, until the next of its kind:
//
//	directive  meaning                                          unless given
//	config     the handler's configuration; once, before the    the handler is not configured
//	           first vector, for the whole file
//	from       the peer, as address:port                        127.0.0.1:50000
//	to         the local address that was asked, of the same    port 1060 of 127.0.0.1 or ::1, as the
//	           family as the peer's, without a zone             family of the peer is
//	time       the arrival, as in RFC 3339, to the nanosecond   2026-11-22T13:40:00.123456Z
//	limit      the most bytes that a reply may have             what UDP can carry to the peer
//
// A zone is a number (the scope id): the name of an interface means something on one machine only. Times
// lie between the years 1970 and 2262, which is what a count of nanoseconds since the Unix epoch holds.
package vectors

import (
	"bytes"
	"net/netip"
	"strings"
	"time"

	"github.com/retort-udp/retort/core"
)

// The limits of a file. A request has at most [core.MaxPayload] bytes, by the family of its peer, and a
// reply at most the limit that holds for it.
const (
	MaxFile   = 1 << 20 // bytes of text
	MaxConfig = 1 << 20 // bytes of configuration, repetitions counted: what a WebAssembly handler can be given
)

// File is the vectors of one handler.
type File struct {
	Name    string  // what errors call it
	Config  Payload // the configuration; nil: none
	Vectors []Vector
}

// Vector is one datagram and what must come of it.
type Vector struct {
	Line    int // where it begins in its file, from 1
	Request Payload
	From    netip.AddrPort // the peer
	To      netip.AddrPort // the local address
	Time    time.Time      // the arrival, in UTC
	Limit   int            // bytes that a reply may have
	Want    Outcome
}

// Outcome is what becomes of a datagram.
type Outcome struct {
	Kind  Kind
	Reply Payload   // of a Reply
	Code  core.Code // of a Code
}

// Kind is what sort of Outcome it is.
type Kind uint8

// The kinds of outcomes.
const (
	Reply     Kind = iota // the handler replies
	Silence               // it stays silent
	Malformed             // it returns core.ErrMalformed
	Oversize              // its reply is longer than its room
	Code                  // it returns a core.Code
)

// Payload is bytes as they are written: pieces, one behind the other. It keeps long repetitions short.
type Payload []Piece

// Piece is some bytes, repeated.
type Piece struct {
	Data  string
	Times int // at least 1
}

// Bytes returns the bytes of p, never nil.
func (p Payload) Bytes() []byte {
	b := make([]byte, 0, p.Len())
	for _, piece := range p {
		b = append(b, strings.Repeat(piece.Data, piece.Times)...)
	}
	return b
}

// Len returns how many bytes p has.
func (p Payload) Len() int {
	n := 0
	for _, piece := range p {
		n += len(piece.Data) * piece.Times
	}
	return n
}

// equal says whether p stands for exactly these bytes.
func (p Payload) equal(b []byte) bool { return len(b) == p.Len() && bytes.Equal(p.Bytes(), b) }
