package meter

// What instructions cost, in units of fuel. The weights follow what instructions take on real processors at
// worst, so that a budget of fuel is a bound on time: a load that misses every cache takes as long as some
// eighty additions, but four of them overlap; a division keeps its unit busy for up to twenty cycles.
const (
	WeightOther  = 1  // an instruction that is not listed here
	WeightAccess = 4  // a load or store, of memory or of a table, vectors included
	WeightDivide = 16 // a division, remainder or square root, vectors included
	WeightCall   = 8  // a call, and what leaves for the host: memory.grow, table.grow, ref.func, bulk operations

	// BytesPerFuel is how many bytes of memory.fill, memory.copy and memory.init one unit buys, beyond the
	// weight of the call. The same holds for memory that memory.grow adds.
	BytesPerFuel = 16
	// ElementsPerFuel is how many elements of table.fill, table.copy, table.init and table.grow one unit
	// buys, beyond the weight of the call.
	ElementsPerFuel = 1

	// PageFuel is what memory.grow costs for each page that it adds.
	PageFuel = 1 << 16 / BytesPerFuel
)

// chargeFuel is how much may be charged in advance for code that control need not get to: once that much has
// been paid for, what follows the next branch or label is charged for there.
const chargeFuel = 128

// manyLabels is how many labels a br_table has behind which control pays for each way by itself.
const manyLabels = 8

// lightFuel is what is not worth a charge of its own.
const lightFuel = 16

// Functions with so many charges at most, and charges times locals, get charges that run faster and compile
// slower.
const (
	fastChecks = 64
	fastLocals = 1_000
	moreCopies = 16 // locals that a loop changes, of which it copies none if there are more: see emitter.head
)

// How the size of a frame is estimated, in bytes. A compiler that gives each value which leaves a register a
// slot of its own, and never reuses one, as wazero does, makes frames that grow with the code, with what
// calls leave and with the locals that have to be brought together where branches meet. The estimate exceeds
// the true frames of what compilers write, mostly four times; of the functions that were written to break it,
// the worst had frames less than four times as large.
const (
	frameHeader   = 64 // return address, frame pointer, saved registers
	frameSlot     = 8  // a parameter, local or operand
	frameSlotWide = 16 // the same, in a function with vectors
	frameValues   = 4  // so many values that calls or blocks leave, or locals that blocks change, are one slot
	framePerCode  = 2  // so many bytes of code are one byte; half as many in a function with vectors
)
