package wasmhandler

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"

	"github.com/retort-udp/retort/wasmhandler/meter"
)

// Cause is why a guest's call ended badly.
type Cause uint8

// The causes of faults.
const (
	CauseFuel        Cause = iota // it used up its fuel: an endless loop, or more work than the limit allows
	CauseDepth                    // its calls were nested too deep, or their frames too large
	CauseUnreachable              // it ran into an unreachable instruction: what panics and aborts compile to
	CauseBounds                   // it reached outside its memory or a table, or gave the host such an address
	CauseArithmetic               // it divided by zero, or converted a number that the result has no room for
	CauseStack                    // the engine's own stack ran over, which CauseDepth should have come before
	CauseResult                   // it returned more bytes than there was room for, or a number that means nothing
	CauseWindow                   // it gave no window, or one that cannot be used: only when it starts
	CauseExit                     // it called proc_exit, or a command ended with a code above 1
	CauseOther                    // anything else
	causes
)

// String is a short name, fit for a metric's label.
func (c Cause) String() string {
	names := [causes]string{
		"fuel", "depth", "unreachable", "bounds", "arithmetic", "stack", "result", "window", "exit", "other",
	}
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
	switch in.meterCause(err) {
	case meter.Fuel:
		f.Cause, f.Detail = CauseFuel, in.outOfFuel()
		return f
	case meter.Depth:
		f.Cause, f.Detail = CauseDepth, in.tooDeep()
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
		return CauseStack
	}
	if strings.HasSuffix(text, "out of bounds memory access") { // a data segment is named in front of it
		return CauseBounds
	}
	return CauseOther
}

// functionNames takes the names from wazero's stack trace: lines of the form "module.name(i32,i32) i32". Those of
// the functions that the meter put in mean nothing to who wrote the guest.
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
		if name = strings.TrimPrefix(name, module+"."); strings.HasPrefix(name, meter.Prefix) {
			continue
		}
		if len(names) == most {
			return append(names, "...")
		}
		names = append(names, shortName(name))
	}
	return names
}

// shortName cuts a name that a guest gave itself to what a log line has room for.
func shortName(name string) string {
	const most = 64 // bytes
	if len(name) > most {
		name = name[:most] + "..."
	}
	return clean(name)
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
	Faults     [causes]uint64 // by Cause; each cost one datagram, or a moment of idleness
	Codes      uint64         // results that are the guest's own codes: see Module.Codes
	Resets     uint64         // instances that were put back to their first state in place
	Restarts   uint64         // instances that were made anew instead
	Failures   uint64         // attempts to make one anew, or to start a command, that failed
	Fuel       uint64         // units that guests used, start-up apart; up to 63 calls of a worker's last 100 ms may be missing
	Silenced   uint64         // datagrams that no guest saw: their sources had caused too many faults
	Paused     uint64         // datagrams that the fallback answered, or nobody, in the place of the guest
	Checks     uint64         // times that the vectors were run after a fault
	Unfit      uint64         // of these, times that they failed
	LogLines   uint64         // lines of guests that went to Config.Log
	LogDropped uint64         // lines of guests that did not: too many in a second, or nobody to hear them
}

// counters are Stats as they grow, and what limits the lines in the log. What every datagram adds to is not here
// but with each handler: workers share nothing that they write that often.
type counters struct {
	faults                                   [causes]atomic.Uint64
	restarts, failures, logLines, logDropped atomic.Uint64

	faultLines, guestLines limiter
}

// Stats returns the counts of all instances so far.
func (m *Module) Stats() Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := &m.counters
	s := Stats{
		Restarts: c.restarts.Load(), Failures: c.failures.Load(),
		Silenced: m.gates.silenced.Load(), Paused: m.gates.paused.Load(),
		Checks: m.health.checks.Load(), Unfit: m.health.failures.Load(),
		LogLines: c.logLines.Load(), LogDropped: c.logDropped.Load(),
		Fuel: m.spent.fuel, Resets: m.spent.resets, Codes: m.spent.codes,
	}
	for h := range m.open {
		spent := h.spending()
		s.Fuel += spent.fuel.Load()
		s.Resets += spent.resets.Load()
		s.Codes += spent.codes.all.Load()
	}
	for cause := range s.Faults {
		s.Faults[cause] = c.faults[cause].Load()
	}
	return s
}

// spending is what one handler counts by itself. Only that handler writes it.
type spending struct {
	fuel, resets atomic.Uint64
	codes        codes
}

// add adds to a counter that nobody else writes, which is cheaper than an atomic addition.
func add(to *atomic.Uint64, n uint64) { to.Store(to.Load() + n) }

// count takes note of a fault. Whoever called Reply is told of it by the error, and may log that.
func (m *Module) count(f *Fault) { m.counters.faults[f.Cause].Add(1) }

// complain logs a fault that no error tells anybody: it happened at now, outside Reply.
func (m *Module) complain(f *Fault, now uint64) {
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
