// Package meter rewrites a WebAssembly module so that it cannot take more than it is given: bytes in, bytes
// out.
//
// The rewritten module burns fuel by static weight and traps when there is none left, counts how deep its
// calls are and how large their frames, keeps its tables small, and lets go of its thread now and then. It
// stays a module like any other: no index moves, nothing is imported, and what it computes is what it
// computed before. A host finds the counters in exported globals, through Counters.
//
//	metered, info, err := meter.Rewrite(wasm, meter.Limits{}) // first of all: it believes nothing
//	// validate wasm, compile metered, instantiate it
//	counters, err := meter.Bind(info, lookup)
//	counters.Arm(10_000_000)
//	// call the guest; if that fails, counters.Cause says why, and counters.Reset gives it its stack again
//
// # Order
//
// Rewrite comes before an engine sees the original, for wazero 1.12 allocates what a module announces:
// fifteen bytes that announce 4 billion imports end the process. Then the original has to be validated,
// because Rewrite checks what its own soundness rests on and no more: wazero's interpreter does so in a
// fraction of the time that its compiler takes, and debug information is better turned off for it. Then the
// rewritten module is compiled, which validates it once more.
//
// # Fuel
//
// Weights are listed in this package's constants. A function pays when it is entered and at the head of each
// of its loops, and in between where much has been paid for already; what is charged covers the heaviest way
// to the next charge, so that whatever control does has been paid for in advance (graph.go says how). What
// depends on operands is done by functions that the meter adds behind the module's own: bulk memory and table
// operations and the growth of memories and tables are calls of them. Long bulk operations are done in pieces
// of 256 KiB, each paid for in advance; growth, and table operations, which limits keep short, are paid for
// once they are done, so that a failure is the instruction's own.
//
// One 64-bit global holds a slice of the fuel in its lower half and the fuel beyond in its upper one. The
// slice counts down: a charge is a subtraction and a comparison. When the slice is used up, a helper begins
// the next one or traps.
//
// A function with a loop that calls nobody keeps the number in a local while it runs, and puts it back before it
// calls and when it is left: a charge in such a loop is done in registers. When such a function traps by itself, at an
// address out of bounds say, what it had used since it last put it back is not known.
//
// Most of what a charge takes is not the subtraction but what wazero's compiler makes of the code around the call
// of that helper; emitter.head and emitter.unlessNegative say how that is kept out of the way.
//
// A host that calls small functions often is better off with entries (Limits.Entries), which take a budget as an
// argument and return what is left of it: to write a global from outside, or to read one, takes as long as a small
// function.
//
// # Letting go
//
// Code that wazero has compiled cannot be preempted by Go's scheduler, so that a long call of a guest makes
// every goroutine wait as soon as one wants the world stopped, such as the garbage collector. Between two
// slices a guest therefore executes an instruction that wazero 1.12 does not compile but leaves to Go, on
// amd64 and arm64 alike: memory.grow by nothing is such a one, and so is table.grow by nothing, which the
// meter uses on an empty table of its own, for not every module has a memory. Both leave compiled code
// through an exit code that callEngine.callWithStack (internal/engine/wazevo/call_engine.go) handles in a
// loop, in Go, and the functions called there test for preemption when they are entered. It takes 50 to 80
// ns.
//
// On a busy two-core machine the median time to stop the world fell from 10 ms to 0.04 ms while a guest ran a
// loop of 20 ms, and from 100 ms to 0.06 ms during one of 100 ms; BenchmarkStopTheWorld prints it, and a test
// has the collector finish while a guest waits for it.
//
// # Frames
//
// A guest's calls use a stack of the engine's that no memory limit covers. A function that calls others takes
// its frame from a counter when it is entered and gives it back on every way out; a leaf only compares. One
// counter bounds both the number of frames and their size: a frame counts as its estimated size, and at least
// as 1/4,096 of the stack. A trap leaves frames taken: see Counters.Reset. wazero's interpreter gives up by
// itself, as a stack overflow, at 2,000 frames.
//
// # What is refused
//
// What is not part of WebAssembly 2.0: exceptions, tail calls, threads, 64-bit and several memories, garbage
// collection, typed references. And what is within the rules but out of proportion, of which limits.go has
// the list. Custom sections but names are dropped: what they say of code, such as DWARF's offsets, is wrong
// once it is rewritten, and nobody reads the rest.
package meter
