package guardtest

import (
	"strings"
	"testing"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/reply/builtin"
)

// configurations are what handlers are told, by name, that have nothing to say otherwise.
var configurations = map[string]string{
	"dns": "$ORIGIN example.com.\n$TTL 1h\n@ IN SOA ns hostmaster 1 2h 30m 2w 5m\n IN NS ns\n IN A 192.0.2.80\nns IN A 192.0.2.53\n",
	"cookie": "secret 8f3c1e5b7a9d2f604c8b1a3e5d7f9021\n" +
		"answer \"a text that is worth the trouble\"\n",
	"config": "a text",
}

// Configure configures the handler of that name, if it needs that to answer.
func Configure(t testing.TB, name string, h core.Handler) {
	t.Helper()
	if config := configurations[name]; config != "" {
		if err := core.Configure(h, []byte(config)); err != nil {
			t.Fatalf("configure %s: %v", name, err)
		}
	}
}

// Handlers are those that take part in pairings, by name: the built-in ones, with a parameter where they take one, and
// Counting. Each call makes new ones.
func Handlers(t testing.TB) map[string]core.Handler {
	t.Helper()
	all := map[string]core.Handler{"counting": Counting()}
	add := func(spec string) {
		h, err := builtin.Named(spec)
		if err != nil {
			t.Fatal(err)
		}
		Configure(t, spec, h)
		all[spec] = h
	}
	for _, spec := range builtin.Names() {
		switch name, _, takes := strings.Cut(spec, "="); {
		case takes:
			add(name + "=pong")
			add(name + "=")
		default:
			add(spec)
		}
	}
	return all
}
