package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/server"
	"github.com/retort-udp/retort/native/cmd/retort/internal/alive"
	"github.com/retort-udp/retort/native/cmd/retort/internal/handover"
	"github.com/retort-udp/retort/native/cmd/retort/internal/systemd"
)

// life is what a server has to do with those who started it, who look after it, and who come after it: a service
// manager, a predecessor, a successor.
type life struct {
	log       *slog.Logger
	program   string // that a successor is started from
	patience  time.Duration
	onlyOnce  string // why there can be no successor; "": there can
	inherited inheritance
	streams   streams
	before    *handover.Predecessor // nil: there was none

	manager  *systemd.Notifier // nil: there is none
	watchdog time.Duration     // within which the manager wants to hear that all is well; 0: it does not
	alive    alive.Monitor

	successions <-chan os.Signal
	hangups     <-chan os.Signal
	stopSignals func()
}

// newLife takes what the process has inherited. Close ends it.
func newLife(log *slog.Logger, wanted *settings) (_ *life, err error) {
	l := &life{log: log, patience: wanted.handover, stopSignals: func() {}}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	if l.program, err = handover.Program(); err != nil {
		l.onlyOnce = fmt.Sprintf("its program cannot be found: %v", err)
	}
	if os.Getpid() == 1 {
		l.onlyOnce = "this is process 1: what it has started would end with it"
	}
	if l.before, err = handover.From(os.LookupEnv); err != nil {
		return nil, err
	}
	if err = l.inherit(); err != nil {
		return nil, err
	}
	if l.manager, err = systemd.NewNotifier(os.LookupEnv); err != nil {
		return nil, err
	}
	if l.watchdog, err = systemd.WatchdogInterval(os.LookupEnv); err != nil {
		return nil, err
	}
	succession, stop := successions()
	l.successions, l.stopSignals = succession, stop
	if l.manager != nil || wanted.config != "" {
		hangup, stopHangups := hangups()
		l.hangups, l.stopSignals = hangup, func() { stop(); stopHangups() }
	}
	return l, nil
}

func (l *life) close() {
	l.stopSignals()
	l.inherited.close()
	l.streams.close()
	_ = l.manager.Close() // what was to be said was said
}

// around returns what a listener is to put around its Conns, beside what it does already.
func (l *life) around(inner func(core.Conn) core.Conn) func(core.Conn) core.Conn {
	if l.watchdog == 0 {
		return inner
	}
	return func(c core.Conn) core.Conn {
		served := c
		if inner != nil {
			served = inner(c)
		}
		return l.alive.Around(served, c)
	}
}

// tell tells the manager. That it does not listen is no reason to answer nobody.
func (l *life) tell(what ...string) {
	if err := l.manager.Notify(what...); err != nil {
		l.log.Warn("the service manager does not listen", "error", err)
	}
}

// live tells those who wait for it that the server answers, and does what they ask for. The context that it returns
// ends with ctx, and when a successor has taken over.
func (s *service) live(ctx context.Context) (_ context.Context, stop func()) {
	l := s.life
	if err := l.before.Ready(); err != nil {
		l.log.Warn("the predecessor does not know that it may end", "error", err)
	}
	if l.before == nil {
		l.tell(systemd.Ready, s.status())
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var living sync.WaitGroup
	living.Go(func() { s.attend(ctx, cancel) })
	return ctx, func() {
		cancel(nil)
		living.Wait()
	}
}

// status is the line that the manager shows.
func (s *service) status() string {
	return systemd.Status(fmt.Sprintf("%s, %s", count1(len(s.engine.Listeners()), "listener"), count1(len(s.engine.Slots()), "handler")))
}

// attend does what signals ask for, one thing at a time, and tells the manager that all is well, until ctx ends.
func (s *service) attend(ctx context.Context, cancel context.CancelCauseFunc) {
	l := s.life
	var beats <-chan time.Time
	if l.watchdog > 0 {
		beat := time.NewTicker(max(l.watchdog/2, time.Millisecond))
		defer beat.Stop()
		beats = beat.C
	}
	var task chan bool // has what came of what a signal has asked for; nil: nothing is being done
	handed := false    // a successor has taken over
	for {
		successions, hangups := l.successions, l.hangups
		if task != nil {
			successions, hangups = nil, nil // they wait
		}
		select {
		case <-ctx.Done():
			if task != nil {
				handed = <-task // it ends with ctx
			}
			if !handed {
				l.tell(systemd.Stopping)
			}
			return
		case <-beats:
			l.beat()
		case <-hangups:
			task = inBackground(func() bool { s.reload(ctx); return false })
		case <-successions:
			task = inBackground(func() bool { return s.handOver(ctx) })
		case handed = <-task:
			task = nil
			if handed {
				cancel(server.ErrSucceeded)
			}
		}
	}
}

// inBackground does something in a goroutine of its own.
func inBackground(do func() bool) chan bool {
	done := make(chan bool, 1)
	go func() { done <- do() }()
	return done
}

// beat tells the manager that all is well, if it is.
func (l *life) beat() {
	if stuck := l.alive.Stuck(); len(stuck) > 0 {
		l.log.Error("workers take nothing, although datagrams wait", slog.Any("listeners", stuck))
		return
	}
	l.tell(systemd.Watchdog)
}

// reload reads the configuration again and looks at the directory of handlers, as far as there are such, and lets the
// manager know when that is done.
func (s *service) reload(ctx context.Context) {
	l := s.life
	l.tell(systemd.Reloading())
	if s.settings.config != "" {
		s.reconfigure(ctx)
	}
	if s.dropins != nil && l.manager != nil { // without one the directory's own watch looks, when it likes
		if err := s.dropins.dir.Scan(ctx); err != nil && ctx.Err() == nil {
			l.log.Warn("the directory of handlers was not looked at again", "error", err)
		}
	}
	l.tell(systemd.Ready, s.status())
}
