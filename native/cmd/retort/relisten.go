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
	opened  []held // of these: the new ones, which do not answer yet
	stale   []held // those that go
	stopped bool   // stale were stopped already, because the new ones have their names or addresses
}

// change opens the listeners that are wanted and not there. Where these need what is taken by listeners that go, those
// go first; when the new ones cannot be had nevertheless, the old ones come back.
func (d *dropins) change(name string, slot *engine.Slot, wanted []*listenerFlags) (*change, error) {
	c := &change{dropins: d}
	var specs []engine.Spec
	var missing []held
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
		spec, err := l.spec(d.service, slot)
		if err != nil {
			return nil, err
		}
		specs, missing = append(specs, spec), append(missing, held{signature: signature})
		c.now = append(c.now, held{signature: signature})
	}
	for _, h := range d.held[name] {
		if !slices.ContainsFunc(c.now, func(n held) bool { return n.Listener == h.Listener }) {
			c.stale = append(c.stale, h)
		}
	}
	opened, err := d.service.engine.Open(specs...)
	if err != nil && len(c.stale) > 0 {
		c.stopped = true
		if opened, err = nil, d.stop(c.stale); err == nil {
			opened, err = d.service.engine.Open(specs...)
		}
	}
	if err != nil {
		return nil, errors.Join(err, c.undo())
	}
	for i, l := range opened {
		missing[i].Listener = l
	}
	c.opened = missing
	for i, next := 0, 0; i < len(c.now); i++ {
		if c.now[i].Listener == nil {
			c.now[i] = missing[next]
			next++
		}
	}
	return c, nil
}

// do starts the new listeners and stops those that go.
func (c *change) do() {
	s := c.dropins.service
	for _, h := range c.opened {
		if c.dropins.serving {
			s.engine.Start(h.Listener)
			s.tellListening(h.Listener)
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
	var all error
	for _, h := range c.opened {
		all = errors.Join(all, e.Stop(h.Listener))
	}
	if !c.stopped {
		return all
	}
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
