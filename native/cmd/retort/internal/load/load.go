// Package load asks one UDP server as often as it can, or as often as it is told, and counts what comes
// back.
//
// A closed loop keeps a number of requests outstanding and sends a new one for each reply: it shows how much
// a server can do. An open loop sends at a given rate, whatever the server does: it shows how long clients
// that do not wait for each other wait for it. There each latency counts from the moment at which the
// request was due, so that a server that stands still is charged for all the requests that it held up
// ("coordinated omission" is the name of not doing so).
//
// Every request has one fate: it is answered rightly, answered wrongly, or lost, which is to say not answered
// in time. What comes beside that is counted too: late replies to requests that were given up, extra replies
// that nobody waits for, and foreign datagrams that the server did not send.
//
// On Linux each worker is a thread that spins: it receives and sends many datagrams with one system call
// (recvmmsg, sendmmsg), or many as one (UDP_GRO, UDP_SEGMENT), and never sleeps. Elsewhere it uses package
// net. The parts are, in the order in which they are best read: request.go, what is asked and which reply is
// right; ledger.go, the fates; pace.go, the open loop's timetable; network.go, what a worker needs of sockets;
// worker.go, the loop, with account.go and chores.go; probe.go and run.go, the way to it; report.go, what was
// found.
package load

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/retort-udp/retort/core"
)

// Limits of Options. A load generator without any is a weapon.
const (
	MaxSockets  = 1 << socketBits
	MaxWindow   = 1 << 16
	MaxThreads  = 256
	MaxRate     = 100e6 // requests a second
	MaxDuration = time.Hour
)

// The defaults of Options.
const (
	DefaultWindow   = 128 // fits into the buffer that a server's socket has by default
	DefaultSockets  = 8
	DefaultSize     = 32
	DefaultDuration = 5 * time.Second
	DefaultTimeout  = time.Second // but see Options.Timeout
)

// The default timeout of a closed loop with a server on this host is hostTimeout and turnTimeout for each
// request in the window, which is what a server takes for all of them that answers 10,000 a second.
const (
	hostTimeout = 20 * time.Millisecond
	turnTimeout = 100 * time.Microsecond
)

// openSockets is how many local ports an open loop has by default when replies carry no id: then each
// waits for one reply at a time.
const openSockets = 64

// Expectation says which reply is right.
type Expectation int

const (
	// Length is "Your data was N bytes long", N being the size of the request.
	Length Expectation = iota

	// Echo is the request itself. With requests of IDSize bytes or more each reply is matched to its own
	// request, in whichever order they come. All other replies are taken to come in order, and one that
	// never comes is noticed when a port's replies stop coming.
	Echo

	// Any is every reply.
	Any
)

var expectations = []string{Length: "length", Echo: "echo", Any: "any"}

// Expectations lists the names that ParseExpectation knows.
func Expectations() []string { return append([]string(nil), expectations...) }

// ParseExpectation returns the Expectation of that name.
func ParseExpectation(name string) (Expectation, error) {
	for e, known := range expectations {
		if name == known {
			return Expectation(e), nil
		}
	}
	return 0, fmt.Errorf("no reply is called %q: there are %s", name, strings.Join(expectations, ", "))
}

// String returns the name.
func (e Expectation) String() string { return expectations[e] }

// Options says what a run does. Zero values mean the defaults.
type Options struct {
	// Target is the server. It has no default.
	Target netip.AddrPort

	// Window is how many requests a closed loop keeps outstanding, over all sockets.
	Window int

	// Rate makes the run an open loop: so many requests a second. 0 is a closed loop.
	Rate float64

	// Sockets is how many local ports ask: to the server each is a peer of its own. By default there are
	// DefaultSockets, but not more than the window holds requests; 64 in an open loop whose replies carry
	// no id, where a port asks again when it has its reply and never before.
	Sockets int

	// Threads is how many workers share the sockets. 0 is one.
	Threads int

	// Size is the payload of a request in bytes. 0 is DefaultSize; Empty makes it none.
	Size  int
	Empty bool

	// Duration is how long to measure, Warmup how long to send before that. Count, unless it is 0, ends
	// the run earlier, when so many requests were measured.
	Duration time.Duration
	Warmup   time.Duration
	Count    uint64

	// Timeout is when a request counts as lost: so long after it was sent when replies carry ids, and
	// otherwise when its port has heard nothing for so long. By default it is a second; in a closed loop
	// with a server on this host it is shorter, 33 ms for the default window, because a reply that is
	// missing holds up those to come.
	//
	// Linger is how long to wait in the end for late replies to lost requests; by default it is Timeout.
	Timeout time.Duration
	Linger  time.Duration

	// Expect says which reply is right.
	Expect Expectation

	// GSO sends bursts to one peer as single pieces that the kernel cuts up (UDP_SEGMENT), and takes
	// replies in that form (UDP_GRO). It is an error where the system cannot do that.
	GSO bool

	// Portable uses package net where there is a faster way.
	Portable bool

	// Blind starts without asking whether the server answers, and goes on when it no longer does.
	Blind bool

	// Progress, unless it is nil, is called every ProgressEvery, one second by default, from a goroutine
	// of its own; never after Run has returned.
	Progress      func(Progress)
	ProgressEvery time.Duration

	sockets func(shape) network // instead of the system's, for tests; nil: the system's
}

// Check says which option cannot be.
func (o Options) Check() error { return o.complete() }

// complete fills in the defaults, or says which option cannot be.
func (o *Options) complete() error {
	if !o.Target.IsValid() || o.Target.Port() == 0 {
		return fmt.Errorf("%v is no server's address", o.Target)
	}
	o.Target = netip.AddrPortFrom(o.Target.Addr().Unmap(), o.Target.Port())
	o.fill()
	switch {
	case o.Size < 0 || o.Size > core.MaxPayload(o.Target.Addr()):
		return fmt.Errorf("a size of %d bytes is out of range 0 to %d", o.Size, core.MaxPayload(o.Target.Addr()))
	case o.Window < 1 || o.Window > MaxWindow:
		return fmt.Errorf("a window of %d requests is out of range 1 to %d", o.Window, MaxWindow)
	case o.Sockets < 1 || o.Sockets > MaxSockets:
		return fmt.Errorf("%d sockets are out of range 1 to %d", o.Sockets, MaxSockets)
	case o.Rate == 0 && o.Sockets > o.Window:
		return fmt.Errorf("%d sockets cannot share a window of %d requests: it must hold one for each", o.Sockets, o.Window)
	case o.Threads < 1 || o.Threads > min(MaxThreads, o.Sockets):
		return fmt.Errorf("%d threads are out of range 1 to %d: each needs a socket", o.Threads, min(MaxThreads, o.Sockets))
	case !(o.Rate >= 0 && o.Rate <= MaxRate):
		return fmt.Errorf("a rate of %v requests a second is out of range 0 to %v", o.Rate, float64(MaxRate))
	case o.Duration < 0 || o.Duration > MaxDuration, o.Warmup < 0 || o.Warmup > MaxDuration:
		return fmt.Errorf("a duration is out of range 0 to %v", MaxDuration)
	case o.Timeout < 0 || o.Timeout > time.Minute, o.Linger < 0 || o.Linger > time.Minute:
		return errors.New("a timeout is out of range 0 to 1m")
	case o.GSO && o.Size == 0:
		return errors.New("empty datagrams cannot be sent as one piece: gso needs a size")
	case o.GSO && (o.Portable || !HasGSO):
		return errors.New("gso is a way of Linux, which is not used here")
	}
	return nil
}

func (o *Options) fill() {
	setDefault(&o.Size, DefaultSize)
	if o.Empty {
		o.Size = 0
	}
	setDefault(&o.Window, DefaultWindow)
	if o.Rate > 0 && !o.identified() {
		setDefault(&o.Sockets, openSockets)
	}
	setDefault(&o.Threads, 1)
	setDefault(&o.Sockets, max(o.Threads, min(DefaultSockets, o.Window)))
	setDefault(&o.Duration, DefaultDuration)
	if o.Rate == 0 && o.Target.Addr().IsLoopback() {
		setDefault(&o.Timeout, min(DefaultTimeout, hostTimeout+time.Duration(o.Window)*turnTimeout))
	}
	setDefault(&o.Timeout, DefaultTimeout)
	setDefault(&o.Linger, o.Timeout)
	setDefault(&o.ProgressEvery, time.Second)
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// identified says whether replies tell which request they answer.
func (o *Options) identified() bool { return o.Expect == Echo && o.Size >= IDSize }
