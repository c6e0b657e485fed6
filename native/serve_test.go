package native_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/native"
)

var length = core.HandlerFunc(func(dst []byte, d *core.Datagram) ([]byte, error) {
	return fmt.Appendf(dst, "Your data was %d bytes long", len(d.Data)), nil
})

func TestListenAndServe(t *testing.T) {
	for _, host := range []string{"127.0.0.1", ""} {
		t.Run(fmt.Sprintf("%q", host), func(t *testing.T) {
			needInterfaces(t)
			addr, _ := closedPort(t) // nobody tells which port it would take instead of 0
			ctx, cancel := context.WithCancel(t.Context())
			result := make(chan error, 1)
			go func() { result <- native.ListenAndServe(ctx, fmt.Sprintf("%s:%d", host, addr.Port()), length) }()

			// It may be asked before it listens.
			c := dial(t, addr.String(), native.ClientOptions{FirstWait: shortWaits.FirstWait, Factor: 1, Tries: 2000})
			a, err := c.Ask(t.Context(), make([]byte, 38))
			if err != nil || string(a.Data) != "Your data was 38 bytes long" {
				t.Errorf("got %q, %v", a.Data, err)
			}
			cancel()
			if err := waitFor(t, result); err != nil {
				t.Errorf("it returned %v", err)
			}
			again, err := native.Listen(addr.String(), native.Options{})
			if err != nil {
				t.Fatalf("it left the socket open: %v", err)
			}
			again[0].Close()
		})
	}
}

func TestListenAndServeErrors(t *testing.T) {
	needErrno(t)
	taken := listen(t, "127.0.0.1:0")
	if err := native.ListenAndServe(t.Context(), taken.LocalAddr().String(), length); !errors.Is(err, errInUse) {
		t.Errorf("got %v", err)
	}
	if err := native.ListenAndServe(t.Context(), "127.0.0.1:0", nil); err == nil {
		t.Error("it serves without a handler")
	}
}
