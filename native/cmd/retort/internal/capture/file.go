package capture

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/retort-udp/retort/core/server"
)

// minSize is the least that a capture may be told to take: room for one largest request and its reply in each half.
const minSize = 512 << 10

// file is a ring of two files: when the one at path has half of the size it takes the place of the older one.
type file struct {
	path, older string
	half        int64

	disk   *os.File
	count  *counter
	buffer *bufio.Writer
	ng     *pcapgo.NgWriter
}

// counter counts what is written.
type counter struct {
	to *os.File
	n  int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.n += int64(n)
	return n, err
}

// olderOf returns the path of the older file.
func olderOf(path string) string {
	ending := filepath.Ext(path)
	return strings.TrimSuffix(path, ending) + ".older" + ending
}

// setAside makes what is at path the older file, so that begin does not overwrite what another process still writes
// there. That there is none is no error.
func (f *file) setAside() error {
	if err := os.Rename(f.path, f.older); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// reclaim undoes what setAside has done in a process that has failed. What that has left at path is gone then.
func (f *file) reclaim() error {
	if aside, err := f.isAt(f.older); err != nil || !aside {
		return err
	}
	return os.Rename(f.older, f.path)
}

// isAt says whether the file that is being written is the one at a path.
func (f *file) isAt(path string) (bool, error) {
	there, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	own, ownErr := f.disk.Stat()
	if err := errors.Join(err, ownErr); err != nil {
		return false, err
	}
	return os.SameFile(there, own), nil
}

// begin makes the file at path anew, without what was there.
func (f *file) begin() (err error) {
	if f.disk, err = os.OpenFile(f.path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600); err != nil {
		return err
	}
	return f.head()
}

// head writes what a file begins with.
func (f *file) head() (err error) {
	f.count = &counter{to: f.disk}
	f.buffer = bufio.NewWriterSize(f.count, 64<<10)
	f.ng, err = pcapgo.NewNgWriterInterface(f.buffer, pcapgo.NgInterface{
		Name:                "retort",
		LinkType:            layers.LinkTypeRaw,
		TimestampResolution: 9, // nanoseconds
		SnapLength:          0, // nothing is cut
	}, pcapgo.NgWriterOptions{SectionInfo: pcapgo.NgSectionInfo{Application: "retort"}})
	if err == nil {
		err = f.flush()
	}
	if err != nil {
		return errors.Join(err, f.disk.Close())
	}
	return nil
}

// add writes a request and its reply.
func (f *file) add(number uint64, e *entry) error {
	if f.count.n+int64(f.buffer.Buffered()) > f.half-int64(len(e.request)+len(e.reply)+512) {
		if err := f.turn(); err != nil {
			return err
		}
	}
	if e.outcome == server.Released.String() {
		return f.packet(e, e.reply, true, "reply to an earlier request of this peer, which was withheld")
	}
	about := "request " + strconv.FormatUint(number, 10) + ", handler " + strconv.QuoteToASCII(e.handler) + ", " + e.outcome
	if err := f.packet(e, e.request, false, about); err != nil {
		return err
	}
	if !e.replied {
		return nil
	}
	return f.packet(e, e.reply, true, "reply "+strconv.FormatUint(number, 10))
}

// packet writes one packet.
func (f *file) packet(e *entry, payload []byte, reply bool, comment string) error {
	from, to := e.from, e.to
	if reply {
		from, to = to, from
	}
	data, err := encode(from, to, payload)
	if err != nil {
		return err
	}
	info := gopacket.CaptureInfo{Timestamp: e.when, CaptureLength: len(data), Length: len(data)}
	return f.ng.WritePacketWithOptions(info, data, pcapgo.NgPacketOptions{Comments: []string{comment}})
}

// turn goes on in a new file. What lies at path is another one's when a successor writes already: that is left alone,
// and this file begins again where it is. When somebody has moved this file away, it is left to them.
func (f *file) turn() error {
	ours, err := f.isAt(f.path)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(f.path); err == nil && !ours {
		return f.again()
	}
	if err := f.close(); err != nil {
		return err
	}
	if ours {
		if err := os.Rename(f.path, f.older); err != nil {
			return err
		}
	}
	return f.begin()
}

// again forgets what the file has.
func (f *file) again() error {
	if err := f.flush(); err != nil {
		return err
	}
	if err := f.disk.Truncate(0); err != nil {
		return err
	}
	if _, err := f.disk.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return f.head()
}

// flush has everything on its way to the disk.
func (f *file) flush() error {
	if err := f.ng.Flush(); err != nil {
		return err // the buffer's, too
	}
	return f.buffer.Flush()
}

func (f *file) close() error { return errors.Join(f.flush(), f.disk.Close()) }
