//go:build unix

package native_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/native"
)

// bufferOptions are the options of a socket that are the sizes of its buffers.
var bufferOptions = map[string]int{"read": unix.SO_RCVBUF, "write": unix.SO_SNDBUF}

// Inspect tells the size that a buffer has, and what is less than was asked for is logged, once for all workers.
func TestBuffers(t *testing.T) {
	for _, size := range []int{1, 300 << 10, 1<<30 - 1} {
		for name, option := range bufferOptions {
			var log bytes.Buffer
			o := native.Options{Log: slog.New(slog.NewTextHandler(&log, nil))}
			if name == "read" {
				o.ReadBuffer = size
			} else {
				o.WriteBuffer = size
			}
			conns := transport(o).listenAll(t, "127.0.0.1:0")
			dropWarnings(&log)
			for _, c := range conns {
				info, ok := native.Inspect(c)
				if !ok {
					t.Fatalf("%T cannot be inspected", c)
				}
				granted := info.Buffers.Read
				if name == "write" {
					granted = info.Buffers.Write
				}
				if got := kernelsBuffer(t, c, option); got != granted && got != 2*granted { // Linux says twice as much
					t.Errorf("%s buffer of %d: %d bytes, and Inspect says %d", name, size, got, granted)
				}
				wants := 0
				if granted < size {
					wants = 1
				}
				warned := strings.Count(log.String(), "grants a smaller "+name+" buffer")
				if warned != wants || strings.Count(log.String(), "\n") != wants {
					t.Errorf("%s buffer of %d, of which %d are granted: the log says %q", name, size, granted, &log)
				}
				if granted < min(size, 200<<10) { // no system that there is grants less
					t.Errorf("%s buffer of %d: %d bytes", name, size, granted)
				}
			}
		}
	}
}

// Without options a buffer holds one largest datagram, and nothing is logged.
func TestDefaultBuffers(t *testing.T) {
	var log bytes.Buffer
	c := transport{Workers: 1, Log: slog.New(slog.NewTextHandler(&log, nil))}.listen(t, "127.0.0.1:0")
	for name, option := range bufferOptions {
		if got := kernelsBuffer(t, c, option); got < 1<<16 {
			t.Errorf("the %s buffer has %d bytes", name, got)
		}
	}
	if dropWarnings(&log); log.Len() > 0 {
		t.Errorf("the log says %q", &log)
	}
}

// dropWarnings removes from a log what it says where the kernel does not count drops, as under qemu, and says whether
// there was any of it.
func dropWarnings(log *bytes.Buffer) (any bool) {
	lines := log.String()
	log.Reset()
	for line := range strings.Lines(lines) {
		if strings.Contains(line, "does not tell how many datagrams it drops") {
			any = true
		} else {
			log.WriteString(line)
		}
	}
	return any
}

// kernelsBuffer returns the size of a buffer as the system tells it.
func kernelsBuffer(t *testing.T, c core.Conn, option int) int {
	t.Helper()
	var size int
	err := native.WithDescriptor(c, func(fd uintptr) (err error) {
		size, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, option)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return size
}
