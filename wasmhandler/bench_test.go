package wasmhandler_test

import (
	"bytes"
	"strconv"
	"testing"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/wasmhandler"
)

// nativeLength is testdata/length.wat in Go.
func nativeLength(dst []byte, d *core.Datagram) ([]byte, error) {
	dst = append(dst, "Your data was "...)
	dst = strconv.AppendInt(dst, int64(len(d.Data)), 10)
	return append(dst, " bytes long"...), nil
}

func benchmarkReply(b *testing.B, h core.Handler, d *core.Datagram) {
	dst := room(core.MaxPayload6)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Reply(dst, d); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReply compares a guest that answers "Your data was N bytes long" to 32 bytes with the same in Go.
func BenchmarkReply(b *testing.B) {
	d := datagram("The time is 2026-11-22 13:40:00.")
	b.Run("native", func(b *testing.B) { benchmarkReply(b, core.HandlerFunc(nativeLength), d) })
	b.Run("wasm", func(b *testing.B) {
		benchmarkReply(b, forWorker(b, load(b, "length", wasmhandler.Config{})), d)
	})
	b.Run("interpreter", func(b *testing.B) {
		benchmarkReply(b, forWorker(b, load(b, "length", wasmhandler.Config{Interpreter: true})), d)
	})
	b.Run("module", func(b *testing.B) { benchmarkReply(b, load(b, "length", wasmhandler.Config{}), d) })
}

// BenchmarkEcho shows what copying costs.
func BenchmarkEcho(b *testing.B) {
	h := forWorker(b, load(b, "echo", wasmhandler.Config{}))
	for _, size := range []int{0, 32, 1400, core.MaxPayload4} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			b.SetBytes(int64(size))
			benchmarkReply(b, h, datagram(string(bytes.Repeat([]byte{'x'}, size))))
		})
	}
}

// BenchmarkFault shows what a trap costs: the fault itself, and the instance that takes its place.
func BenchmarkFault(b *testing.B) {
	h := forWorker(b, load(b, "fault", wasmhandler.Config{}))
	d := datagram("u")
	for b.Loop() {
		if _, err := h.Reply(room(1), d); err == nil {
			b.Fatal("no fault")
		}
	}
}

// BenchmarkCommand shows what a command costs a datagram.
func BenchmarkCommand(b *testing.B) {
	d := datagram("return")
	b.Run("wat", func(b *testing.B) { benchmarkReply(b, forWorker(b, load(b, "command", wasmhandler.Config{})), d) })
	b.Run("go", func(b *testing.B) {
		m := compile(b, goGuest(b, "gocommand"), wasmhandler.Config{CacheDir: cacheDir})
		benchmarkReply(b, forWorker(b, m), d)
	})
}

// BenchmarkGoGuest answers in capitals, with an allocation or two in the guest.
func BenchmarkGoGuest(b *testing.B) {
	m := compile(b, goGuest(b, "goguest", "-buildmode=c-shared"), wasmhandler.Config{CacheDir: cacheDir})
	benchmarkReply(b, forWorker(b, m), datagram("The time is 2026-11-22 13:40:00."))
}

// BenchmarkLoad compiles a module and makes its first instance.
func BenchmarkLoad(b *testing.B) {
	for _, guest := range []struct {
		name string
		wasm []byte
	}{{"wat", sample(b, "length")}, {"go", goGuest(b, "goguest", "-buildmode=c-shared")}} {
		for _, c := range []struct {
			name string
			wasmhandler.Config
		}{
			{"compile", wasmhandler.Config{}},
			{"cached", wasmhandler.Config{CacheDir: cacheDir}},
			{"interpreter", wasmhandler.Config{Interpreter: true}},
		} {
			b.Run(guest.name+"/"+c.name, func(b *testing.B) {
				if c.CacheDir != "" {
					compile(b, guest.wasm, c.Config)
				}
				for b.Loop() {
					m, err := wasmhandler.Compile(b.Context(), guest.wasm, c.Config)
					if err != nil {
						b.Fatal(err)
					}
					m.Close()
				}
			})
		}
	}
}
