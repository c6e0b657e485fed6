// Package builtin finds the handlers that are compiled in by their names. It links all of them, so that a guest,
// which is one of them, does without it.
package builtin

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/reply"
	"github.com/retort-udp/retort/core/reply/coap"
	"github.com/retort-udp/retort/core/reply/cookie"
	"github.com/retort-udp/retort/core/reply/dns"
	"github.com/retort-udp/retort/core/reply/ntp"
	"github.com/retort-udp/retort/core/reply/statsd"
	"github.com/retort-udp/retort/core/reply/stun"
	"github.com/retort-udp/retort/core/reply/syslog"
)

// builtin is a handler that can be named. It takes a parameter, behind "=", when param says what that is.
type builtin struct {
	name  string
	param string
	make  func(param string) (core.Handler, error)
}

func builtins() []builtin {
	plain := func(h core.Handler) func(string) (core.Handler, error) {
		return func(string) (core.Handler, error) { return h, nil }
	}
	return []builtin{
		{name: "length", make: plain(reply.Length{})},
		{name: "echo", make: plain(reply.Echo{})},
		{name: "time", make: plain(reply.Time{})},
		{name: "upper", make: plain(reply.Upper{})},
		{name: "fixed", param: "TEXT", make: newFixed},
		{name: "drop", make: plain(reply.Drop{})},
		{name: "dns", make: func(string) (core.Handler, error) { return new(dns.Handler), nil }},
		{name: "ntp", make: plain(new(ntp.Handler))},
		{name: "stun", make: plain(new(stun.Handler))},
		{name: "coap", make: plain(new(coap.Handler))},
		{name: "syslog", make: plain(new(syslog.Handler))},
		{name: "statsd", make: plain(new(statsd.Handler))},
		{name: "cookie", make: plain(new(cookie.Handler))},
	}
}

// Named returns the built-in handler that spec names: "length", "echo", "time", "upper", "fixed=TEXT",
// "drop", or the name of a protocol, such as "dns".
func Named(spec string) (core.Handler, error) {
	name, param, given := strings.Cut(spec, "=")
	all := builtins()
	i := slices.IndexFunc(all, func(b builtin) bool { return b.name == name })
	switch {
	case i < 0:
		return nil, errors.New("no handler is called " + strconv.Quote(name) + ": there are " + strings.Join(Names(), ", "))
	case given && all[i].param == "":
		return nil, errors.New("the handler " + name + " takes no parameter, and " + strconv.Quote(spec) + " gives one")
	case !given && all[i].param != "":
		return nil, errors.New("the handler " + name + " wants a parameter: " + name + "=" + all[i].param)
	}
	return all[i].make(param)
}

// Names lists what Named accepts, with parameters as in "fixed=TEXT".
func Names() []string {
	var names []string
	for _, b := range builtins() {
		if b.param != "" {
			names = append(names, b.name+"="+b.param)
		} else {
			names = append(names, b.name)
		}
	}
	return names
}

func newFixed(text string) (core.Handler, error) {
	if len(text) > core.MaxPayload4 {
		return nil, errors.New("a fixed reply of " + strconv.Itoa(len(text)) + " bytes fits no datagram: the most is " +
			strconv.Itoa(core.MaxPayload4))
	}
	return reply.Fixed{Text: []byte(text)}, nil
}
