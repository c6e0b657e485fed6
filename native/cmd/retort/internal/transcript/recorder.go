package transcript

import (
	"encoding/binary"
	"net/netip"
	"sync/atomic"

	"github.com/retort-udp/retort/core"
)

// Event is what a line tells about a datagram.
type Event uint8

const (
	Said    Event = iota // The client at ('127.0.0.1', 46056) says 'text'
	Dropped              // Pretending to drop packet from ('127.0.0.1', 46056)
)

// MinBuffer is the least size of a Recorder's buffer, in bytes. Text lies in one piece, and what is left at
// the end of the buffer when a text does not fit there is skipped: with this much, an empty buffer takes
// the largest datagram wherever it begins.
const MinBuffer = 2 * core.MaxPayload6

// entryShare is how many bytes of buffer there are for each entry: more than most texts have, so that
// short datagrams fill the entries and long ones the buffer.
const entryShare = 128

// Recorder takes down the events of one worker, which calls it from one goroutine. It is a ring with one
// writer and one reader, the Printer: neither ever waits for the other.
type Recorder struct {
	printer *Printer
	entries []entry
	text    []byte

	// The writer's part.
	recorded atomic.Uint64 // entries written; the next one goes to this index, modulo len(entries)
	end      uint64        // where the next text begins, counted over all laps
	lost     atomic.Uint64 // entries for which there was no room
	ended    atomic.Bool   // nothing is recorded any more
	nonASCII atomic.Uint64 // datagrams that had a byte above 0x7f

	_ [64]byte // keeps what the writer writes apart from what the reader writes, a cache line each

	// The reader's part.
	taken atomic.Uint64 // entries that the reader is done with
	freed atomic.Uint64 // where the text of the oldest entry that is not taken may begin
}

type entry struct {
	event Event
	from  netip.AddrPort
	text  []byte // part of Recorder.text
	end   uint64 // Recorder.end behind text
}

func newRecorder(p *Printer, size int) *Recorder {
	size = max(size, MinBuffer)
	return &Recorder{printer: p, entries: make([]entry, size/entryShare), text: make([]byte, size)}
}

// Record takes down an event with a copy of text. When the Printer is so far behind that there is no room, the
// event is lost and counted. Record does not wait, lock or allocate.
func (r *Recorder) Record(e Event, from netip.AddrPort, text []byte) {
	if FirstNonASCII(text) >= 0 {
		r.nonASCII.Store(r.nonASCII.Load() + 1)
	}
	n := r.recorded.Load()
	room, end := r.reserve(len(text))
	if n-r.taken.Load() == uint64(len(r.entries)) || room == nil {
		r.lost.Store(r.lost.Load() + 1)
		return
	}
	copy(room, text)
	r.entries[n%uint64(len(r.entries))] = entry{event: e, from: from, text: room, end: end}
	r.end = end
	r.recorded.Store(n + 1)
	r.printer.rouse()
}

// Close says that nothing will be recorded any more. What was is printed; then the Recorder's room is freed.
func (r *Recorder) Close() {
	r.ended.Store(true)
	r.printer.rouse()
}

// reserve returns n bytes of r.text and what r.end will be behind them, or nil when they are not free.
func (r *Recorder) reserve(n int) (room []byte, end uint64) {
	size := uint64(len(r.text))
	start := r.end % size
	end = r.end + uint64(n)
	if start+uint64(n) > size { // it would be cut by the end of the buffer
		end += size - start
		start = 0
	}
	if end-r.freed.Load() > size {
		return nil, 0
	}
	return r.text[start : start+uint64(n)], end
}

// appendLines appends the lines of what is recorded by now, frees its room, and returns how many lines that
// is. It leaves off when dst has grown beyond limit.
func (r *Recorder) appendLines(dst []byte, limit int) ([]byte, uint64) {
	first, recorded := r.taken.Load(), r.recorded.Load()
	n := first
	for ; n < recorded && len(dst) < limit; n++ {
		e := &r.entries[n%uint64(len(r.entries))]
		dst = appendLine(dst, e)
		end := e.end
		*e = entry{}
		r.freed.Store(end)
		r.taken.Store(n + 1)
	}
	return dst, n - first
}

// stats returns what the Recorder has counted.
func (r *Recorder) stats() *Stats {
	return &Stats{Recorded: r.recorded.Load(), Lost: r.lost.Load(), NonASCII: r.nonASCII.Load()}
}

// FirstNonASCII returns the index of the first byte of text above 0x7f, or -1.
func FirstNonASCII(text []byte) int {
	const high = 0x8080808080808080 // the bit of eight bytes that ASCII leaves clear
	i := 0
	for i+8 <= len(text) && binary.NativeEndian.Uint64(text[i:])&high == 0 {
		i += 8
	}
	for ; i < len(text); i++ {
		if text[i] > 0x7f {
			return i
		}
	}
	return -1
}
