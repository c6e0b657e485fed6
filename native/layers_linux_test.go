package native_test

// What each layer of the batched transport costs, so that a regression can be placed, and that none of them
// allocates.

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/native"
)

// roads are the ways that a datagram can take through a Conn.
var roads = []struct {
	name, listen, ip string
	gso              native.GSO
}{
	{"IPv4", "127.0.0.1:0", "127.0.0.1", native.GSOOff},
	{"IPv4, cut and joined", "127.0.0.1:0", "127.0.0.1", native.GSOOn},
	{"IPv4, wildcard", "0.0.0.0:0", "127.0.0.1", native.GSOOff},
	{"IPv4, on both", ":0", "127.0.0.1", native.GSOOff},
	{"IPv6", "[::1]:0", "::1", native.GSOOff},
	{"IPv6, wildcard, cut and joined", ":0", "::1", native.GSOOn},
}

// eachRoad runs f with a Conn and a peer for each road.
func eachRoad[T interface {
	testing.TB
	Run(name string, f func(T)) bool
}](t T, f func(t T, c core.Conn, p *peer)) {
	for _, road := range roads {
		t.Run(road.name, func(t T) {
			if road.ip == "::1" {
				needIPv6(t)
			}
			conns, err := native.Listen(road.listen, native.Options{Workers: 1, GSO: road.gso})
			if err != nil {
				t.Skipf("this kernel: %v", err)
			}
			defer conns[0].Close()
			p := newPeer(t, road.ip)
			p.SetDeadline(time.Time{})
			f(t, conns[0], p)
		})
	}
}

// eightTimes32 is what a batch is made of.
func eightTimes32() burst {
	run := make([][]byte, 8)
	for i := range run {
		run[i] = pattern(32)
	}
	return newBurst(run)
}

// fill has the peer send a full batch, in bursts of eight datagrams, and c receive it.
func fill(t testing.TB, c core.Conn, p *peer, bursts burst, b *core.Batch) {
	t.Helper()
	to := netip.AddrPortFrom(p.addr().Addr(), c.LocalAddr().Port())
	for range native.BatchSize / 8 {
		p.sendBurst(to, bursts)
	}
	if err := c.Receive(b); err != nil {
		t.Fatal(err)
	}
}

// datagrams returns how many b holds.
func datagrams(b *core.Batch) (n int) {
	for _, m := range b.Messages {
		if m.Segment == 0 {
			n++
		} else {
			n += (len(m.Data) + m.Segment - 1) / m.Segment
		}
	}
	return n
}

// perDatagram reports what b.N batches of n datagrams cost, for one of them.
func perDatagram(b *testing.B, n int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/datagram")
}

// BenchmarkTake is the work behind recvmmsg: headers, addresses and control messages become messages.
func BenchmarkTake(b *testing.B) {
	eachRoad(b, func(b *testing.B, c core.Conn, p *peer) {
		batch := core.NewBatch()
		fill(b, c, p, eightTimes32(), batch)
		take, n := native.TakeAgain(c, batch), datagrams(batch)
		b.ReportAllocs()
		for b.Loop() {
			take()
		}
		if got := datagrams(batch); got != n {
			b.Errorf("%d datagrams of %d", got, n)
		}
		perDatagram(b, n)
	})
}

// BenchmarkQueue is the work before sendmmsg: replies become headers, those that the kernel is to cut in one piece.
func BenchmarkQueue(b *testing.B) {
	eachRoad(b, func(b *testing.B, c core.Conn, p *peer) {
		batch := core.NewBatch()
		fill(b, c, p, eightTimes32(), batch)
		queueReplies(batch)
		messages := 0
		b.ReportAllocs()
		for b.Loop() {
			messages = native.Queue(c, batch)
		}
		perDatagram(b, len(batch.Replies))
		b.ReportMetric(float64(len(batch.Replies))/float64(messages), "replies/message")
	})
}

// queueReplies answers every datagram of b with 26 bytes.
func queueReplies(b *core.Batch) {
	b.Clear()
	for i, m := range b.Messages {
		n := 1
		if m.Segment > 0 {
			n = (len(m.Data) + m.Segment - 1) / m.Segment
		}
		for range n {
			b.Answer(i, append(b.Room(core.MaxPayload4), "Your data was 32 bytes long"...))
		}
	}
}

// BenchmarkExchange is all of it with the system calls: 64 requests, which leave their peer as eight bursts, and
// their replies, which it reads one by one. Most of that is the peer's.
func BenchmarkExchange(b *testing.B) {
	eachRoad(b, func(b *testing.B, c core.Conn, p *peer) {
		batch, bursts := core.NewBatch(), eightTimes32()
		b.ReportAllocs()
		for b.Loop() {
			fill(b, c, p, bursts, batch)
			queueReplies(batch)
			if err := c.Send(batch); err != nil {
				b.Fatal(err)
			}
			for range batch.Replies {
				p.receive()
			}
		}
		perDatagram(b, len(batch.Replies))
	})
}

// None of it allocates, not even where the kernel takes the replies one by one, or not at once.
func TestBatchesAllocateNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	eachRoad(t, func(t *testing.T, c core.Conn, p *peer) {
		b := core.NewBatch()
		fill(t, c, p, eightTimes32(), b)
		take := native.TakeAgain(c, b)
		queueReplies(b)
		for name, work := range map[string]func(){
			"take":  take,
			"queue": func() { native.Queue(c, b) },
		} {
			if n := testing.AllocsPerRun(100, work); n != 0 {
				t.Errorf("%s: %v allocations", name, n)
			}
		}
	})
	for name, h := range hindrances {
		conns, err := native.Listen("127.0.0.1:0", native.Options{Workers: 1, GSO: h.gso})
		if err != nil {
			t.Skipf("this kernel: %v", err)
		}
		c := conns[0]
		if h.prepare != nil {
			h.prepare(t, c)
		}
		p, b := newPeer(t, "127.0.0.1"), core.NewBatch()
		data := pattern(32)
		round := func() {
			for range 10 {
				p.send(c.LocalAddr(), data)
			}
			for got := 0; got < 10; got += len(b.Messages) {
				if err := c.Receive(b); err != nil {
					t.Fatal(err)
				}
				queueReplies(b)
				sendAll(t, c, b)
			}
			for range 10 {
				p.receive()
			}
		}
		for range 20 { // until features that are to be given up are
			round()
		}
		if n := testing.AllocsPerRun(100, round); n != 0 {
			t.Errorf("%s: %v allocations for ten datagrams", name, n)
		}
		c.Close()
	}
}

// Waiting for datagrams and looking for them allocate nothing either.
func TestWaitingAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, busyPoll := range []time.Duration{0, 50 * time.Microsecond} {
		c := transport{Workers: 1, BusyPoll: busyPoll}.listen(t, "127.0.0.1:0")
		serve(t, c, echo)
		p, data := newPeer(t, "127.0.0.1"), []byte(fmt.Sprint(busyPoll))
		p.SetDeadline(time.Time{})
		n := testing.AllocsPerRun(200, func() {
			p.send(c.LocalAddr(), data)
			p.receive()
		})
		if n != 0 {
			t.Errorf("with busy polling for %v: %v allocations for each datagram", busyPoll, n)
		}
	}
}
