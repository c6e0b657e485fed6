package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"time"

	"github.com/spf13/pflag"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/guard"
	"github.com/retort-udp/retort/core/impair"
	"github.com/retort-udp/retort/core/server"
	"github.com/retort-udp/retort/native"
	"github.com/retort-udp/retort/native/cmd/retort/internal/config"
	"github.com/retort-udp/retort/native/cmd/retort/internal/engine"
	"github.com/retort-udp/retort/native/cmd/retort/internal/flagtype"
	"github.com/retort-udp/retort/native/cmd/retort/internal/listing"
)

// listenerFlags say what one listener does: where it listens, with which handler, and whom it answers.
type listenerFlags struct {
	handlerFlags
	policyFlags
	port        flagtype.Port
	listenOnly  bool
	quiet       bool
	strict      bool
	drop        flagtype.Share
	readBuffer  flagtype.Size
	writeBuffer flagtype.Size
	workers     int
	busyPoll    time.Duration
	gso         flagtype.Choice
	drain       time.Duration
	impair      impair.Settings

	// What no flag says.
	set    *pflag.FlagSet // has the flags, and which of them were given
	name   string         // "": it is the only one, and needs none
	hosts  []string       // none: loopback
	source config.Source  // of its heading in a file; zero: it is the command line's
	layers config.Layers  // that its values came from
}

func (f *listenerFlags) add(flags *pflag.FlagSet) {
	f.set = flags
	f.gso = flagtype.Choice{Value: "off", Words: []string{"off", "auto", "on"}}
	addPortTo(flags, &f.port)
	f.handlerFlags.add(flags)
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "do not print datagrams")
	flags.BoolVar(&f.listenOnly, "listen-only", false,
		"print datagrams, those to broadcast addresses too, and answer none")
	flags.Var(&f.drop, "drop", "ignore this share of the datagrams on purpose, and print that")
	flags.BoolVar(&f.strict, "strict-listing", false,
		"end, with exit code 1, when a datagram is not ASCII, as the teaching listing does")
	flags.IntVar(&f.workers, "workers", 0, "`SOCKETS` of each address, with a worker each; 0: one a processor on Linux, one elsewhere")
	flags.DurationVar(&f.busyPoll, "busy-poll", 0, "how `LONG` to look for datagrams before sleeping; costs a processor (Linux)")
	flags.Var(&f.gso, "gso", "have the kernel cut and join datagrams, which some kernels do wrong; auto: on loopback (Linux)")
	flags.DurationVar(&f.drain, "drain", server.DefaultDrain, "how `LONG` to go on answering when told to end, unless another takes over")
	flags.TextVar(&f.impair, "impair", impair.Settings{},
		"have datagrams go wrong on purpose: `FAULTS`: loss, duplicate, reorder, truncate, corrupt (10%, or in.loss=10%, out.loss=10%), delay=20ms±5ms, swap, wrong-port, seed=7")
	flags.Var(&f.readBuffer, "read-buffer",
		"what the kernel keeps of arriving datagrams for each socket; 0: 4MiB, or what it grants of that")
	flags.Var(&f.writeBuffer, "write-buffer",
		"what the kernel keeps of leaving replies for each socket; 0: its default")
	f.policyFlags.add(flags)
}

// check refuses flags that contradict each other, and those that would do nothing.
func (f *listenerFlags) check() error {
	if f.set.Changed("seed") && f.drop == 0 && !isModule(f.handler) {
		return about("seed", usagef("--seed is for .wasm handlers and --drop: there is nothing random here"))
	}
	return errors.Join(
		exclusiveIn(f.set, "handler", "listen-only"),
		exclusiveIn(f.set, "no-cache", "cache-dir", "cache-size"),
	)
}

// gsoSettings are the words of --gso.
var gsoSettings = map[string]native.GSO{"off": native.GSOOff, "auto": native.GSOAuto, "on": native.GSOOn}

// addresses returns where to listen.
func (f *listenerFlags) addresses() (addrs []string, err error) {
	hosts := f.hosts
	if len(hosts) == 0 {
		hosts = []string{loopback}
	}
	for _, host := range hosts {
		addr, err := address(host, f.port)
		if err != nil {
			return nil, err
		}
		addrs = append(addrs, addr)
	}
	return addrs, nil
}

// loadHandler makes the handler.
func (f *listenerFlags) loadHandler(ctx context.Context, stdin io.Reader, log *slog.Logger) (*engine.Handler, error) {
	if f.listenOnly {
		f.handler = "drop"
	}
	return f.load(ctx, f.set, stdin, log)
}

// spec returns the listener of a service, with the handler of a slot.
func (f *listenerFlags) spec(s *service, slot *engine.Slot) (engine.Spec, error) {
	addrs, err := f.addresses()
	if err != nil {
		return engine.Spec{}, err
	}
	o := native.Options{
		ReadBuffer:  asInt(f.readBuffer),
		WriteBuffer: asInt(f.writeBuffer),
		Workers:     f.workers,
		BusyPoll:    f.busyPoll,
		GSO:         gsoSettings[f.gso.Value],
		Log:         s.log,
	}
	conns, err := s.life.conns(f.name, addrs, o)
	if err != nil {
		return engine.Spec{}, err
	}
	return engine.Spec{
		Name:      f.name,
		Addresses: addrs,
		Socket:    o,
		Conns:     conns,

		Policy: f.guardPolicy,
		Slot:   slot,
		Drain:  f.drain,

		AroundHandler: func(h core.Handler) core.Handler { return f.decorate(h, s) },
		AroundConn:    s.life.around(f.impaired(s.log)),
		Observe:       s.observer(slot),
	}, nil
}

// impaired returns what puts faults around the listener's Conns; nil if there are to be none.
func (f *listenerFlags) impaired(log *slog.Logger) func(core.Conn) core.Conn {
	if !f.impair.Any() {
		return nil
	}
	worker := 0
	return func(c core.Conn) core.Conn {
		impaired, err := native.Impair(c, f.impair, worker)
		if err != nil {
			log.Error("nothing goes wrong on purpose at a listener", "listener", c.LocalAddr(), "error", err)
			return c
		}
		worker++
		return impaired
	}
}

// guardPolicy returns the policy of a listener with these conns.
func (f *listenerFlags) guardPolicy(conns []core.Conn) (*guard.Policy, error) {
	p, err := f.policyFlags.get(f.set, conns)
	if err == nil && f.listenOnly {
		p.AnswerGroup = true // it answers nobody, and prints what was sent to everybody
	}
	return p, f.blame(err)
}

// decorate puts around the handler what is asked for beside replying, if anything is.
func (f *listenerFlags) decorate(h core.Handler, s *service) core.Handler {
	if f.quiet && !f.strict && f.drop == 0 {
		return h
	}
	around := &listing.Handler{
		Next:   h,
		Buffer: s.buffer,
		Drop:   float64(f.drop),
		Seed:   f.seed,
	}
	if f.seed == 0 {
		around.Seed = rand.Uint64()
	}
	if !f.quiet {
		around.Printer = s.printer
	}
	if f.strict {
		around.Strict = s.die
	}
	return around
}

// asInt returns s as an int, or the largest that every system has.
func asInt(s flagtype.Size) int { return int(min(s, math.MaxInt32)) }

// tellListening logs where a listener listens, and how many bytes the kernel keeps for each of its sockets: that may
// be less than was asked for.
func (s *service) tellListening(l *engine.Listener) {
	var about []slog.Attr
	if l.Name() != "" {
		about = append(about, slog.String("name", l.Name()))
	}
	conns := l.Conns()
	about = append(about, slog.Any("addresses", l.Addresses()), slog.Int("workers", len(conns)))
	least := native.Buffers{Read: math.MaxInt, Write: math.MaxInt}
	for _, c := range conns {
		info, _ := native.Inspect(c)
		least.Read, least.Write = min(least.Read, info.Buffers.Read), min(least.Write, info.Buffers.Write)
	}
	if least != (native.Buffers{}) { // or the system does not tell
		about = append(about, slog.Int("read_buffer", least.Read), slog.Int("write_buffer", least.Write))
	}
	s.log.LogAttrs(context.Background(), slog.LevelInfo, "listening", about...)
}
