// Package handover has a server go on as another process: the program that is installed now, with the sockets of the
// one that runs. Nothing that waits in them is lost, for they are never closed.
//
// The old process starts its successor with the sockets as descriptors, and what they belong to in a variable:
//
//	next, err := handover.Start(handover.Plan{Program: path, Args: os.Args, Env: os.Environ(), Sockets: sockets})
//	if err == nil {
//		err = next.Await(ctx) // until it answers; an error says why it never will, and it is gone then
//	}
//
// The new process asks for its predecessor when it starts, and tells it when it answers:
//
//	before, err := handover.From(os.LookupEnv) // nil: there is none
//	serve(before.Sockets())
//	before.Ready()
//
// Until then both have the sockets, and the old one answers. What it has not taken out of them when it ends is the
// new one's. A process that fails before it is ready has changed nothing.
package handover

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Variable names the environment's variable that a successor is told by.
const Variable = "RETORT_HANDOVER"

// Socket is one that goes to the successor.
type Socket struct {
	Descriptor uintptr
	Listener   string // the name of the listener that it belongs to
}

// message is the value of Variable. The descriptors are those behind standard error: first the pipe that readiness
// is told by, then the sockets.
type message struct {
	From      int      `json:"from"`               // the process ID of the predecessor
	Listeners []string `json:"listeners"`          // of the sockets, one for each
	Handlers  []string `json:"handlers,omitempty"` // as in Plan
}

// Where descriptors begin in a successor, and the most there may be.
const (
	pipe        = 3
	firstSocket = 4
	maxSockets  = 1 << 16
)

// ready is what a successor writes into the pipe.
const ready = 'R'

// Predecessor is the process that this one takes over from. A nil Predecessor is none.
type Predecessor struct {
	pipe     *os.File
	sockets  []Socket
	handlers []string
}

// From returns the predecessor that the variable tells of, nil if there is none. A variable that was meant for
// another process is no news.
func From(lookup func(string) (string, bool)) (*Predecessor, error) {
	text, ok := lookup(Variable)
	if !ok || text == "" {
		return nil, nil
	}
	var m message
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return nil, fmt.Errorf("%s: %w", Variable, err)
	}
	if m.From != os.Getppid() {
		return nil, nil
	}
	if len(m.Listeners) > maxSockets {
		return nil, fmt.Errorf("%s: %d sockets are more than %d", Variable, len(m.Listeners), maxSockets)
	}
	p := &Predecessor{handlers: m.Handlers}
	for i, listener := range m.Listeners {
		p.sockets = append(p.sockets, Socket{Descriptor: uintptr(firstSocket + i), Listener: listener})
	}
	closeOnExec(pipe, firstSocket+len(p.sockets)) // they are no compiler's
	p.pipe = os.NewFile(pipe, "pipe to the predecessor")
	return p, nil
}

// Sockets returns those that the predecessor serves, and that this process shall. They are the caller's.
func (p *Predecessor) Sockets() []Socket {
	if p == nil {
		return nil
	}
	return slices.Clone(p.sockets)
}

// Handlers returns the names of those that the predecessor serves, and that this process must be able to serve as well.
func (p *Predecessor) Handlers() []string {
	if p == nil {
		return nil
	}
	return slices.Clone(p.handlers)
}

// Ready tells the predecessor that this process answers, so that it ends. An error is that it could not be told.
func (p *Predecessor) Ready() error {
	if p == nil {
		return nil
	}
	if _, err := p.pipe.Write([]byte{ready}); err != nil {
		return fmt.Errorf("tell the predecessor: %w", err)
	}
	return p.pipe.Close()
}

// environment returns that of a successor: without what was said to this process alone.
func environment(env []string, m message) ([]string, error) {
	text, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	own := []string{Variable, "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_PID"}
	env = slices.DeleteFunc(slices.Clone(env), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains(own, name)
	})
	return append(env, Variable+"="+string(text)), nil
}

// ExitError is how a successor has ended before it was ready.
type ExitError struct {
	Code   int // -1: it was killed
	Reason string
}

func (e *ExitError) Error() string {
	if e.Code >= 0 {
		return "it has ended with exit code " + strconv.Itoa(e.Code)
	}
	return "it has ended: " + e.Reason
}
