package guard

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/retort-udp/retort/core"
)

// Worker is one worker's side of a Guard: what it remembers of its peers is its own. For each batch a worker
// calls Begin, then for each datagram Admit, and if that is its verdict Release, and Replied when the handler
// has a reply; then End.
type Worker struct {
	// Counts is what was counted since the worker last took it.
	Counts Counts

	guard      *Guard
	classifier classifier
	draws      rand.PCG
	loops      *peers // nil: loops are not watched for
	till       *till  // nil: there is no rate

	now   int64 // when the batch came, in nanoseconds
	batch uint16

	// The datagram at hand.
	from, to netip.AddrPort
	here     uint64 // the hash of to
	known    acquaintance
	watched  *peer // nil: it is part of no loop
	release  *slot
}

// Counts is what a Worker did beside its verdicts. Each withheld reply is released or lost in the end.
type Counts struct {
	Withheld uint64 // replies that were kept back, to see whether their peers go on without
	Released uint64 // of these: sent together with the reply to the peer's next datagram
	Lost     uint64 // of these: never sent, because that did not come, or because they could not be kept
	Slipped  uint64 // datagrams above their prefix's rate that were answered all the same

	LostFrom netip.AddrPort // the peer of the last reply that was lost
}

// acquaintance is what need not be found out again when the next datagram comes from the same peer to the
// same address.
type acquaintance struct {
	verdict   Verdict // what can be told from the addresses alone
	headers   int     // of its datagrams, in bytes
	most      int     // the longest payload that its family carries, in bytes
	loopback  bool
	limited   bool   // its prefix has a rate
	prefix    uint64 // the hash of that
	pair      uint64 // the hash of both addresses
	exchanges uint32 // how many it may have in strict alternation
	place     *peer  // nil: not known yet
}

// ForWorker returns the side of g of a worker whose handler is h.
func (g *Guard) ForWorker(h core.Handler) *Worker {
	w := &Worker{guard: g, classifier: classifierOf(h)}
	w.known.verdict = PortZero // of the zero address, which is the first peer
	if g.policy.Seed != 0 {
		w.draws.Seed(g.policy.Seed, g.workers.Add(1))
	} else {
		w.draws.Seed(rand.Uint64(), rand.Uint64())
	}
	if g.policy.LoopGuard != Off {
		w.loops = new(peers)
		w.loops.store.counts = &w.Counts
	}
	if g.rates != nil {
		w.till = &till{rates: g.rates}
	}
	return w
}

// Begin begins a batch that arrived at the given time.
func (w *Worker) Begin(arrival time.Time) {
	w.now = arrival.UnixNano()
	w.batch++
	if w.loops != nil {
		w.loops.store.sweep(w.now)
	}
	if w.till != nil {
		w.till.begin(w.now)
	}
}

// Admit says whether d may be answered, and if so how many bytes of payload the reply may have. Group says
// that d was sent to a broadcast or multicast address.
func (w *Worker) Admit(d *core.Datagram, group bool) (limit int, v Verdict) {
	w.watched, w.release = nil, nil
	if d.From != w.from || d.To != w.to {
		w.meet(d)
	}
	switch {
	case w.known.verdict != Admit:
		return 0, w.known.verdict
	case group && !w.guard.policy.AnswerGroup:
		return 0, Group
	case w.known.limited && !w.affords():
		return 0, Rate
	}
	if c, ok := w.classifier.get(); ok {
		if c.IsResponse(d) {
			return 0, Response
		}
	} else if w.loops != nil && w.isReturned(d.Data) {
		return 0, Returned
	}
	return w.limit(len(d.Data)), Admit
}

// meet finds out what the addresses of a datagram tell.
func (w *Worker) meet(d *core.Datagram) {
	g, k := w.guard, &w.known
	w.from = d.From
	if d.To != w.to {
		w.to = d.To
		w.here = g.keys.end(wide(d.To.Addr()), d.To.Port(), 0)
	}
	addr, port := wide(d.From.Addr()), d.From.Port()
	suspicious := has(&g.suspicious, port)
	k.verdict = g.source(d, addr, suspicious)
	if k.verdict != Admit {
		return
	}
	k.exchanges = g.exchanges(suspicious)
	k.headers, k.most = family(addr.is4())
	k.loopback = addr.isLoopback()
	k.pair, k.place = g.keys.end(addr, port, w.here), nil
	if k.limited = g.limitsRate(k.loopback); k.limited {
		k.prefix = g.prefix(addr)
	}
}

// affords says whether the rate allows a datagram, and charges it then.
func (w *Worker) affords() bool {
	tab := w.till.tab(w.known.prefix)
	bucket := &w.guard.rates.bucket
	if bucket.refuses(tab.level(), &w.draws) {
		if slip := w.guard.policy.Slip; slip == 0 || w.draws.Uint64()>>32*uint64(slip)>>32 != 0 {
			return false
		}
		w.Counts.Slipped++
		return true
	}
	tab.owed += bucket.weight
	return true
}

// isReturned notes a datagram for the end of loops, and says whether it is our own last reply.
func (w *Worker) isReturned(payload []byte) bool {
	if w.known.place == nil {
		w.known.place = w.loops.find(w.known.pair, w.now, &w.draws)
		if w.known.place == nil {
			return false
		}
	}
	var returned bool
	w.release, returned = w.loops.arrived(w.known.place, payload, &w.guard.keys, w.batch, w.now)
	if !returned {
		w.watched = w.known.place
	}
	return returned
}

// limit returns how long a reply to a payload of n bytes may be. What stays on loopback amplifies nothing.
func (w *Worker) limit(n int) int {
	if w.known.loopback {
		return w.known.most
	}
	return w.guard.budget.reply(n, w.known.headers, w.known.most)
}

// Release returns a reply to an earlier datagram of this peer that was withheld and is to be sent now, before
// the handler is asked; nil when there is none. It is valid until Replied.
func (w *Worker) Release() []byte {
	if w.release == nil {
		return nil
	}
	return w.release.payload
}

// Replied says whether the reply to the datagram that was admitted last, which had this request as its
// payload, may be sent now. If not it is withheld, and Release may return a copy of it later.
func (w *Worker) Replied(request, reply []byte) bool {
	p := w.watched
	if p == nil {
		return true
	}
	if p.count >= w.known.exchanges && w.withholds(p, reply) {
		return false
	}
	p.replied(request, reply, &w.guard.keys)
	return true
}

// withholds keeps a reply back from p, which has had its exchanges. While there is no room it has a few more; then
// the reply is lost.
func (w *Worker) withholds(p *peer, reply []byte) bool {
	store := &w.loops.store
	if store.keep(p, w.from, reply, p.deadline(w.now)) {
		return true
	}
	if p.count < mostExchanges(w.known.exchanges) {
		return false
	}
	store.refuse(w.from)
	return true
}

// Fault says that the handler failed on the datagram that was admitted last. Its prefix pays for it.
func (w *Worker) Fault() {
	if w.known.limited {
		w.till.tab(w.known.prefix).owed += int64(w.guard.policy.FaultCost) * w.guard.rates.weight
	}
}

// End ends a batch.
func (w *Worker) End() {
	if w.till != nil {
		w.till.end()
	}
}

// Close counts what is withheld as lost. The Worker must not be used after it.
func (w *Worker) Close() {
	if w.loops != nil {
		w.loops.store.clear()
	}
}

// classifier finds the Classifier of a handler. What is below an Unwrapper may be another with the next
// datagram, as below a core.Swap; with other handlers one look is enough.
type classifier struct {
	found   core.Classifier
	wrapper core.Handler // nil: found is all there ever is
}

func classifierOf(h core.Handler) (c classifier) {
	if found, ok := h.(core.Classifier); ok {
		c.found = found
	} else if _, wraps := h.(core.Unwrapper); wraps {
		c.wrapper = h
	}
	return c
}

func (c *classifier) get() (core.Classifier, bool) {
	if c.wrapper == nil {
		return c.found, c.found != nil
	}
	// What core.As does, for this one interface: there each assertion goes through a table of the runtime, and this is
	// done for each datagram.
	for h := c.wrapper; h != nil; {
		if found, ok := h.(core.Classifier); ok {
			return found, true
		}
		u, wraps := h.(core.Unwrapper)
		if !wraps {
			break
		}
		h = u.Unwrap()
	}
	return nil, false
}
