package load

// What becomes of requests.

// Counts are the fates of requests, and what came beside replies to them: Sent = Answered + Wrong + Lost.
type Counts struct {
	Sent     uint64 `json:"sent"`
	Answered uint64 `json:"answered"` // rightly, and in time
	Wrong    uint64 `json:"wrong"`    // answered with something else
	Lost     uint64 `json:"lost"`     // not answered in time
	Late     uint64 `json:"late"`     // of those, answered after they had been given up
	Extra    uint64 `json:"extra"`    // replies to requests that had theirs, or to none
	Foreign  uint64 `json:"foreign"`  // datagrams from somebody else than the server
}

func (c *Counts) add(d Counts) {
	c.Sent += d.Sent
	c.Answered += d.Answered
	c.Wrong += d.Wrong
	c.Lost += d.Lost
	c.Late += d.Late
	c.Extra += d.Extra
	c.Foreign += d.Foreign
}

type fate uint8

const (
	pending fate = iota
	settled      // answered, rightly or wrongly
	given        // given up as lost
)

// entry is one request. Times are a worker's, in nanoseconds.
type entry struct {
	due  int64 // when it should have been sent; latency counts from here
	sent int64 // when it was
	fate fate
}

// ledger knows the latest requests of one local port, by number. It holds no socket and no clock.
type ledger struct {
	entries     []entry // a ring, a power of two
	head, tail  uint64  // the oldest that is pending, and the next; they are equal when none is
	outstanding int     // how many are pending
	limit       int     // how many may be
	mark        int64   // requests that were due earlier are not counted
	first       uint64  // the first that is, once there is one
	moved       int64   // the last reply, or the first request after none was pending
	counts      Counts
}

// memory is how many requests a ledger remembers at least for each that may be outstanding: a reply that is
// overtaken by so many is not awaited any longer.
const memory = 4

func newLedger(limit int) ledger {
	size := 256
	for size < memory*limit {
		size *= 2
	}
	return ledger{entries: make([]entry, size), limit: limit}
}

func (l *ledger) at(number uint64) *entry { return &l.entries[number&uint64(len(l.entries)-1)] }

// room is how many requests may be sent now.
func (l *ledger) room() int { return l.limit - l.outstanding }

// send enters the next request.
func (l *ledger) send(due, now int64) {
	if l.tail-l.head == uint64(len(l.entries)) {
		l.giveUp() // all of the others were faster
	}
	if l.outstanding == 0 {
		l.moved = now
	}
	*l.at(l.tail) = entry{due: due, sent: now}
	if due >= l.mark {
		if l.counts.Sent == 0 {
			l.first = l.tail
		}
		l.counts.Sent++
	}
	l.tail++
	l.outstanding++
}

// reply settles the request of that number, which was sent. It returns when that was due, and whether this
// is its right answer.
func (l *ledger) reply(number uint64, right bool, now int64) (due int64, answered bool) {
	if l.tail-number > uint64(len(l.entries)) { // forgotten long ago
		if l.counts.Sent > 0 && number >= l.first {
			l.counts.Late++
		}
		return 0, false
	}
	e := l.at(number)
	measured := e.due >= l.mark
	switch {
	case e.fate == pending:
		return e.due, l.settle(e, right, now)
	case !measured:
	case e.fate == settled:
		l.counts.Extra++
	default:
		e.fate = settled
		l.counts.Late++
	}
	return 0, false
}

// next is reply to the oldest request that is pending. A reply that no request waits for is extra.
func (l *ledger) next(right bool, now int64) (due int64, answered bool) {
	if l.outstanding == 0 {
		if now >= l.mark {
			l.counts.Extra++
		}
		return 0, false
	}
	e := l.at(l.head)
	return e.due, l.settle(e, right, now)
}

// settle gives a pending request the fate of being answered, and says whether it is answered rightly.
func (l *ledger) settle(e *entry, right bool, now int64) bool {
	e.fate = settled
	l.outstanding--
	l.moved = now
	l.advance()
	if e.due >= l.mark {
		if right {
			l.counts.Answered++
		} else {
			l.counts.Wrong++
		}
	}
	return right
}

// overdue says whether there are requests to be given up. When replies carry ids these are the ones that were
// sent timeout ago; otherwise all of them, when no reply has come for so long: a reply that is missing does not
// show as long as others come.
func (l *ledger) overdue(now, timeout int64, ids bool) bool {
	if l.outstanding == 0 {
		return false
	}
	since := l.moved
	if ids {
		since = l.at(l.head).sent
	}
	return now-since >= timeout
}

// expire gives up the requests that were sent timeout ago, and returns how many that are.
func (l *ledger) expire(now, timeout int64) (lost int) {
	for l.overdue(now, timeout, true) {
		l.giveUp()
		lost++
	}
	return lost
}

// giveUpAll gives up every request that is pending, and returns how many of them were measured.
func (l *ledger) giveUpAll() (measured uint64) {
	before := l.counts.Lost
	for l.outstanding > 0 {
		l.giveUp()
	}
	return l.counts.Lost - before
}

// giveUp gives up the oldest request that is pending; there is one.
func (l *ledger) giveUp() {
	e := l.at(l.head)
	e.fate = given
	l.outstanding--
	if e.due >= l.mark {
		l.counts.Lost++
	}
	l.advance()
}

// advance moves head to the oldest request that is pending, or to tail when none is.
func (l *ledger) advance() {
	for l.head < l.tail && l.at(l.head).fate != pending {
		l.head++
	}
}
