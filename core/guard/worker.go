package guard

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/retort-udp/retort/core"
)

// Worker is one worker's side of a Guard: what it remembers of its peers is its own. For each batch a worker
// calls Begin and Meet, then for each datagram Admit, and if that is its verdict Release, and Replied when the
// handler has a reply; and at the end Late, until there is nothing. Until says when a batch should begin at the latest.
type Worker struct {
	// Counts is what was counted since the worker last took it.
	Counts Counts

	guard      *Guard
	start      *time.Time // the Guard's; nil before the first batch
	classifier classifier
	draws      rand.PCG
	loops      *peers // nil: loops are not watched for, or the handler tells answers from questions
	till       *till  // nil: there is no rate

	met meeting

	// The datagram at hand.
	message int // that it came in, of those that were met
	release *slot
}

// Counts is what a Worker did beside its verdicts. Each withheld reply is released or lost in the end.
type Counts struct {
	Withheld uint64 // replies that were kept back, to see whether their peers go on without
	Released uint64 // of these: sent together with the reply to the peer's next datagram, or late
	Lost     uint64 // of these: never sent, because one had been late already, or because they could not be kept
	Slipped  uint64 // datagrams above their prefix's rate that were answered all the same

	LostFrom netip.AddrPort // the peer of the last reply that was lost
}

// ForWorker returns the side of g of a worker whose handler is h.
func (g *Guard) ForWorker(h core.Handler) *Worker {
	w := &Worker{guard: g, classifier: classifierOf(h)}
	if g.policy.Seed != 0 {
		w.draws.Seed(g.policy.Seed, g.workers.Add(1))
	} else {
		w.draws.Seed(rand.Uint64(), rand.Uint64())
	}
	if g.policy.LoopGuard != Off && w.classifier.found == nil {
		w.loops = &peers{keys: g.keys}
		w.loops.store.counts = &w.Counts
	}
	if g.rates != nil {
		w.till = newTill(g.rates, w.draws.Uint64(), w.draws.Uint64())
	}
	return w
}

// Begin begins a batch that arrived at the given time.
func (w *Worker) Begin(arrival time.Time) {
	if w.start == nil {
		w.start = w.guard.began(arrival)
	}
	now := int64(arrival.Sub(*w.start) + startOfTime)
	if w.loops != nil {
		w.loops.begin(now)
	}
	if w.till != nil {
		w.till.begin(now)
	}
}

// Admit says whether d may be answered, and if so how many bytes of payload the reply may have. It is a datagram
// of that one of the messages that were met last; they come in their order.
func (w *Worker) Admit(message int, d *core.Datagram) (limit int, v Verdict) {
	if uint(message-w.met.first) >= meetings {
		w.meetFrom(message)
	}
	w.message = message
	k := w.met.known(message)
	if k.verdict != Admit {
		return 0, k.verdict
	}
	kind := w.guard.kind(k)
	if kind.limited { // no method of its own, for to call one takes a nanosecond
		t := w.till
		if t.isOpen(k.tab, k.prefix) || !k.passes && t.opens(k) {
			if level := t.level(k.tab); level < t.edge {
				t.charge(k.tab, level, t.weight)
			} else if !w.affords(k.tab, level) {
				return 0, Rate
			}
		} else if t.draw() {
			w.paysForOthers(k.prefix)
		}
	}
	if w.release != nil {
		w.release = nil
	}
	if c := w.classifier.get(); c != nil {
		k.place = nil
		if c.IsResponse(d) {
			return 0, Response
		}
	} else if w.loops != nil {
		release, returned := w.loops.arrived(k, d.Data)
		if returned {
			return 0, Returned
		}
		if release != nil {
			w.release = release
		}
	}
	if out := kind.onWire(len(d.Data)); out <= packet { // as reply says, which would have to be called
		return int(out) - int(kind.headers), Admit
	}
	return kind.reply(len(d.Data)), Admit
}

// affords says whether the rate allows a datagram whose prefix has come to the edge, and charges it then.
func (w *Worker) affords(tab *tab, level int64) bool {
	if w.till.refuses(level, &w.draws) {
		return w.slips()
	}
	w.till.charge(tab, level, w.till.weight)
	return true
}

// paysForOthers charges a prefix for the datagrams that pass by, of which one is at hand.
func (w *Worker) paysForOthers(prefix uint64) {
	t := w.till
	if t.rates.pay(prefix, t.lump, t.now) > t.share {
		w.met.stop(prefix)
	}
}

// slips says whether a datagram above its prefix's rate is answered all the same.
func (w *Worker) slips() bool {
	if slip := w.guard.policy.Slip; slip == 0 || w.draws.Uint64()>>32*uint64(slip)>>32 != 0 {
		return false
	}
	w.Counts.Slipped++
	return true
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
	k := w.met.known(w.message)
	p := k.place
	if p == nil {
		return true
	}
	if p.count >= k.exchanges && w.withholds(k, request, reply) {
		return false
	}
	p.state |= answered
	p.reply = 0
	if !same(request, reply) { // else nobody could tell it from the request again
		p.reply = w.guard.keys.payload(reply)
	}
	return true
}

// withholds keeps a reply back from a peer that has had its exchanges, if this is the moment. While there is no room it
// has a few more; then the reply is lost.
func (w *Worker) withholds(k *acquaintance, request, reply []byte) bool {
	if !k.place.isRipe(w.loops.gap, k.exchanges) {
		return false
	}
	m := &w.met.messages[w.message]
	if w.loops.keep(k.place, m, reply, same(request, reply)) {
		return true
	}
	if !k.place.isOverdue(k.exchanges) {
		k.place.state &^= doubted // which holds for this datagram only: the next may be the last of a burst
		return false
	}
	w.loops.store.refuse(m.From)
	return true
}

// Fault says that the handler failed on the datagram that was admitted last. Its prefix pays for it.
func (w *Worker) Fault() {
	if k := w.met.known(w.message); k.verdict == Admit && w.guard.kind(k).limited {
		tab := w.till.tab(k.prefix)
		w.till.charge(tab, w.till.level(tab), int64(w.guard.policy.FaultCost)*w.till.weight)
		w.met.stop(k.prefix)
	}
}

// Until returns when a batch should begin, if only an empty one, because a withheld reply will have waited for long
// enough; the zero Time when there is none.
func (w *Worker) Until() time.Time {
	if w.loops == nil || w.loops.store.used == 0 {
		return time.Time{}
	}
	return w.start.Add(time.Duration(w.loops.store.oldest+1) - startOfTime)
}

// Late returns one of the replies that are to be sent at the end of the batch, if there is any, with the message that it
// answers, without its data: it was withheld, and has waited for long enough for its peer to go on without. It is valid
// until the next Replied. If nobody asks for it, it waits on.
func (w *Worker) Late() (m core.Message, reply []byte, ok bool) {
	if w.loops == nil || w.loops.store.due == 0 {
		return core.Message{}, nil, false
	}
	slot := w.loops.takeLate()
	return slot.message, slot.payload, true
}

// ReleaseAll has Late return all replies that are withheld when a batch has begun, which may be empty. It is for a worker
// that ends in good order: the next datagram of the peer may come to another server at the same socket, which knows
// nothing of the reply. If that was a loop, it goes on with the datagrams that it had, and the other server counts its
// exchanges.
func (w *Worker) ReleaseAll() {
	if w.loops != nil {
		w.loops.store.due = w.loops.store.used
	}
}

// Close counts what is withheld as lost, and pays what prefixes owe. The Worker must not be used after it.
func (w *Worker) Close() {
	if w.till != nil {
		w.till.close()
	}
	if w.loops != nil {
		w.loops.store.clear()
	}
}
