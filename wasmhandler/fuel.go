package wasmhandler

import (
	"fmt"

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

// sampling picks calls whose fuel is looked at for the total: one in a while stands for those since the one before. To
// look at each would take a tenth of a small guest's call.
type sampling struct {
	since uint64 // calls since the last one that was looked at
	begun bool   // there was a call
}

// sampleEvery is how many calls one stands for.
const sampleEvery = 16

// next tells for how many calls the one that has just been made stands. The first stands for itself, and so does one
// that failed, since it is like no other.
func (s *sampling) next(failed bool) (weight uint64) {
	if failed {
		s.begun = true
		return 1
	}
	s.since++
	if s.since < sampleEvery && s.begun {
		return 0
	}
	weight, s.since, s.begun = s.since, 0, true
	return weight
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
