package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/retort-udp/retort/native/cmd/retort/internal/config"
	"github.com/retort-udp/retort/native/cmd/retort/internal/engine"
	"github.com/retort-udp/retort/wasmhandler"
)

// configured is a listener of the configuration, with what was said of it when that was read. When it is read again,
// and one of the name is there still, this decides what becomes of it: nothing has changed, or only how its handler
// is run, which is swapped then; or else a new listener takes its sockets over.
type configured struct {
	*engine.Listener
	flags     *listenerFlags
	signature string // where it listens and whom it answers
	handler   string // how its handler is run, and what is in the files of that
}

// configure returns one that is not open yet. It is to be called before its files are read to be used.
func configure(f *listenerFlags) (c configured, err error) {
	c.flags = f
	if c.signature, err = f.signature(); err != nil {
		return c, err
	}
	c.handler, err = f.handlerSignature()
	return c, err
}

// handlerSignature is all that is said of how a handler is run, and digests of the files that are named there.
func (f *listenerFlags) handlerSignature() (string, error) {
	var text strings.Builder
	own := handlerSettings()
	var others []string
	f.set.VisitAll(func(one *pflag.Flag) {
		if !slices.Contains(own, one.Name) {
			others = append(others, one.Name)
		}
	})
	if err := config.Write(&text, without(f.set, others...), nil); err != nil {
		return "", err
	}
	var files []string
	if isModule(f.handler) {
		files = append(files, f.handler, strings.TrimSuffix(f.handler, ".wasm")+".vectors.txt")
	}
	if name, isFile := strings.CutPrefix(f.config, "@"); isFile && name != "-" {
		files = append(files, name)
	}
	for _, name := range files {
		data, err := readFile(name, wasmhandler.MaxModule)
		fmt.Fprintf(&text, "%s %x %v\n", name, sha256.Sum256(data), err != nil)
	}
	return text.String(), nil
}

// reconfigure reads the configuration again, and has the server be as it says, as far as a server can change while it
// serves. When something of it cannot be had, nothing changes.
func (s *service) reconfigure(ctx context.Context) {
	wanted, err := s.reread()
	if err != nil {
		s.log.Error("the configuration is refused; the one before goes on", "error", oneLine(err.Error()))
		return
	}
	if fixed := s.settings.differ(wanted); len(fixed) > 0 {
		s.log.Warn("settings have changed that a server keeps until it is started again, or hands over on SIGUSR2",
			slog.Any("settings", fixed))
	}
	if s.dropins == nil {
		s.become(ctx, wanted)
		return
	}
	taken := false
	s.dropins.dir.Hold(func() { taken = s.become(ctx, wanted) })
	if taken && !sameTexts(s.dropins.settings.defaults, wanted.defaults) {
		s.dropins.dir.Renew(func() { s.dropins.settings = wanted })
	}
}

// differ returns the names of settings that listeners share and that are not the same in other.
func (s *settings) differ(other *settings) (names []string) {
	without(s.set, noSettings...).VisitAll(func(f *pflag.Flag) {
		if f.Value.String() != other.set.Lookup(f.Name).Value.String() {
			names = append(names, f.Name)
		}
	})
	return names
}

// sameTexts says whether two tables say the same of handlers in a directory, on whichever lines.
func sameTexts(a, b config.Table) bool {
	return maps.EqualFunc(withoutKeys(a, ownOnly), withoutKeys(b, ownOnly), func(v, w config.Value) bool {
		return slices.Equal(v.Texts, w.Texts)
	})
}

// fromStdin is the configuration of a handler that can be read only once.
const fromStdin = "@-"

var errStdin = errors.New("the handler's configuration was read from standard input, and is not there any more")

// transition is how the listeners of the configuration become what it says now. Nothing has changed before commit.
type transition struct {
	service *service
	wanted  *settings
	now     []configured            // as they shall be; without a Listener where there is a spec
	specs   []engine.Spec           // of those that are opened
	swaps   map[int]*engine.Handler // for those of now that stay
	made    []*engine.Slot          // for new listeners
	gone    []configured            // those that end, or whose place is taken
	lent    func()                  // takes back what gone has lent
}

// become has the listeners be as they are wanted, and says whether they are.
func (s *service) become(ctx context.Context, wanted *settings) bool {
	t := &transition{service: s, wanted: wanted, swaps: make(map[int]*engine.Handler), lent: func() {}}
	err := t.prepare(ctx)
	var opened []*engine.Listener
	if err == nil {
		opened, err = s.engine.OpenInPlace(listenersOf(t.gone), t.specs...)
		t.specs = nil // Open has closed what it did not take
	}
	t.lent()
	if err != nil {
		if err = errors.Join(err, t.abandon()); ctx.Err() == nil { // or the server ends
			s.log.Error("the configuration is refused; the one before goes on", "error", oneLine(err.Error()))
		}
		return false
	}
	t.commit(opened)
	return true
}

func listenersOf(list []configured) (all []*engine.Listener) {
	for _, c := range list {
		all = append(all, c.Listener)
	}
	return all
}

// prepare finds out what has changed, loads handlers, and takes sockets.
func (t *transition) prepare(ctx context.Context) error {
	s := t.service
	var changed []int // indexes of those of now that are to be opened
	for _, l := range t.wanted.listeners {
		c, err := configure(l)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(s.configured, func(o configured) bool { return o.Name() == l.name })
		if i < 0 {
			changed, t.now = append(changed, len(t.now)), append(t.now, c)
			continue
		}
		old := s.configured[i]
		same := old.signature == c.signature && old.flags.handler == l.handler // but for how the handler is run
		switch {
		case same && (old.handler == c.handler || s.fromDirectory(l)):
			c = old
		case same:
			if l.config == fromStdin {
				return l.blame(errStdin)
			}
			c.Listener = old.Listener
			if t.swaps[len(t.now)], err = l.loadHandler(ctx, strings.NewReader(""), s.log); err != nil {
				return l.blame(err)
			}
		case old.flags.gso.Value != l.gso.Value:
			return l.blame(errors.New("--gso can be changed by starting the server again, and not while it serves"))
		default:
			changed = append(changed, len(t.now))
		}
		t.now = append(t.now, c)
	}
	for _, old := range s.configured {
		if !slices.ContainsFunc(t.now, func(c configured) bool { return c.Listener == old.Listener }) {
			t.gone = append(t.gone, old)
		}
	}
	var err error
	if t.lent, _, err = s.life.lend(listenersOf(t.gone)); err != nil {
		return err
	}
	for _, i := range changed {
		if err := t.prepareListener(ctx, t.now[i].flags); err != nil {
			return t.now[i].flags.blame(err)
		}
	}
	return nil
}

func (t *transition) prepareListener(ctx context.Context, l *listenerFlags) error {
	s := t.service
	if !s.fromDirectory(l) && l.config == fromStdin {
		return errStdin
	}
	slot, err := s.slot(ctx, t.wanted, l, strings.NewReader(""))
	if err != nil {
		return err
	}
	if !s.fromDirectory(l) {
		t.made = append(t.made, slot)
	}
	spec, err := l.spec(s, slot)
	t.specs = append(t.specs, spec)
	return err
}

// abandon closes what was made and is of no use.
func (t *transition) abandon() error {
	all := closeConns(t.specs)
	for _, h := range t.swaps {
		if h != nil {
			all = errors.Join(all, h.Close())
		}
	}
	for _, slot := range t.made {
		all = errors.Join(all, t.service.engine.RemoveSlot(slot))
	}
	return all
}

// commit starts the listeners that were opened, swaps handlers, and ends what has no place any more.
func (t *transition) commit(opened []*engine.Listener) {
	s, started := t.service, len(opened)
	s.engine.Start(opened...)
	for _, l := range opened {
		s.tellListening(l)
	}
	for i := range t.now {
		if t.now[i].Listener == nil {
			t.now[i].Listener, opened = opened[0], opened[1:]
		}
	}
	for i, h := range t.swaps {
		if err := t.now[i].Slot().Set(h); err != nil {
			if _, set := errors.AsType[*engine.CloseError](err); !set {
				err = errors.Join(err, h.Close())
				t.now[i].handler = "" // to be tried again
			}
			s.log.Error("a handler was not replaced well", "listener", t.now[i].Name(), "error", err)
		}
	}
	if err := s.engine.Stop(listenersOf(t.gone)...); err != nil {
		s.log.Warn("a listener did not end well", "error", err)
	}
	for _, c := range t.gone {
		s.ended(c.Listener)
		if !s.fromDirectory(c.flags) {
			if err := s.engine.RemoveSlot(c.Slot()); err != nil {
				s.log.Warn("a handler was not closed well", "error", err)
			}
		}
	}
	s.configured = t.now
	s.log.Info("the configuration is in force", slog.Int("listeners", len(t.now)), slog.Int("started", started),
		slog.Int("ended", len(t.gone)), slog.Int("handlers_replaced", len(t.swaps)))
}
