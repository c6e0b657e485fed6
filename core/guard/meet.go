package guard

import (
	"net/netip"

	"github.com/retort-udp/retort/core"
)

// meetings is how many messages are met at a time.
const meetings = 64

// meeting is what a worker knows of the next messages. It meets them before it admits the first of their datagrams:
// it finds out what their addresses tell, and then where the tables have them. A table is larger than the processor's
// first cache, so that each look into it is a wait; but looks that follow each other closely, and do not depend on each
// other, are one wait together.
type meeting struct {
	messages []core.Message
	first    int                    // of those that were met last
	row      [meetings]acquaintance // of these
	fetched  uint64                 // something that depends on all that was fetched; else a compiler would leave it out

	to   netip.AddrPort // the local address that was asked last
	here uint64         // its hash
}

// acquaintance is what the addresses of a message tell. Unless its verdict is Admit the rest says nothing.
type acquaintance struct {
	pair      uint64 // the hash of both addresses
	prefix    uint64 // the hash of the prefix, if that has a rate
	place     *peer  // where look found the peer, or another; then that of the datagram that was admitted last, or nil
	tab       *tab   // where look found that of the prefix, or another
	exchanges uint32 // how many it may have in strict alternation
	kind      uint8  // which of Guard.kinds
	verdict   Verdict
	passes    bool // its datagrams need no tab
}

// kind is what peers of one family have in common, on loopback or off it.
type kind struct {
	mask     uint128 // of the prefix that shares a rate
	budget   budget
	headers  uint8  // of their datagrams, in bytes
	fragment uint8  // the headers of a fragment, in bytes
	most     uint16 // the longest payload that the family carries, in bytes
	limited  bool   // their prefixes have a rate
}

// known returns what is known of a message.
func (met *meeting) known(message int) *acquaintance {
	return &met.row[uint(message-met.first)%meetings]
}

// stop has the datagrams of a prefix that were to pass by looked at again: its bucket is not what it was when they were
// met.
func (met *meeting) stop(prefix uint64) {
	for i := range met.row {
		if k := &met.row[i]; k.prefix == prefix {
			k.passes = false
		}
	}
}

// Meet says which messages are to be admitted next, of the batch that has begun. They must not change before
// the next. The messages of a batch may be met in several parts.
func (w *Worker) Meet(messages []core.Message) {
	w.met.messages, w.message = messages, 0
	w.meetFrom(0)
}

// meetFrom meets some of the messages, from the first one on.
func (w *Worker) meetFrom(first int) {
	met := &w.met
	met.first = first
	messages := met.messages[first:min(first+meetings, len(met.messages))]
	row := met.row[:len(messages)]
	last := 0 // of those that differ from the one before: what was copied just now is not at hand yet
	for i := range messages {
		if i > 0 && sameEnds(&messages[i], &messages[i-1]) {
			row[i] = row[last]
			continue
		}
		w.meet(&messages[i], &row[i])
		last = i
	}
	if w.loops != nil {
		sets := &w.loops.sets
		for i := range row {
			k := &row[i]
			k.place = sets.look(k.pair)
		}
	}
	if w.till != nil {
		met.fetched = w.till.lookAll(row)
	}
}

// sameEnds says whether two messages came from the same peer to the same address.
func sameEnds(a, b *core.Message) bool { return a.From == b.From && a.To == b.To && a.Group == b.Group }

// meet finds out what the addresses of a message tell.
func (w *Worker) meet(m *core.Message, k *acquaintance) {
	g, met := w.guard, &w.met
	if m.To != met.to {
		met.to, met.here = m.To, g.keys.end(wide(m.To.Addr()), m.To.Port(), 0)
	}
	from, port := m.From.Addr(), m.From.Port()
	var addr uint128
	if from.Is4() { // as wide says, which would have to be called
		addr = wide4(from)
	} else {
		addr = wide6(from)
	}
	k.verdict = Admit
	if m.Group || g.mayBeRefused(addr, port) {
		if k.verdict = g.source(m, addr); k.verdict != Admit {
			return
		}
	}
	k.exchanges = g.exchanges[has(&g.suspicious, port)]
	k.kind = kindOf(addr)
	k.pair = g.keys.end(addr, port, met.here)
	k.prefix = 0
	if kind := g.kind(k); kind.limited {
		k.prefix = g.keys.number(addr.and(kind.mask))
	}
}

// kinds returns what peers have in common: first those of IPv6 and then of IPv4, each off loopback and then on it.
func kinds(p *Policy) (all [4]kind) {
	off, on := newBudget(p.MaxAmplification), noBudget
	return [4]kind{
		{mask(p.Prefix6), off, headers6, fragment6, core.MaxPayload6, p.RateLimit != Off},
		{mask(p.Prefix6), on, headers6, fragment6, core.MaxPayload6, p.RateLimit == On},
		{mask(96 + p.Prefix4), off, headers4, fragment4, core.MaxPayload4, p.RateLimit != Off},
		{mask(96 + p.Prefix4), on, headers4, fragment4, core.MaxPayload4, p.RateLimit == On},
	}
}

// kindOf returns which of the kinds an address is.
func kindOf(addr uint128) (i uint8) {
	if addr.is4() {
		i = 2
	}
	if addr.isLoopback() {
		i++
	}
	return i
}

// kind returns what the peer has in common with others.
func (g *Guard) kind(k *acquaintance) *kind { return &g.kinds[k.kind%4] }
