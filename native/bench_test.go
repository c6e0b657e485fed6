package native_test

import (
	"context"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/native"
)

// BenchmarkConn is what one datagram and its answer cost a server on a socket, and as much again for the
// plain socket beside it, in one goroutine: nobody sleeps.
func BenchmarkConn(b *testing.B) {
	for _, bb := range []struct{ name, listen, ip string }{
		{"IPv4", "127.0.0.1:0", "127.0.0.1"},
		{"IPv4 wildcard", "0.0.0.0:0", "127.0.0.1"},
		{"IPv4 on both", ":0", "127.0.0.1"},
		{"IPv6", "[::1]:0", "::1"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			if bb.ip == "::1" {
				needIPv6(b)
			}
			c := listenAll(b, bb.listen)[0]
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
