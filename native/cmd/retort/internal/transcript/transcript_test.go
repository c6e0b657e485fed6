package transcript_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/native/cmd/retort/internal/pytext"
	"github.com/retort-udp/retort/native/cmd/retort/internal/transcript"
)

var peer = netip.MustParseAddrPort("127.0.0.1:46056")

// gate is a writer that can be shut: Write waits until it is opened.
type gate struct {
	open chan struct{}
	text bytes.Buffer
}

func (g *gate) Write(p []byte) (int, error) {
	<-g.open
	return g.text.Write(p)
}

func TestLines(t *testing.T) {
	var out bytes.Buffer
	p := transcript.Start(&out, []byte("head\n"))
	r := p.Recorder(0)
	r.Record(transcript.Said, peer, []byte("it's\n"))
	r.Record(transcript.Dropped, peer, nil)
	r.Record(transcript.Said, netip.MustParseAddrPort("[fe80::1%3]:7"), []byte("\x80"))
	r.Record(transcript.Said, peer, nil)
	p.Close(t.Context())

	const want = `head
The client at ('127.0.0.1', 46056) says "it's\n"
Pretending to drop packet from ('127.0.0.1', 46056)
The client at ('fe80::1', 7, 0, 3) says '\x80'
The client at ('127.0.0.1', 46056) says ''
`
	if out.String() != want {
		t.Errorf("printed\n%sinstead of\n%s", &out, want)
	}
	if got, want := p.Stats(), (transcript.Stats{Recorded: 4, Printed: 4, NonASCII: 1}); got != want {
		t.Errorf("counted %+v, not %+v", got, want)
	}
}

// TestLineAtOnce: a line comes out when nothing follows it, not only when a buffer is full.
func TestLineAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		close(g.open)
		p := transcript.Start(g, nil)
		r := p.Recorder(0)
		for i := range 3 {
			synctest.Wait()
			r.Record(transcript.Said, peer, []byte("x"))
			synctest.Wait()
			if n := strings.Count(g.text.String(), "\n"); n != i+1 {
				t.Errorf("%d lines came out of %d", n, i+1)
			}
		}
		p.Close(t.Context())
	})
}

// TestStalled: a writer that stands still costs lines, which are counted, and never makes Record wait.
func TestStalled(t *testing.T) {
	const datagrams = 100_000
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		p := transcript.Start(g, []byte("head\n"))
		r := p.Recorder(transcript.MinBuffer)
		for i := range datagrams {
			r.Record(transcript.Said, peer, fmt.Appendf(nil, "%d", i))
		}
		synctest.Wait()
		s := p.Stats()
		if s.Printed != 0 || s.Lost == 0 || s.Recorded+s.Lost != datagrams {
			t.Errorf("while it stood still: %+v", s)
		}

		close(g.open)
		p.Close(t.Context())
		s = p.Stats()
		if s.Printed != s.Recorded || s.Unprinted() != s.Lost {
			t.Errorf("in the end: %+v", s)
		}
		lines := strings.Split(strings.TrimSuffix(g.text.String(), "\n"), "\n")[1:]
		if uint64(len(lines)) != s.Printed {
			t.Fatalf("%d lines for %+v", len(lines), s)
		}
		for i, line := range lines { // what is lost is what came last
			if want := fmt.Sprintf("The client at ('127.0.0.1', 46056) says '%d'", i); line != want {
				t.Fatalf("line %d is %q", i, line)
			}
		}
	})
}

func TestCloseDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		p := transcript.Start(g, nil)
		r := p.Recorder(0)
		r.Record(transcript.Said, peer, nil)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		p.Close(ctx)
		if s := p.Stats(); s.Unprinted() != 1 {
			t.Errorf("%+v: one line did not come out", s)
		}
		close(g.open) // a bubble must end without goroutines
	})
}

type failing struct{ left int }

func (f *failing) Write(p []byte) (int, error) {
	if f.left--; f.left < 0 {
		return 0, io.ErrClosedPipe
	}
	return len(p), nil
}

func TestWriteFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := transcript.Start(&failing{left: 1}, []byte("head\n"))
		r := p.Recorder(transcript.MinBuffer)
		for range 10_000 {
			r.Record(transcript.Said, peer, []byte("text"))
			synctest.Wait()
		}
		p.Close(t.Context())
		s := p.Stats()
		if !errors.Is(s.Err, io.ErrClosedPipe) || s.Lost != 0 || s.Unprinted() != 10_000 {
			t.Errorf("%+v", s)
		}
	})
}

// TestAnySize holds that texts of all sizes come out whole and in order, while the reader is as far behind as
// chance has it.
func TestAnySize(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	var out, want bytes.Buffer
	p := transcript.Start(&out, nil)
	r := p.Recorder(transcript.MinBuffer)
	text := make([]byte, core.MaxPayload6)
	for range 2000 {
		n := random.IntN(100)
		switch random.IntN(20) {
		case 0:
			n = random.IntN(len(text) + 1)
		case 1:
			n = len(text)
		}
		for i := range text[:n] {
			text[i] = byte('a' + (n+i)%26)
		}
		before := p.Stats().Lost
		r.Record(transcript.Said, peer, text[:n])
		if p.Stats().Lost == before {
			fmt.Fprintf(&want, "The client at ('127.0.0.1', 46056) says %s\n", pytext.AppendQuoted(nil, text[:n]))
		}
	}
	p.Close(t.Context())
	if !bytes.Equal(out.Bytes(), want.Bytes()) {
		t.Errorf("%d bytes came out instead of %d, or others", out.Len(), want.Len())
	}
	if s := p.Stats(); s.Printed < 100 {
		t.Errorf("%+v: that is hardly a test", s)
	}
}

// TestLargestAlwaysFits: wherever the buffer's end is, an empty one takes the largest datagram.
func TestLargestAlwaysFits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := transcript.Start(io.Discard, nil)
		r := p.Recorder(transcript.MinBuffer)
		text := make([]byte, core.MaxPayload6)
		for n := range 300 {
			r.Record(transcript.Said, peer, text[:n*n%len(text)])
			synctest.Wait()
			r.Record(transcript.Said, peer, text)
			synctest.Wait()
		}
		p.Close(t.Context())
		if s := p.Stats(); s.Lost != 0 || s.Printed != 600 {
			t.Errorf("%+v", s)
		}
	})
}

// TestManyRecorders: each worker's lines stay in order, and none vanishes uncounted.
func TestManyRecorders(t *testing.T) {
	const workers, each = 4, 5000
	var out bytes.Buffer
	p := transcript.Start(&out, nil)
	var all sync.WaitGroup
	for w := range workers {
		r := p.Recorder(0)
		from := netip.AddrPortFrom(peer.Addr(), uint16(w+1))
		all.Go(func() {
			for i := range each {
				r.Record(transcript.Said, from, fmt.Appendf(nil, "%d", i))
			}
		})
	}
	all.Wait()
	p.Close(t.Context())

	s := p.Stats()
	if s.Recorded+s.Lost != workers*each || s.Printed != s.Recorded {
		t.Errorf("%+v", s)
	}
	last := [workers]int{-1, -1, -1, -1}
	for line := range strings.Lines(out.String()) {
		var w, i int
		if _, err := fmt.Sscanf(line, "The client at ('127.0.0.1', %d) says '%d'", &w, &i); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if i <= last[w-1] {
			t.Fatalf("worker %d: %d came after %d", w, i, last[w-1])
		}
		last[w-1] = i
	}
}

func TestRecordDoesNotAllocate(t *testing.T) {
	p := transcript.Start(io.Discard, nil)
	defer p.Close(t.Context())
	r := p.Recorder(1 << 20)
	text := []byte("The time is 2026-11-22 13:40:00.123456")
	record := func() { r.Record(transcript.Said, peer, text) }
	for range 100_000 { // lets the Printer's own buffer grow to its size
		record()
	}
	if n := testing.AllocsPerRun(100_000, record); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzFirstNonASCII(f *testing.F) {
	f.Add([]byte("01234567\x80"))
	f.Add([]byte("\xff"))
	f.Add([]byte("0123456\x7f89\x800123456789"))
	f.Fuzz(func(t *testing.T, text []byte) {
		want := bytes.IndexFunc(text, func(r rune) bool { return r > 0x7f })
		if got := transcript.FirstNonASCII(text); got != want {
			t.Errorf("%q: %d, not %d", text, got, want)
		}
	})
}

func BenchmarkRecord(b *testing.B) {
	p := transcript.Start(io.Discard, nil)
	defer p.Close(b.Context())
	r := p.Recorder(1 << 20)
	text := []byte("The time is 2026-11-22 13:40:00.123456")
	b.ReportAllocs()
	for b.Loop() {
		r.Record(transcript.Said, peer, text)
	}
	s := p.Stats()
	b.ReportMetric(float64(s.Lost)/float64(s.Lost+s.Recorded), "lost/op")
}

// TestRecordersEnd: what a Recorder took is printed and counted when it has ended, however many come and go.
func TestRecordersEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := transcript.Start(&out, nil)
		const n = 100
		for range n {
			r := p.Recorder(0)
			r.Record(transcript.Said, peer, []byte("\xff"))
			r.Close()
			synctest.Wait() // the Printer rests, and has let go of it
		}
		if got, want := p.Stats(), (transcript.Stats{Recorded: n, Printed: n, NonASCII: n}); got != want {
			t.Errorf("counted %+v, not %+v", got, want)
		}
		p.Close(t.Context())
		if lines := strings.Count(out.String(), "\n"); lines != n {
			t.Errorf("%d lines were printed", lines)
		}
	})
}
