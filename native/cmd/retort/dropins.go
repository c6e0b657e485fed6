package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/reply/builtin"
	"github.com/retort-udp/retort/core/vectors"
	"github.com/retort-udp/retort/native/cmd/retort/internal/config"
	"github.com/retort-udp/retort/native/cmd/retort/internal/dropin"
	"github.com/retort-udp/retort/native/cmd/retort/internal/engine"
	"github.com/retort-udp/retort/wasmhandler"
	"github.com/retort-udp/retort/wasmhandler/abi"
	"github.com/retort-udp/retort/wasmhandler/abitest"
)

// dropins has the files of a directory serve. Its methods are called one at a time: by open, and then by watch.
type dropins struct {
	service  *service
	settings *settings
	dir      *dropin.Directory
	slots    map[string]*engine.Slot // by name
	wanted   map[string]bool         // names that listeners of the configuration use: their slots stay
	held     map[string][]held       // by name: the listeners that the files brought
	serving  bool                    // listeners start at once
}

// held is a listener that a file brought.
type held struct {
	*engine.Listener
	signature string // of all that was said of it
	gso       string
}

func newDropins(s *service, wanted *settings) (*dropins, error) {
	d := &dropins{
		service: s, settings: wanted,
		slots: make(map[string]*engine.Slot), wanted: make(map[string]bool), held: make(map[string][]held),
	}
	d.dir = dropin.New(wanted.handlers, dropin.Options{Load: d.load, Remove: d.remove, Log: s.log, Poll: wanted.handlersPoll})
	if _, err := d.dir.Names(); err != nil {
		return nil, fmt.Errorf("the directory of handlers cannot be read: %w", err)
	}
	return d, nil
}

// slot returns the place of a handler that a listener of the configuration uses. Until its file is found to be fit,
// the fallback answers.
func (d *dropins) slot(name string) (*engine.Slot, error) {
	if s := d.slots[name]; s != nil {
		d.wanted[name] = true
		return s, nil
	}
	names, err := d.dir.Names()
	if err != nil {
		return nil, err
	}
	if !slices.Contains(names, name) {
		return nil, fmt.Errorf("no handler is called %q: there is no %s in %s, and built in are %s",
			name, name+".wasm", d.settings.handlers, strings.Join(builtin.Names(), ", "))
	}
	h, err := d.fallback()
	if err != nil {
		return nil, err
	}
	d.wanted[name], d.slots[name] = true, d.service.engine.NewSlot(name, h)
	return d.slots[name], nil
}

// fallback returns what answers where a file is missing or not fit.
func (d *dropins) fallback() (*engine.Handler, error) {
	l, err := d.settings.listener(config.Source{}, d.settings.shared()...)
	if err != nil {
		return nil, err
	}
	h, err := builtin.Named(l.fallback)
	if err != nil {
		return nil, fmt.Errorf("--fallback: %w", err)
	}
	return &engine.Handler{Name: l.fallback, Handler: h}, nil
}

// open loads what is in the directory, and returns the listeners that it brings. They do not answer yet.
func (d *dropins) open(ctx context.Context) (opened []*engine.Listener, err error) {
	if err := d.dir.Scan(ctx); err != nil {
		return nil, configError(fmt.Errorf("the directory of handlers cannot be read: %w", err))
	}
	d.serving = true
	for _, l := range d.service.engine.Listeners() {
		for _, h := range d.held[l.Slot().Name()] {
			if h.Listener == l {
				opened = append(opened, l)
			}
		}
	}
	return opened, ctx.Err()
}

// serves returns the names of handlers whose files serve.
func (d *dropins) serves() (names []string) {
	if d == nil {
		return nil
	}
	for _, v := range d.dir.Verdicts() {
		if v.Serving != "" {
			names = append(names, v.Name)
		}
	}
	return names
}

// keeps returns an error when a handler is refused that a predecessor serves: it serves on then. A file that is gone is
// no reason.
func (d *dropins) keeps(before []string) error {
	for _, v := range d.dir.Verdicts() {
		if v.Err != nil && slices.Contains(before, v.Name) {
			return fmt.Errorf("the handler %s, which the predecessor serves, is refused: %w", v.Name, v.Err)
		}
	}
	return nil
}

// watch keeps up with the directory until ctx ends.
func (d *dropins) watch(ctx context.Context) {
	again, stop := hangups()
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- d.dir.Watch(ctx) }()
	for {
		select {
		case <-again:
			d.dir.Rescan()
		case err := <-ended:
			if err != nil {
				d.service.log.Error("changes to handlers are not noticed any more", "error", err)
			}
			return
		}
	}
}

// ownOnly are settings that the command line, variables and [defaults] do not say of handlers in a directory: they
// tell one handler from another, and one listener.
var ownOnly = []string{"addresses", "handler", "handler-config", "listen-only", "name", "port"}

// shared returns what is said of all handlers and listeners: what counts more than a file, and what counts less.
func (s *settings) shared() []config.Table {
	return []config.Table{withoutKeys(s.flags, ownOnly), withoutKeys(s.variables, ownOnly), withoutKeys(s.defaults, ownOnly)}
}

func withoutKeys(t config.Table, keys []string) config.Table {
	rest := make(config.Table)
	for key, v := range t {
		rest[key] = v
	}
	for _, key := range keys {
		delete(rest, key)
	}
	return rest
}

// besideSchema says which keys NAME.toml has. What it says in front of the first table goes for all its listeners.
func besideSchema() config.Schema {
	all := without(newListener().set, append([]string{"handler", "listen-only"}, noSettings...)...)
	return config.Schema{Top: without(all, "name"), Listener: without(all, handlerSettings()...)}
}

// handlerSettings are the names of those that say how a handler is run.
func handlerSettings() (names []string) {
	set := pflag.NewFlagSet("handler", pflag.ContinueOnError)
	new(handlerFlags).add(set)
	set.VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return names
}

// beside reads NAME.toml: how the handler is run, and where it listens.
func (d *dropins) beside(files *dropin.Files) (handler *listenerFlags, listeners []*listenerFlags, err error) {
	file := &config.File{Name: files.Path(".toml")}
	if files.Settings != nil {
		if file, err = config.Parse(file.Name, files.Settings, besideSchema()); err != nil {
			return nil, nil, err
		}
		if err := relocate(file); err != nil {
			return nil, nil, err
		}
	}
	shared := d.settings.shared()
	above, below := shared[:2], shared[2]
	make := func(own ...config.Table) (*listenerFlags, error) {
		module := config.Table{"handler": {Texts: []string{files.Path(".wasm")}}}
		layers := append([]config.Table{module}, above...)
		return d.settings.listener(config.Source{}, append(append(layers, own...), below)...)
	}
	if handler, err = make(file.Top); err != nil {
		return nil, nil, err
	}
	named := func(own ...config.Table) error {
		l, err := make(own...)
		if err == nil && l.name == "" {
			if l.name = files.Name; len(file.Listeners) > 1 {
				l.name = fmt.Sprintf("%s/%d", files.Name, len(listeners)+1)
			}
		}
		listeners = append(listeners, l)
		return err
	}
	for _, l := range file.Listeners {
		err = errors.Join(err, named(l.Values, file.Top))
	}
	_, addresses := file.Top["addresses"]
	if _, port := file.Top["port"]; len(file.Listeners) == 0 && (addresses || port) {
		err = named(file.Top)
	}
	return handler, listeners, err
}

// judge makes the handler of files, as far as they are fit: a module that compiles, passes its vectors, takes its
// configuration, and conforms.
func (d *dropins) judge(ctx context.Context, files *dropin.Files, f *listenerFlags) (h *engine.Handler, err error) {
	c, err := f.moduleConfig(files.Name, d.service.log)
	if err != nil {
		return nil, err
	}
	o := abitest.Options{Quick: true}
	if files.Vectors != nil && !f.untested {
		if o.Vectors, err = vectors.Parse(files.Path(".vectors.txt"), files.Vectors); err != nil {
			return nil, err
		}
	}
	if f.set.Changed("handler-config") {
		if o.Settings, err = argument(f.config, bytes.NewReader(nil), abi.MaxConfig); err != nil {
			return nil, about("handler-config", fmt.Errorf("handler-config: %w", err))
		}
	}
	c.Vectors = o.Vectors
	m, err := wasmhandler.Compile(ctx, files.Module, c)
	if err != nil {
		return nil, err
	}
	h = engine.ModuleHandler(files.Name, files.Module, m)
	defer func() {
		if err != nil {
			err = errors.Join(err, h.Close())
		}
	}()
	if f.set.Changed("handler-config") {
		if err := core.Configure(m, o.Settings); err != nil {
			return h, about("handler-config", fmt.Errorf("handler-config: %w", err))
		}
	}
	o.Config = c
	o.Config.Log = nil // what it says while it is tried is no news
	report, err := abitest.Run(ctx, files.Name, files.Module, o)
	if err != nil {
		return h, err
	}
	return h, report.Err()
}

// errBuiltin says that there would be two handlers of one name.
func errBuiltin(files *dropin.Files) error {
	return fmt.Errorf("a handler that is built in is called %q, too: give %s another name",
		files.Name, filepath.Base(files.Path(".wasm")))
}

// load judges files, and has them serve.
func (d *dropins) load(ctx context.Context, files *dropin.Files) error {
	if isBuiltin(files.Name) {
		return errBuiltin(files)
	}
	settings, listeners, err := d.beside(files)
	if err != nil {
		return err
	}
	h, err := d.judge(ctx, files, settings)
	if err != nil {
		return settings.blame(err)
	}
	if err := d.install(files.Name, h, listeners); err != nil {
		return errors.Join(err, h.Close())
	}
	return nil
}

// install puts a handler into its slot, and has the listeners of its file be as they are wanted. Those of which
// nothing new is said go on, and lose no datagram. When an address cannot be had, nothing changes.
func (d *dropins) install(name string, h *engine.Handler, wanted []*listenerFlags) error {
	slot, known := d.slots[name]
	if !known {
		slot = d.service.engine.NewSlot(name, nil)
	}
	change, err := d.change(name, slot, wanted)
	if err == nil {
		if err = slot.Set(h); err != nil {
			if _, set := errors.AsType[*engine.CloseError](err); set {
				d.service.log.Warn("the handler that was replaced was not closed well", "handler", name, "error", err)
				err = nil
			}
		}
		if err != nil {
			err = errors.Join(err, change.undo())
		}
	}
	if err != nil {
		if !known {
			err = errors.Join(err, d.service.engine.RemoveSlot(slot))
		}
		return err
	}
	d.slots[name], d.held[name] = slot, change.now
	change.do()
	return nil
}

// remove closes the listeners of a file that is gone. Where the configuration's listeners use its handler, the
// fallback answers.
func (d *dropins) remove(name string) error {
	err := d.stop(d.held[name])
	delete(d.held, name)
	if !d.wanted[name] {
		slot := d.slots[name]
		delete(d.slots, name)
		return errors.Join(err, d.service.engine.RemoveSlot(slot))
	}
	h, fallbackErr := d.fallback()
	if fallbackErr != nil {
		return errors.Join(err, fallbackErr)
	}
	return errors.Join(err, d.slots[name].Set(h))
}

// stop ends listeners and says what they have counted.
func (d *dropins) stop(list []held) (err error) {
	for _, l := range list {
		err = errors.Join(err, d.service.engine.Stop(l.Listener))
		d.service.ended(l.Listener)
	}
	return err
}
