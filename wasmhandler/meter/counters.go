package meter

import (
	"errors"
	"strings"
)

// A Global is an exported mutable global of an instance. wazero's api.MutableGlobal is one.
type Global interface {
	Get() uint64
	Set(uint64)
}

// Counters are an instance's fuel and stack. Like the instance, they are not for two goroutines at once.
type Counters struct {
	fuel, stack       Global
	perSlice, atFirst int64
}

// Bind finds the counters of an instance of a metered module. lookup returns the exported mutable global of a
// name, or nil; with wazero:
//
//	func(name string) meter.Global {
//		global, _ := instance.ExportedGlobal(name).(api.MutableGlobal)
//		return global
//	}
func Bind(info *Info, lookup func(name string) Global) (*Counters, error) {
	c := &Counters{fuel: lookup(fuelName), stack: lookup(stackName), perSlice: info.Slice, atFirst: info.Stack}
	if c.fuel == nil || c.stack == nil {
		return nil, errors.New("meter: the instance has no counters: its module is not metered")
	}
	return c, nil
}

// Arm gives the guest a budget of fuel, at most MaxFuel. A host calls it before each call of the guest.
func (c *Counters) Arm(fuel uint64) { c.fuel.Set(c.Budget(fuel)) }

// Budget is a budget of fuel, at most MaxFuel, as an entry takes it for its last argument, an i64. To call an entry
// is Arm and a call of the function in one, which is sooner done: see Limits.Entries.
func (c *Counters) Budget(fuel uint64) uint64 {
	total := int64(min(fuel, MaxFuel))
	slice := min(total, c.perSlice)
	return pack(total-slice, slice)
}

// Reset gives the guest all of its stack again. A host calls it after a trap, which leaves frames uncounted.
func (c *Counters) Reset() { c.stack.Set(uint64(c.atFirst)) }

// Remaining is the fuel that the guest has left, 0 when it was short of some.
func (c *Counters) Remaining() uint64 { return Left(c.fuel.Get()) }

// Left is what an entry returned last of all, in units of fuel: what Remaining says then, and sooner done. An entry
// that trapped has returned nothing.
func Left(result uint64) uint64 { return uint64(max(balance(result), 0)) }

// balance is the fuel that is left, negative when some was missing.
func (c *Counters) balance() int64 { return balance(c.fuel.Get()) }

func balance(fuel uint64) int64 {
	beyond, slice := unpack(fuel)
	return beyond + slice
}

// Charge takes fuel for what the host does on the guest's behalf, and reports whether there was as much. If
// not, a host function should do nothing and make the guest trap by a panic; Cause says Fuel then.
func (c *Counters) Charge(fuel uint64) bool {
	beyond, slice := unpack(c.fuel.Get())
	amount := int64(min(fuel, MaxFuel))
	total := max(beyond+slice-amount, -MaxFuel) // an overdrawn account is not drawn out of range
	slice = max(min(slice-amount, total), 0)
	c.fuel.Set(pack(total-slice, slice))
	return total >= 0
}

// Cause says why the guest trapped. It is for a call that failed, before the next Arm and Reset.
func (c *Counters) Cause() Cause {
	switch {
	case int32(c.stack.Get()) < 0:
		return Depth
	case c.balance() < 0:
		return Fuel
	}
	return Own
}

// TraceCause says why a guest's start function trapped, of which there is no instance left to ask for
// counters. It reads the error that wazero's Instantiate returned, which ends in a trace of functions' names;
// the meter's own are no other function's.
func TraceCause(err error) Cause {
	if err == nil {
		return Own
	}
	_, trace, _ := strings.Cut(err.Error(), "wasm stack trace:\n")
	top, _, _ := strings.Cut(trace, "\n")
	switch {
	case strings.Contains(top, Prefix+refillName+"("):
		return Fuel
	case strings.Contains(top, Prefix+enterName+"("):
		return Depth
	}
	return Own
}

// A Cause is why a guest trapped.
type Cause uint8

// The causes of a trap.
const (
	Own   Cause = iota // the guest's own: unreachable, an address out of bounds, a host function's panic
	Fuel               // it ran out of fuel
	Depth              // its calls were too many, or their frames too large
)

// String returns the cause's name.
func (c Cause) String() string {
	switch c {
	case Fuel:
		return "fuel"
	case Depth:
		return "depth"
	}
	return "own"
}
