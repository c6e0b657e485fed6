package server

import (
	"maps"
	"sync/atomic"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/guard"
)

// Stats is what a Server has counted. Every datagram that a worker was handed is in exactly one of
// Replied, Silent, Refused, Malformed, Codes, OtherCodes, Faults, Panics and Oversize, and Received is
// their sum; but while the guard withholds a reply its datagram is in none of them. As many as
// Withheld - Released - Refused[guard.Loop] wait at a time, and none once Serve has returned.
type Stats struct {
	Received      uint64 // datagrams that workers were handed
	ReceivedBytes uint64 // their payloads
	Replied       uint64 // replies given to the Conn; those that it lost are in Losses
	RepliedBytes  uint64 // their payloads
	Silent        uint64 // the handler chose not to answer

	Refused    [guard.Verdicts]uint64 // by the guard, by reason; Refused[guard.Admit] is 0
	Withheld   uint64                 // replies that the guard kept back, to see whether a loop ends
	Released   uint64                 // of these, replies that were sent after all
	Slipped    uint64                 // answered though Policy.Rate was exceeded, as Policy.Slip says
	Malformed  uint64                 // the handler returned core.ErrMalformed
	Codes      map[core.Code]uint64   // the handler returned a Code: the first 32 of each worker
	OtherCodes uint64                 // the handler returned a Code beyond those
	Faults     uint64                 // the handler returned another error
	Panics     uint64                 // the handler panicked
	Oversize   uint64                 // the reply was longer than its room

	Losses  core.Losses // datagrams that the Conns lost on either way
	Latency Histogram   // from a batch's arrival until its replies were sent, for each reply

	Handling Histogram // how long the handler took for a datagram, of one datagram in 256 of each worker
}

func (s *Stats) clone() Stats {
	c := *s
	c.Codes = maps.Clone(s.Codes)
	return c
}

// counter is the index of one of the plain counts.
type counter int

const (
	received counter = iota
	receivedBytes
	replied
	repliedBytes
	silent
	malformed
	faults
	panics
	oversize
	otherCodes
	withheld
	released
	slipped
	refused                                          // the first of guard.Verdicts
	losses       = refused + counter(guard.Verdicts) // the first of lossCounters
	lossCounters = 7                                 // the fields of core.Losses
	countersLen  = losses + lossCounters
)

// tally is what a worker has counted since it last published; nobody else reads it.
type tally [countersLen]uint64

// counters is what a worker has published. It is written once a batch and may be read at any time.
type counters struct {
	plain   [countersLen]atomic.Uint64
	codes   [32]codeCounter
	latency histogram

	handling histogram
}

// codeCounter counts one Code. A guest chooses its codes, so there is no map that it could fill.
type codeCounter struct {
	code atomic.Int32 // 0 until it is taken
	n    atomic.Uint64
}

// publish adds what was tallied and clears it. Most entries are zero, and a look is cheaper than an
// atomic addition.
func (c *counters) publish(t *tally, l *core.Losses, g *guard.Counts) {
	if *g != (guard.Counts{}) {
		t[withheld] += g.Withheld
		t[released] += g.Released
		t[refused+counter(guard.Loop)] += g.Lost
		t[slipped] += g.Slipped
		*g = guard.Counts{}
	}
	if *l != (core.Losses{}) {
		for i, n := range lossFields(l) {
			t[losses+counter(i)] += *n
		}
		*l = core.Losses{}
	}
	for i, n := range t {
		if n != 0 {
			c.plain[i].Add(n)
			t[i] = 0
		}
	}
}

// lossFields lists the fields of l in the order of their counters.
func lossFields(l *core.Losses) [lossCounters]*uint64 {
	return [...]*uint64{
		&l.Truncated, &l.Kernel, &l.Unreachable, &l.TooLong, &l.NoBuffer, &l.Forbidden, &l.Unsent,
	}
}

// count counts one occurrence of code. Only the worker calls it.
func (c *counters) count(code core.Code) {
	for i := range c.codes {
		slot := &c.codes[i]
		switch core.Code(slot.code.Load()) {
		case 0:
			slot.code.Store(int32(code))
			slot.n.Add(1)
			return
		case code:
			slot.n.Add(1)
			return
		}
	}
	c.plain[otherCodes].Add(1)
}

// addTo adds what c has counted to s.
func (c *counters) addTo(s *Stats) {
	get := func(i counter) uint64 { return c.plain[i].Load() }
	s.Received += get(received)
	s.ReceivedBytes += get(receivedBytes)
	s.Replied += get(replied)
	s.RepliedBytes += get(repliedBytes)
	s.Silent += get(silent)
	s.Malformed += get(malformed)
	s.OtherCodes += get(otherCodes)
	s.Faults += get(faults)
	s.Panics += get(panics)
	s.Oversize += get(oversize)
	s.Withheld += get(withheld)
	s.Released += get(released)
	s.Slipped += get(slipped)
	for v := range s.Refused {
		s.Refused[v] += get(refused + counter(v))
	}
	for i, n := range lossFields(&s.Losses) {
		*n += get(losses + counter(i))
	}
	for i := range c.codes {
		if n := c.codes[i].n.Load(); n > 0 {
			if s.Codes == nil {
				s.Codes = make(map[core.Code]uint64)
			}
			s.Codes[core.Code(c.codes[i].code.Load())] += n
		}
	}
	c.latency.addTo(&s.Latency)
	c.handling.addTo(&s.Handling)
}
