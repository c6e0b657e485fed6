package meter

import "fmt"

// The limits of the handler ABI, which are the defaults of Limits.
const (
	DefaultStartFuel     = 100_000_000 // for the start function, _initialize and what the host calls before Arm
	DefaultSlice         = 30_000      // fuel between two moments at which a guest lets go of its thread
	DefaultFrames        = 4_096       // calls that are open at once
	DefaultFrameBytes    = 1 << 20     // their frames together, as estimated
	DefaultTableElements = 65_536      // of all tables together
	DefaultModuleBytes   = 16 << 20    // of the original
	DefaultFunctionBytes = 128 << 10   // of one function's body, with its local declarations
	DefaultLocals        = 1_000       // of one function, parameters included
	DefaultLocalBlocks   = 100_000     // locals times blocks (block, loop, if) of one function
	DefaultBulk          = 1_000       // bulk memory and table operations of one function
	DefaultNesting       = 3_000       // blocks within blocks
	DefaultLoopNesting   = 128         // loops within loops
)

// Bounds on a module's shape. Each stands against a way of making a compiler or an instance cost out of
// proportion to the module's bytes; no module that a compiler writes comes near.
const (
	MaxTypes          = 10_000   // function types
	MaxParams         = 1_000    // parameters of a function type, and as many results
	MaxImports        = 1_000    // imports
	MaxFunctions      = 100_000  // functions that the module defines
	MaxTables         = 100      // tables
	MaxGlobals        = 10_000   // globals
	MaxExports        = 1_000    // exports
	MaxSegments       = 100_000  // data segments, and as many element segments
	MaxElements       = 1 << 20  // elements in all element segments together
	MaxNames          = 1 << 18  // names of functions, and as many of locals
	MaxBlocks         = 4_000    // blocks of one function: compiling takes time by their square
	MaxLoops          = 500      // loops of one function, by their square as well
	MaxBranchTargets  = 20_000   // labels in all br_table instructions of one function, by their square too
	MaxMoves          = 200_000  // operands that calls, blocks and branches of one function pass on
	MaxGlobalsByCalls = 500_000  // mutable globals times calls of one function: each call reloads them all
	MaxBulkKinds      = 10_000   // bulk operations that differ in their segments or tables
	MaxMeteredBytes   = 64 << 20 // the metered module
)

// Limits are what a guest may use. A field that is zero means the handler ABI's default.
type Limits struct {
	StartFuel     int64 // fuel until the host first calls Counters.Arm; DefaultStartFuel
	Slice         int64 // fuel between two moments at which a guest lets go of its thread; DefaultSlice
	Frames        int64 // calls open at once; DefaultFrames
	FrameBytes    int64 // bytes of all open calls' frames, as estimated; DefaultFrameBytes
	TableElements int64 // elements of all tables together; DefaultTableElements

	ModuleBytes   int64 // size of the original module; DefaultModuleBytes
	FunctionBytes int64 // size of one function; DefaultFunctionBytes
	Locals        int64 // locals of one function, parameters included; DefaultLocals
	LocalBlocks   int64 // locals times blocks of one function; DefaultLocalBlocks
	Bulk          int64 // bulk memory and table operations of one function; DefaultBulk
	Nesting       int64 // blocks within blocks; DefaultNesting
	LoopNesting   int64 // loops within loops; DefaultLoopNesting

	// Entries are exported functions that the host calls often. For each the rewritten module exports another, under
	// the name that Entry says, which takes a budget as an argument more, see Counters.Budget, and returns what is left
	// of it as a result more, see Left. Names that the module does not export are passed over.
	Entries []string
}

// MaxFuel is the largest budget of fuel.
const MaxFuel = 1<<31 - 1

// withDefaults returns the limits with every zero replaced, or an error for a value that makes no sense.
func (l Limits) withDefaults() (Limits, error) {
	for _, f := range []struct {
		name  string
		value *int64
		std   int64
		max   int64
	}{
		// No single charge may exceed 30 bits, so that a slice stays within its 32.
		{"StartFuel", &l.StartFuel, DefaultStartFuel, MaxFuel},
		{"Slice", &l.Slice, DefaultSlice, 1 << 30},
		{"Frames", &l.Frames, DefaultFrames, 1 << 30},
		{"FrameBytes", &l.FrameBytes, DefaultFrameBytes, 1 << 30},
		{"TableElements", &l.TableElements, DefaultTableElements, 1 << 28},
		{"ModuleBytes", &l.ModuleBytes, DefaultModuleBytes, 1 << 30},
		{"FunctionBytes", &l.FunctionBytes, DefaultFunctionBytes, 1 << 24},
		{"Locals", &l.Locals, DefaultLocals, 50_000},
		{"LocalBlocks", &l.LocalBlocks, DefaultLocalBlocks, 1 << 30},
		{"Bulk", &l.Bulk, DefaultBulk, 1 << 30},
		{"Nesting", &l.Nesting, DefaultNesting, 1 << 20},
		{"LoopNesting", &l.LoopNesting, DefaultLoopNesting, 1 << 20},
	} {
		if *f.value == 0 {
			*f.value = f.std
		}
		if *f.value < 0 || *f.value > f.max {
			return l, fmt.Errorf("meter: Limits.%s is %d, not within 1 and %d", f.name, *f.value, f.max)
		}
	}
	if l.FrameBytes < l.Frames {
		return l, fmt.Errorf("meter: Limits.FrameBytes %d is less than Limits.Frames %d", l.FrameBytes, l.Frames)
	}
	return l, nil
}

// smallestFrame is what the smallest frame counts as, in bytes: so much that there is room for Frames of them
// and no more. One counter bounds both the number and the size of frames.
func (l *Limits) smallestFrame() int64 { return l.FrameBytes / l.Frames }

// stack is the room for frames, in bytes.
func (l *Limits) stack() int64 { return l.smallestFrame() * l.Frames }

// A LimitError says which limit a module exceeds, and where.
type LimitError struct {
	What  string // what is counted, such as "nested blocks"
	Where string // the function, such as `function 7 ("parse")`, or "module"
	Have  int64  // how many there are, at least: counting stops at the limit
	Limit int64  // how many there may be
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("%s: %d %s, of at most %d", e.Where, e.Have, e.What, e.Limit)
}

// within returns an error unless have is within the limit.
func within(what string, have, limit int64) error {
	if have <= limit {
		return nil
	}
	return &LimitError{What: what, Where: "module", Have: have, Limit: limit}
}
