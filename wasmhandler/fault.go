package wasmhandler

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
)

// Cause is why a guest's call ended badly.
type Cause uint8

// The causes of faults.
const (
	CauseUnreachable Cause = iota // it ran into an unreachable instruction: what panics and aborts compile to
	CauseBounds                   // it reached outside its memory or a table, or gave the host such an address
	CauseArithmetic               // it divided by zero, or converted a number that the result has no room for
	CauseDepth                    // its calls were nested too deep
	CauseResult                   // it returned more bytes than there was room for, or a number that means nothing
	CauseWindow                   // it gave no window, or one that cannot be used: only when it starts
	CauseExit                     // it called proc_exit, or a command ended with a code above 1
	CauseOther                    // anything else
	causes
)

// String is a short name, fit for a metric's label.
func (c Cause) String() string {
	names := [causes]string{"unreachable", "bounds", "arithmetic", "depth", "result", "window", "exit", "other"}
	if c < causes {
		return names[c]
	}
	return fmt.Sprintf("cause %d", uint8(c))
}

// Fault is the error of a guest that failed. It costs the datagram that it happened on; the instance is
// replaced before the next.
type Fault struct {
	Name      string // of the handler
	Call      string // what was called: an export of the ABI, or "start" for what comes first
	Cause     Cause
	Detail    string   // what happened, in a few words
	Functions []string // the guest's functions that were running, the innermost first, the first few; may be empty
	Said      string   // the first that the guest printed on standard error, or logged as an error, in that call
}

// Error says it in one line.
func (f *Fault) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "handler %q: %s: %s", f.Name, f.Call, f.Detail)
	if len(f.Functions) > 0 {
		fmt.Fprintf(&b, " (in %s)", strings.Join(f.Functions, " < "))
	}
	if f.Said != "" {
		fmt.Fprintf(&b, ": %q", f.Said)
	}
	return b.String()
}

// newFault makes a Fault of what wazero returned from a call.
func (in *instance) newFault(call string, err error) *Fault {
	in.flush() // its last words may lack a newline
	f := &Fault{Name: in.module.config.Name, Call: call, Said: string(in.console.said)}
	_, trace, _ := strings.Cut(err.Error(), "\nwasm stack trace:\n\t")
	f.Functions = functionNames(trace, in.module.code.Name())

	var host *hostTrap
	if errors.As(err, &host) {
		f.Cause, f.Detail = host.cause, host.detail
		return f
	}
	for inner := err; inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	f.Cause, f.Detail = causeOf(first), clean(first)
	return f
}

// badResult makes a Fault of a call that returned what the ABI does not allow.
func (in *instance) badResult(call string, cause Cause, format string, args ...any) *Fault {
	in.flush()
	return &Fault{
		Name: in.module.config.Name, Call: call, Cause: cause,
		Detail: fmt.Sprintf(format, args...), Said: string(in.console.said),
	}
}

// causeOf tells wazero's errors apart by their text: their values are internal to it.
func causeOf(text string) Cause {
	switch text {
	case "unreachable":
		return CauseUnreachable
	case "invalid table access", "indirect call type mismatch":
		return CauseBounds
	case "integer divide by zero", "integer overflow", "invalid conversion to integer":
		return CauseArithmetic
	case "stack overflow":
		return CauseDepth
	}
	if strings.HasSuffix(text, "out of bounds memory access") { // a data segment is named in front of it
		return CauseBounds
	}
	return CauseOther
}

// functionNames takes the names from wazero's stack trace: lines of the form "module.name(i32,i32) i32".
func functionNames(trace, module string) (names []string) {
	const most = 8
	for line := range strings.Lines(trace) {
		line = strings.TrimSpace(line)
		if result := strings.LastIndex(line, ") "); result >= 0 {
			line = line[:result+1]
		}
		name, ok := cutLast(line, "(")
		if !ok {
			break // the note that frames were left out, or Go's own trace
		}
		if len(names) == most {
			return append(names, "...")
		}
		names = append(names, clean(strings.TrimPrefix(name, module+".")))
	}
	return names
}

// cutLast returns what is before the last sep in s.
func cutLast(s, sep string) (before string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], true
	}
	return s, false
}

// Stats are counts since the module was compiled.
type Stats struct {
	Faults     [causes]uint64 // by Cause; each cost one datagram
	Restarts   uint64         // instances that were replaced after a fault
	Failures   uint64         // attempts to replace one, or to start a command, that failed
	LogLines   uint64         // lines of guests that went to Config.Log
	LogDropped uint64         // lines of guests that did not: too many in a second, or nobody to hear them
}

// counters are Stats as they grow, and what limits the lines in the log.
type counters struct {
	faults                                   [causes]atomic.Uint64
	restarts, failures, logLines, logDropped atomic.Uint64

	faultLines, guestLines limiter
}

// Stats returns the counts of all instances so far.
func (m *Module) Stats() Stats {
	c := &m.counters
	s := Stats{
		Restarts: c.restarts.Load(), Failures: c.failures.Load(),
		LogLines: c.logLines.Load(), LogDropped: c.logDropped.Load(),
	}
	for cause := range s.Faults {
		s.Faults[cause] = c.faults[cause].Load()
	}
	return s
}

// count takes note of a fault that cost a datagram, which arrived at now.
func (m *Module) count(f *Fault, now uint64) {
	m.counters.faults[f.Cause].Add(1)
	if m.config.Log == nil {
		return
	}
	if ok, suppressed := m.counters.faultLines.allow(now, 1); ok {
		args := []any{"handler", f.Name, "cause", f.Cause.String(), "fault", f.Error()}
		if suppressed > 0 {
			args = append(args, "suppressed", suppressed)
		}
		m.config.Log.Log(background, slog.LevelWarn, "handler fault", args...)
	}
}
