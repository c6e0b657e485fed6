//go:build unix

package handover

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Plan says what a successor is.
type Plan struct {
	Program  string   // its path; see Program
	Args     []string // its arguments, the first of which is its name
	Env      []string
	Sockets  []Socket
	Handlers []string // the names of those that it must not do without, unless they are gone
}

// Successor is a process that is about to take over.
type Successor struct {
	process *os.Process
	pipe    *os.File // what it writes when it is ready
}

// Start starts a successor. It has the sockets from then on, and so does this process.
//
// The sockets' descriptors are not handed to package os, which would have them block.
func Start(p Plan) (*Successor, error) {
	if len(p.Sockets) > maxSockets {
		return nil, fmt.Errorf("%d sockets are more than %d", len(p.Sockets), maxSockets)
	}
	m := message{From: os.Getpid(), Listeners: []string{}, Handlers: p.Handlers}
	for _, s := range p.Sockets {
		m.Listeners = append(m.Listeners, s.Listener)
	}
	env, err := environment(p.Env, m)
	if err != nil {
		return nil, err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer write.Close()
	files := []uintptr{0, 1, 2, write.Fd()}
	for _, s := range p.Sockets {
		files = append(files, s.Descriptor)
	}
	pid, err := syscall.ForkExec(p.Program, p.Args, &syscall.ProcAttr{Env: env, Files: files})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", p.Program, err), read.Close())
	}
	process, err := os.FindProcess(pid)
	if err != nil { // never, on Unix
		return nil, errors.Join(err, read.Close(), syscall.Kill(pid, syscall.SIGKILL))
	}
	return &Successor{process: process, pipe: read}, nil
}

// PID returns its process ID.
func (s *Successor) PID() int { return s.process.Pid }

// Await waits until the successor answers. When it never will, because it has ended or says nothing before ctx does,
// it is killed if need be, and Await returns why.
func (s *Successor) Await(ctx context.Context) error {
	defer s.pipe.Close()
	stop := context.AfterFunc(ctx, func() { _ = s.pipe.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	var said [1]byte
	n, err := s.pipe.Read(said[:])
	if n == 1 && said[0] == ready {
		return nil
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return s.end(err)
}

// grace is how long a successor that has closed the pipe may take to end by itself, so that its exit code is known.
const grace = time.Second

// end has the successor end, which will never be ready because of err, and returns what is known of the reason.
func (s *Successor) end(err error) error {
	ended := make(chan *os.ProcessState, 1)
	go func() {
		state, _ := s.process.Wait() // an error is that it was waited for
		ended <- state
	}()
	wait := grace
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		wait = 0
	}
	killed := false
	var state *os.ProcessState
	select {
	case state = <-ended:
	case <-time.After(wait):
		killed = true
		_ = s.process.Kill() // or it has just ended
		state = <-ended
	}
	switch {
	case killed && wait == 0:
		return fmt.Errorf("it was not ready: %w", err)
	case killed:
		return errors.New("it has closed the pipe without a word")
	case state == nil:
		return fmt.Errorf("it has ended: %w", err)
	}
	return &ExitError{Code: state.ExitCode(), Reason: state.String()}
}

// closeOnExec has programs that this process starts not get descriptors from first up to, but not, end.
func closeOnExec(first, end int) {
	for fd := first; fd < end; fd++ {
		unix.CloseOnExec(fd)
	}
}
