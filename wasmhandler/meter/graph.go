package meter

// Which code to charge for where.
//
// A function falls into straight pieces of code, which begin where control may come from elsewhere or need
// not have come: at the function's start, at a loop's head, behind a branch, at a label. Charging for each
// piece where it begins would be exact, and slow. So most pieces are paid for in advance, by the last charge
// that any way to them passes. Such a charge is for the heaviest way from it to the next charges: however
// control goes, what it executes has been paid for. The function's start and the heads of its loops always
// charge, so that every way around passes a charge; in between, a piece charges when the heaviest way to it
// since the last charge is heavy enough.
//
// Where a br_table has many labels, what is behind each pays for itself. The heaviest of many ways is far heavier than
// most, and there are functions that do little else than to pass such a place in a loop: an interpreter's, and all that
// Go's compiler makes. Go guests would otherwise pay for twice as much as they execute.
//
// A loop is apart from the code around it: what follows a loop is executed once for each time that the loop
// is entered, and is paid for with the piece of code before the loop.

// A piece is a straight piece of code.
type piece struct {
	at     int   // its first instruction's place in the code
	kind   int32 // entryPiece, plainPiece or a loop's index in plan.loops
	from   int32 // the pieces from which control gets to it: graph.edges[from:to]
	to     int32
	fork   bool  // it ends in a br_table of many labels
	arm    bool  // control gets to it from such a piece
	weight int64 // of its instructions
	since  int64 // the heaviest way to it since the last charge
	ahead  int64 // the heaviest way behind it until the next charges
	due    int64 // what it charges, if it does
}

const (
	plainPiece int32 = -1
	entryPiece int32 = -2
)

// none is no piece, and the end of a list.
const none int32 = -1

// A graph is the pieces of a function and the ways between them, of which none leads back.
type graph struct {
	pieces []piece
	edges  []int32 // where the way comes from
	lists  []struct {
		piece, next int32
	}
}

// reset empties the graph.
func (g graph) reset() graph {
	return graph{pieces: g.pieces[:0], edges: g.edges[:0], lists: g.lists[:0]}
}

// start adds a piece that control gets to in ways that are not in the graph.
func (g *graph) start(at int, kind int32) int32 {
	edges := int32(len(g.edges))
	g.pieces = append(g.pieces, piece{at: at, kind: kind, from: edges, to: edges})
	return int32(len(g.pieces) - 1)
}

// follow adds a piece behind another, or none if there is no other.
func (g *graph) follow(before int32, at int, kind int32) int32 {
	if before == none {
		return none
	}
	i := g.start(at, kind)
	g.comeFrom(before)
	return i
}

// arrive adds a piece to the list of those from which control gets to a place further on.
func (g *graph) arrive(list, from int32) int32 {
	if from == none || list != none && g.lists[list].piece == from {
		return list
	}
	g.lists = append(g.lists, struct{ piece, next int32 }{from, list})
	return int32(len(g.lists) - 1)
}

// join adds a piece behind all in a list, or none if it is empty.
func (g *graph) join(list int32, at int) int32 {
	if list == none {
		return none
	}
	i := g.start(at, plainPiece)
	for ; list != none; list = g.lists[list].next {
		g.comeFrom(g.lists[list].piece)
	}
	return i
}

// comeFrom adds a way from a piece, which has been read, to the last one.
func (g *graph) comeFrom(from int32) {
	p, last := &g.pieces[from], &g.pieces[len(g.pieces)-1]
	g.edges = append(g.edges, from)
	last.to++
	last.arm = last.arm || p.fork
	way := p.weight
	if !p.charges() {
		way += p.since
	}
	last.since = max(last.since, way)
}

// charges reports whether a piece that has been read is to charge, unless that turns out not to be worth it.
func (p *piece) charges() bool {
	return p.kind != plainPiece || p.arm || p.since >= chargeFuel || p.weight >= chargeFuel
}

// charge finds what each charge has to pay for, from the end to the start, and notes it in the plan.
func (g *graph) charge(plan *plan) {
	for i := len(g.pieces) - 1; i >= 0; i-- {
		p := &g.pieces[i]
		way := p.weight + p.ahead
		if p.kind != plainPiece || p.charges() && way >= lightFuel {
			p.due, way = max(way, 1), 0
		}
		for _, from := range g.edges[p.from:p.to] {
			before := &g.pieces[from]
			before.ahead = max(before.ahead, way)
		}
	}
	for i := range g.pieces {
		switch p := &g.pieces[i]; {
		case p.kind == entryPiece:
			plan.entry = p.due
		case p.kind != plainPiece:
			plan.loops[p.kind].weight = p.due
		case p.due > 0:
			plan.charges = append(plan.charges, charge{p.at, p.due})
		}
	}
}
