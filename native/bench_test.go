package native_test

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/native"
)

// BenchmarkConn is what one datagram and its answer cost a server on a socket, with each transport of this system, and
// as much again for the plain socket beside it, in one goroutine: nobody sleeps, and nothing comes in batches.
func BenchmarkConn(b *testing.B) {
	for _, bb := range []struct{ name, listen, ip string }{
		{"IPv4", "127.0.0.1:0", "127.0.0.1"},
		{"IPv4 wildcard", "0.0.0.0:0", "127.0.0.1"},
		{"IPv4 on both", ":0", "127.0.0.1"},
		{"IPv6", "[::1]:0", "::1"},
	} {
		for _, name := range slices.Sorted(maps.Keys(transports)) {
			b.Run(bb.name+"/"+name, func(b *testing.B) {
				if bb.ip == "::1" {
					needIPv6(b)
				}
				c := transport(transports[name]).listenAll(b, bb.listen)[0]
				p := newPeer(b, bb.ip)
				p.SetDeadline(time.Time{})
				to := at(bb.ip, c)
				batch, data := core.NewBatch(), pattern(32)
				b.ReportAllocs()
				for b.Loop() {
					p.send(to, data)
					m := receiveOne(b, c, batch)
					batch.Answer(0, append(batch.Room(core.MaxPayload4), m.Data...))
					if err := c.Send(batch); err != nil {
						b.Fatal(err)
					}
					p.receive()
				}
			})
		}
	}
}

// BenchmarkWindow is the same with 64 requests on their way, where the fast transport has its batches.
func BenchmarkWindow(b *testing.B) {
	const window = 64
	for _, name := range slices.Sorted(maps.Keys(transports)) {
		b.Run(name, func(b *testing.B) {
			c := transport(transports[name]).listen(b, "127.0.0.1:0")
			p := newPeer(b, "127.0.0.1")
			p.SetDeadline(time.Time{})
			batch, data := core.NewBatch(), pattern(32)
			b.ReportAllocs()
			for b.Loop() {
				for range window {
					p.send(c.LocalAddr(), data)
				}
				for got := 0; got < window; {
					if err := c.Receive(batch); err != nil {
						b.Fatal(err)
					}
					for i, m := range batch.Messages {
						batch.Answer(i, append(batch.Room(core.MaxPayload4), m.Data...))
					}
					if err := c.Send(batch); err != nil {
						b.Fatal(err)
					}
					got += len(batch.Messages)
				}
				for range window {
					p.receive()
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/window, "ns/datagram")
		})
	}
}

// BenchmarkRoundTrip is a question and its answer between two goroutines, with one outstanding.
func BenchmarkRoundTrip(b *testing.B) {
	for _, bb := range []struct {
		name string
		o    native.ClientOptions
	}{
		{"unconnected", native.ClientOptions{}},
		{"connected", native.ClientOptions{Connect: true}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			s := listen(b, "127.0.0.1:0")
			serve(b, s, echo)
			c := dial(b, s.LocalAddr().String(), bb.o)
			dst, request := make([]byte, 0, 64), pattern(32)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.AskAppend(context.Background(), dst, request); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
