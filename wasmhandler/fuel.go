package wasmhandler

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/retort-udp/retort/wasmhandler/meter"

	"github.com/tetratelabs/wazero/api"
)

// FuelMeter is what a handler that Module.ForWorker returns is, too.
type FuelMeter interface {
	// FuelUsed is how much fuel the guest's last call took: of Reply, IsResponse or Idle, or 0 before the first. It
	// belongs to the goroutine that makes these calls.
	FuelUsed() uint64
}

// RequestKeeper is what a handler that Module.ForWorker returns is, unless it is of a command or forgets each datagram.
type RequestKeeper interface {
	// RequestIntact tells whether the guest left the request of the last call of Reply as it was, which was this one:
	// the ABI has it that captures and comparisons can read it afterwards. It belongs to the goroutine that makes these
	// calls.
	RequestIntact(request []byte) bool
}

// tally adds up what the calls of one worker take. Others read the sum, and to write what they can read takes as long
// as all the rest of it: so that is done for some calls at once where they come fast.
type tally struct {
	last    uint64 // what the last call took
	due     uint64 // what those took that are not in the sum yet
	calls   uint64 // how many these are
	settled uint64 // when there were none, by the arrival of datagrams
}

// When the sum is written, at the latest.
const (
	tallyCalls = 64
	tallyTime  = uint64(100 * time.Millisecond)
)

// add notes what a call took, at a datagram's arrival.
func (t *tally) add(used, now uint64, sum *atomic.Uint64) {
	t.last = used
	t.due += used
	t.calls++
	if t.calls >= tallyCalls || now-t.settled >= tallyTime { // or the clock was set back, which is a long time, too
		t.settle(now, sum)
	}
}

// settle adds to the sum what is not in it yet.
func (t *tally) settle(now uint64, sum *atomic.Uint64) {
	add(sum, t.due)
	t.due, t.calls, t.settled = 0, 0, now
}

// bindCounters finds the guest's counters.
func (in *instance) bindCounters(guest api.Module) (err error) {
	in.counters, err = meter.Bind(in.module.info, func(name string) meter.Global {
		global, _ := guest.ExportedGlobal(name).(api.MutableGlobal)
		return global
	})
	return err
}

// used is how much the guest has used of what it was given last.
func (in *instance) used() uint64 { return in.budget - in.counters.Remaining() }

// charge takes fuel for what a host call does. The guest traps when it has not as much.
func (in *instance) charge(fuel uint64) {
	if !in.counters.Charge(fuel) {
		panic(&hostTrap{cause: CauseFuel, detail: in.outOfFuel()})
	}
}

// meterCause says whether it was the meter that ended a call, by its error.
func (in *instance) meterCause(err error) meter.Cause {
	if in.guest == nil { // its start function trapped
		return meter.TraceCause(err)
	}
	return in.counters.Cause()
}

func (in *instance) outOfFuel() string {
	limit := "Config.Fuel"
	if in.starting() {
		limit = "Config.StartFuel"
	}
	return fmt.Sprintf("it used up its fuel, %d units (%s)", in.budget, limit)
}

// starting tells whether the guest has its first budget still.
func (in *instance) starting() bool { return in.functions.reply == nil }

func (in *instance) tooDeep() string {
	c := &in.module.config
	return fmt.Sprintf("its calls were nested too deep: more than %d of them, or %d bytes of frames (Config.Depth, "+
		"Config.FrameBytes)", c.Depth, c.FrameBytes)
}
