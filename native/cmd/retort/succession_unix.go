//go:build unix

package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/retort-udp/retort/native"
	"github.com/retort-udp/retort/native/cmd/retort/internal/engine"
	"github.com/retort-udp/retort/native/cmd/retort/internal/handover"
	"github.com/retort-udp/retort/native/cmd/retort/internal/systemd"
)

// successions returns a channel that has one when a SIGUSR2 has come; stop gives the signal back.
func successions() (again <-chan os.Signal, stop func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR2)
	return c, func() { signal.Stop(c) }
}

// handOver has the program that is installed now take over, and tells whether it has. Otherwise nothing has changed.
func (s *service) handOver(ctx context.Context) bool {
	l := s.life
	if l.onlyOnce != "" {
		l.log.Error("no successor was started; this server goes on", "reason", l.onlyOnce)
		return false
	}
	sockets, err := s.heritage()
	defer func() {
		for _, h := range sockets {
			_ = unix.Close(int(h.Descriptor)) // the successor has its own
		}
	}()
	var next *handover.Successor
	if err == nil {
		next, err = handover.Start(handover.Plan{
			Program: l.program, Args: os.Args, Env: os.Environ(), Sockets: sockets, Handlers: s.dropins.serves(),
		})
	}
	if err != nil {
		l.log.Error("no successor was started; this server goes on", "program", l.program, "error", err)
		return false
	}
	l.log.Info("a successor was started", "program", l.program, "pid", next.PID())
	ctx, cancel := context.WithTimeout(ctx, l.patience)
	defer cancel()
	if err := next.Await(ctx); err != nil {
		if s.capture != nil {
			s.capture.Reclaim()
		}
		l.log.Error("the successor has failed; this server goes on", "program", l.program, "pid", next.PID(), "error", err)
		return false
	}
	l.streams.leave()
	l.tell(systemd.MainPID(next.PID()))
	l.log.Info("the successor answers; this server ends", "pid", next.PID())
	return true
}

// duplicates returns another descriptor of each socket of listeners, after an error, too.
func duplicates(listeners []*engine.Listener) (sockets []handover.Socket, err error) {
	for _, l := range listeners {
		for _, c := range l.Conns() {
			err := native.WithDescriptor(c, func(fd uintptr) error { return duplicate(&sockets, l.Name(), fd) })
			if err != nil {
				return sockets, err
			}
		}
	}
	return sockets, nil
}

func duplicate(sockets *[]handover.Socket, name string, fd uintptr) error {
	copied, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
	if err == nil {
		*sockets = append(*sockets, handover.Socket{Descriptor: uintptr(copied), Listener: name})
	}
	return err
}

// heritage returns duplicates of all sockets, after an error, too.
func (s *service) heritage() (sockets []handover.Socket, err error) {
	if sockets, err = duplicates(s.engine.Listeners()); err != nil {
		return sockets, err
	}
	for purpose, l := range s.life.streams.open {
		raw, ok := l.(syscall.Conn)
		if !ok {
			continue
		}
		c, err := raw.SyscallConn()
		if err != nil {
			return sockets, err
		}
		var failed error
		err = c.Control(func(fd uintptr) { failed = duplicate(&sockets, streamMark+purpose, fd) })
		if err := errors.Join(err, failed); err != nil {
			return sockets, err
		}
	}
	return sockets, nil
}
