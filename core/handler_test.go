package core_test

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"github.com/retort-udp/retort/core"
)

// echo and its kin are the smallest handlers with each optional interface.
var echo = core.HandlerFunc(func(dst []byte, d *core.Datagram) ([]byte, error) { return append(dst, d.Data...), nil })

type configured struct {
	core.Handler
	config []byte
}

func (c *configured) Configure(config []byte) error {
	if string(config) == "bad" {
		return errors.New("refused")
	}
	c.config = config
	return nil
}

type wrapper struct{ inner core.Handler }

func (w wrapper) Reply(dst []byte, d *core.Datagram) ([]byte, error) { return w.inner.Reply(dst, d) }
func (w wrapper) Unwrap() core.Handler                               { return w.inner }

type classifier struct{ core.Handler }

func (classifier) IsResponse(*core.Datagram) bool { return true }

func TestAsLooksThroughWrappers(t *testing.T) {
	c := classifier{echo}
	for _, tt := range []struct {
		name    string
		handler core.Handler
		want    bool
	}{
		{"nil", nil, false},
		{"plain", echo, false},
		{"itself", c, true},
		{"wrapped", wrapper{c}, true},
		{"wrapped twice", wrapper{wrapper{c}}, true},
		{"wrapped, without", wrapper{wrapper{echo}}, false},
		{"wraps nothing", wrapper{nil}, false},
		{"hidden by a type that does not unwrap", &configured{Handler: c}, false},
	} {
		got, ok := core.As[core.Classifier](tt.handler)
		if ok != tt.want || ok != (got != nil) {
			t.Errorf("%s: As returned %v, %v", tt.name, got, ok)
		}
	}
}

func TestConfigure(t *testing.T) {
	c := &configured{Handler: echo}
	if err := core.Configure(wrapper{c}, []byte("x=1")); err != nil || string(c.config) != "x=1" {
		t.Errorf("configuration %q, %v", c.config, err)
	}
	if err := core.Configure(c, []byte("bad")); err == nil || errors.Is(err, core.ErrNoConfig) {
		t.Errorf("a refused configuration gave %v", err)
	}
	if err := core.Configure(echo, nil); !errors.Is(err, core.ErrNoConfig) {
		t.Errorf("a handler without configuration gave %v", err)
	}
}

func TestMaxPayload(t *testing.T) {
	for addr, want := range map[string]int{
		"127.0.0.1":        65507, // 65,535 - 20 - 8
		"::ffff:127.0.0.1": 65507,
		"::1":              65527, // 65,535 - 8
		"fe80::1%eth0":     65527,
	} {
		if got := core.MaxPayload(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %d, want %d", addr, got, want)
		}
	}
}

func TestCodeNamesItsNumber(t *testing.T) {
	err := fmt.Errorf("handler: %w", core.Code(-123))
	var code core.Code
	if !errors.As(err, &code) || code != -123 || err.Error() != "handler: handler code -123" {
		t.Errorf("%v holds %d", err, code)
	}
}

func ExampleHandlerFunc() {
	greet := core.HandlerFunc(func(dst []byte, d *core.Datagram) ([]byte, error) {
		if len(d.Data) == 0 {
			return nil, nil // silence
		}
		return append(append(dst, "hello, "...), d.Data...), nil
	})
	reply, err := greet.Reply(make([]byte, 0, 64), &core.Datagram{Data: []byte("world")})
	fmt.Printf("%s %v\n", reply, err)
	// Output: hello, world <nil>
}
