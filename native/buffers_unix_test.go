//go:build unix

package native_test

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/native"
)

// A buffer has the size that was asked for, or the error says what stands in the way.
func TestBuffers(t *testing.T) {
	const size = 300 << 10
	for _, tt := range []struct {
		name   string
		option int
		o      native.Options
	}{
		{"read", unix.SO_RCVBUF, native.Options{ReadBuffer: size}},
		{"write", unix.SO_SNDBUF, native.Options{WriteBuffer: size}},
	} {
		conns, err := native.Listen("127.0.0.1:0", tt.o)
		if err != nil {
			if !strings.Contains(err.Error(), "refuses a "+tt.name+" buffer of 307200 bytes") ||
				!strings.Contains(err.Error(), "; raise ") {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		defer conns[0].Close()
		if got := bufferSize(t, conns[0], tt.option); got < size {
			t.Errorf("the %s buffer has %d bytes, want %d", tt.name, got, size)
		}
	}
}

func TestBufferThatIsRefused(t *testing.T) {
	huge := 1<<30 - 1
	conns, err := native.Listen("127.0.0.1:0", native.Options{ReadBuffer: huge})
	if err != nil {
		if !strings.Contains(err.Error(), "refuses a read buffer") {
			t.Errorf("got %v", err)
		}
		return
	}
	defer conns[0].Close()
	if got := bufferSize(t, conns[0], unix.SO_RCVBUF); got < huge {
		t.Errorf("the read buffer has %d bytes without an error, want %d", got, huge)
	}
}

// Without options a buffer holds one largest datagram.
func TestDefaultBuffers(t *testing.T) {
	c := listen(t, "127.0.0.1:0")
	for _, option := range []int{unix.SO_RCVBUF, unix.SO_SNDBUF} {
		if got := bufferSize(t, c, option); got < 1<<16 {
			t.Errorf("a buffer has %d bytes", got)
		}
	}
}

func bufferSize(t *testing.T, c core.Conn, option int) int {
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
