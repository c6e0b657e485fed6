package builtin_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/reply/builtin"
)

func TestNames(t *testing.T) {
	for _, name := range builtin.Names() {
		if _, err := builtin.Named(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for spec, says := range map[string]string{
		"":          `no handler is called "": there are length, echo,`,
		"lenght":    `no handler is called "lenght"`,
		"fixed":     "the handler fixed wants a parameter: fixed=TEXT",
		"length=":   `the handler length takes no parameter, and "length=" gives one`,
		"echo=loud": "takes no parameter",
		"a\nb":      `"a\nb"`,
		"fixed=" + strings.Repeat("x", core.MaxPayload4+1): "a fixed reply of 65508 bytes fits no datagram: the most is 65507",
	} {
		if h, err := builtin.Named(spec); err == nil || h != nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.20q gives %v, %v; want an error that says %s", spec, h, err, says)
		}
	}
}

func ExampleNamed() {
	h, err := builtin.Named("fixed=pong")
	if err != nil {
		fmt.Println(err)
		return
	}
	answer, _ := h.Reply(nil, &core.Datagram{Data: []byte("ping")})
	fmt.Printf("%s\n", answer)
	// Output: pong
}
