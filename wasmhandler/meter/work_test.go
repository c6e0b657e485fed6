package meter_test

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/retort-udp/retort/wasmhandler/meter"
)

// This test makes random programs of nested blocks, loops, ifs and branches and runs each twice: metered, and
// in a little interpreter of its own that counts every instruction. What was charged must cover what was
// executed, whichever way control went, and not exceed it beyond reason.

// A node is an instruction of a random program, with the code inside it.
type node struct {
	op     byte // as in the binary format; 0x10 is a call of the other function
	weight int  // so many nops; for opNop only
	labels []int
	body   []node
	other  []node // an else arm
	hasArm bool
}

const opNop, opBlock, opLoop, opIf, opBr, opBrIf, opBrTable, opReturn, opCall = 1, 2, 3, 4, 12, 13, 14, 15, 16

// randomCode makes code with so many labels around it.
func randomCode(r *rand.Rand, labels, budget int, calls bool) (code []node) {
	for range 1 + r.IntN(5) {
		switch n := r.IntN(14); {
		case n < 4:
			code = append(code, node{op: opNop, weight: []int{1, 5, 40, 150, 400}[r.IntN(5)]})
		case n < 9 && budget > 0:
			c := node{op: []byte{opBlock, opLoop, opIf}[r.IntN(3)]}
			c.body = randomCode(r, labels+1, budget-1, calls)
			if c.op == opIf && r.IntN(2) == 0 {
				c.hasArm, c.other = true, randomCode(r, labels+1, budget-1, calls)
			}
			code = append(code, c)
		case n < 11:
			code = append(code, node{op: opBrIf, labels: []int{r.IntN(labels)}})
		case n == 11 && r.IntN(2) == 0:
			code = append(code, node{op: opBr, labels: []int{r.IntN(labels)}})
			if r.IntN(3) > 0 {
				return code
			}
		case n == 12 && r.IntN(2) == 0:
			c := node{op: opBrTable}
			for range 1 + r.IntN(12) { // some are so many that each way pays for itself
				c.labels = append(c.labels, r.IntN(labels))
			}
			return append(code, c)
		case n == 13 && r.IntN(3) == 0:
			return append(code, node{op: opReturn})
		case calls:
			code = append(code, node{op: opCall})
		}
	}
	return code
}

// Every condition is a bit of a number that a step changes: one global is the generator, another counts steps
// down, and when it is 0 every loop ends in a trap. That is four instructions a value, and the trap's six.
const steps = 3_000

// draw is code that leaves the next value.
func draw(modulus int32) []byte {
	return cat(
		globalGet(0), i32c(1103515245), op(0x6c), i32c(12345), add, globalSet(0),
		globalGet(0), i32c(16), op(0x76), i32c(modulus), op(0x70), // i32.shr_u, i32.rem_u
	)
}

const drawCost = 10 + meter.WeightDivide

// tick is code that ends the program after so many rounds of loops.
var tick = cat(globalGet(1), i32c(1), sub, globalSet(1), globalGet(1), op(0x45), iff(void, unreachable))

const tickCost = 7

func assemble(code []node) (b []byte) {
	for _, n := range code {
		switch n.op {
		case opNop:
			b = append(b, rep(n.weight, nop)...)
		case opBlock:
			b = append(b, block(void, assemble(n.body))...)
		case opLoop:
			b = append(b, loop(void, cat(tick, assemble(n.body)))...)
		case opIf:
			b = append(b, draw(2)...)
			if n.hasArm {
				b = append(b, ifElse(void, assemble(n.body), assemble(n.other))...)
			} else {
				b = append(b, iff(void, assemble(n.body))...)
			}
		case opBr:
			b = append(b, br(n.labels[0])...)
		case opBrIf:
			b = append(b, cat(draw(2), brIf(n.labels[0]))...)
		case opBrTable:
			b = append(b, cat(draw(int32(len(n.labels)+2)), brTable(n.labels...))...)
		case opReturn:
			b = append(b, ret...)
		case opCall:
			b = append(b, call(1)...)
		}
	}
	return b
}

// A machine executes programs and counts the weights of the instructions.
type machine struct {
	x      uint32
	left   int
	work   uint64
	callee []node
}

func (m *machine) draw(modulus int) int {
	m.work += drawCost
	m.x = m.x*1103515245 + 12345
	return int(m.x >> 16 % uint32(modulus))
}

// What ends code early: a branch to so many labels further out, a return, or the trap.
const (
	through  = -1
	returned = -2
	trapped  = -3
)

func (m *machine) run(code []node) int {
	for i := range code {
		if end := m.step(&code[i]); end != through {
			return end
		}
	}
	return through
}

func (m *machine) step(n *node) int {
	switch n.op {
	case opNop:
		m.work += uint64(n.weight)
	case opBlock, opIf:
		body := n.body
		if n.op == opIf && m.draw(2) == 0 {
			if body = n.other; !n.hasArm {
				m.work++ // the if
				return through
			}
		}
		m.work++
		end := m.run(body)
		if end == through {
			m.work++ // end, or else
		}
		return outward(end)
	case opLoop:
		m.work++
		for {
			m.work += tickCost
			if m.left--; m.left == 0 {
				return trapped
			}
			end := m.run(n.body)
			if end == 0 {
				continue
			}
			if end == through {
				m.work++
			}
			return outward(end)
		}
	case opBr:
		m.work++
		return n.labels[0]
	case opBrIf:
		taken := m.draw(2) != 0
		m.work++
		if taken {
			return n.labels[0]
		}
	case opBrTable:
		i := m.draw(len(n.labels) + 2)
		m.work++
		return n.labels[min(i, len(n.labels)-1)]
	case opReturn:
		m.work++
		return returned
	case opCall:
		m.work += meter.WeightCall
		end := m.run(m.callee)
		if end == through {
			m.work++
		}
		if end == trapped {
			return trapped
		}
	}
	return through
}

// outward is how a block ends whose code ended as given.
func outward(end int) int {
	if end >= 0 {
		return end - 1 // 0 becomes through
	}
	return end
}

// checkWork makes the program of a seed, runs it both ways, and returns what was charged and what was
// executed.
func checkWork(t *testing.T, seed uint64) (charged, work uint64) {
	r := rand.New(rand.NewPCG(seed, 7))
	outer, inner := randomCode(r, 1, 5, true), randomCode(r, 1, 3, false)
	start := r.Uint32()
	m := machine{x: start, left: steps, callee: inner}
	end := m.run(outer)
	if end == through {
		m.work++
	}
	var x [4]byte
	binary.LittleEndian.PutUint32(x[:], start)
	wasm := mod{
		fns: []fn{{name: "f", code: assemble(outer)}, {code: assemble(inner)}},
		globals: [][]byte{
			mutable(i32, i32c(int32(start))...),
			mutable(i32, i32c(steps)...),
		},
		memory: op(0, 1),
	}.bytes()
	g := instantiate(t, wazero.NewRuntimeConfigInterpreter(), wasm, meter.Limits{})
	const budget = 50_000_000
	_, err := g.call(budget, "f")
	if cause := g.Cause(); (err != nil) != (end == trapped) || err != nil && cause != meter.Own {
		t.Fatalf("seed %d: ended as %d, and metered %v (%v)", seed, end, err, cause)
	}
	if got := uint32(g.ExportedGlobal(g.info.Globals[0].Export).Get()); got != m.x {
		t.Fatalf("seed %d: the metered program went another way", seed)
	}
	return budget - g.Remaining(), m.work
}

func TestChargesCoverWork(t *testing.T) {
	n := uint64(1500)
	if testing.Short() {
		n = 200
	}
	var allCharged, allWork uint64
	for seed := range n {
		charged, work := checkWork(t, seed)
		if charged < work {
			t.Errorf("seed %d: %d units were charged for %d", seed, charged, work)
		}
		allCharged, allWork = allCharged+charged, allWork+work
	}
	if allCharged > 2*allWork {
		t.Errorf("%d units were charged for %d", allCharged, allWork)
	}
	t.Logf("%d units were charged for %d", allCharged, allWork)
}

func FuzzChargesCoverWork(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) {
		if charged, work := checkWork(t, seed); charged < work {
			t.Errorf("%d units were charged for %d", charged, work)
		}
	})
}
