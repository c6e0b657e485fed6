package main

import (
	"errors"
	"slices"
	"strings"

	"github.com/retort-udp/retort/native/cmd/retort/internal/config"
	"github.com/retort-udp/retort/native/cmd/retort/internal/engine"
)

// change is how the listeners of a file become what the file says now. It is decided before the handler is replaced,
// and either done or undone after.
type change struct {
	dropins *dropins
	now     []held // as they shall be, in the file's order
	opened  []*engine.Listener
	stale   []held // those that go
	stopped bool   // stale were stopped already, because the new ones have their addresses
}

// change opens the listeners that are wanted and not there. Where these need addresses of listeners that go, they take
// their sockets over, and no datagram is lost. Where that cannot be done, those that go do so first; and when the new
// ones cannot be had nevertheless, they come back.
func (d *dropins) change(name string, slot *engine.Slot, wanted []*listenerFlags) (*change, error) {
	c := &change{dropins: d}
	var fresh []*listenerFlags
	for _, l := range wanted {
		signature, err := l.signature()
		if err != nil {
			return nil, err
		}
		same := func(h held) bool { return h.signature == signature }
		if i := slices.IndexFunc(d.held[name], same); i >= 0 && !slices.ContainsFunc(c.now, same) {
			c.now = append(c.now, d.held[name][i])
			continue
		}
		fresh, c.now = append(fresh, l), append(c.now, held{signature: signature, gso: l.gso.Value})
	}
	for _, h := range d.held[name] {
		if !slices.ContainsFunc(c.now, func(n held) bool { return n.Listener == h.Listener }) {
			c.stale = append(c.stale, h)
		}
	}
	if err := c.open(slot, fresh); err != nil {
		return nil, errors.Join(err, c.undo())
	}
	opened := c.opened
	for i := range c.now {
		if c.now[i].Listener == nil {
			c.now[i].Listener, opened = opened[0], opened[1:]
		}
	}
	return c, nil
}

// open opens what is fresh.
func (c *change) open(slot *engine.Slot, fresh []*listenerFlags) (err error) {
	lent := false
	if c.canLend(fresh) {
		var stop func()
		if stop, lent, err = c.dropins.service.life.lend(listenersIn(c.stale)); err != nil {
			return err
		}
		defer stop()
	}
	if err = c.openInPlace(listenersIn(c.stale), slot, fresh); err == nil || lent || len(c.stale) == 0 {
		return err
	}
	c.stopped = true
	if err = c.dropins.stop(c.stale); err == nil {
		err = c.openInPlace(nil, slot, fresh)
	}
	return err
}

// canLend says whether listeners that go and new ones may have the same sockets for a while. Those that do not know of
// datagrams that the kernel joins must not share one with those that have asked for it.
func (c *change) canLend(fresh []*listenerFlags) bool {
	return !slices.ContainsFunc(fresh, func(l *listenerFlags) bool {
		return slices.ContainsFunc(c.stale, func(h held) bool { return h.gso != l.gso.Value })
	})
}

func (c *change) openInPlace(old []*engine.Listener, slot *engine.Slot, fresh []*listenerFlags) error {
	s := c.dropins.service
	var specs []engine.Spec
	for _, l := range fresh {
		spec, err := l.spec(s, slot)
		if err != nil {
			return errors.Join(err, closeConns(specs))
		}
		specs = append(specs, spec)
	}
	var err error
	c.opened, err = s.engine.OpenInPlace(old, specs...)
	return err
}

// closeConns closes what listeners would have served that are not opened.
func closeConns(specs []engine.Spec) (all error) {
	for _, spec := range specs {
		for _, c := range spec.Conns {
			all = errors.Join(all, c.Close())
		}
	}
	return all
}

func listenersIn(list []held) (all []*engine.Listener) {
	for _, h := range list {
		all = append(all, h.Listener)
	}
	return all
}

// do starts the new listeners and stops those that go.
func (c *change) do() {
	s := c.dropins.service
	for _, l := range c.opened {
		if c.dropins.serving {
			s.engine.Start(l)
			s.tellListening(l)
		}
	}
	if c.stopped {
		return
	}
	if err := c.dropins.stop(c.stale); err != nil {
		s.log.Warn("a listener did not end well", "error", err)
	}
}

// undo closes the new listeners and has those that were stopped listen again.
func (c *change) undo() error {
	e := c.dropins.service.engine
	if !c.stopped {
		if c.opened == nil {
			return nil
		}
		return e.Restore(listenersIn(c.stale), c.opened)
	}
	all := e.Stop(c.opened...)
	for _, h := range c.stale {
		spec := h.Spec()
		spec.Conns = nil // those that were inherited are closed
		again, err := e.Open(spec)
		if err != nil {
			all = errors.Join(all, err)
			continue
		}
		if c.dropins.serving {
			e.Start(again...)
		}
		for name, list := range c.dropins.held {
			for i := range list {
				if list[i].Listener == h.Listener {
					c.dropins.held[name][i].Listener = again[0]
				}
			}
		}
	}
	return all
}

// signature is all that is said of a listener, but not where.
func (f *listenerFlags) signature() (string, error) {
	var text strings.Builder
	set := without(f.set, handlerSettings()...)
	err := config.Write(&text, set, nil)
	return text.String(), err
}
