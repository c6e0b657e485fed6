package load_test

import (
	"math/rand/v2"
	"testing"

	"github.com/retort-udp/retort/native/cmd/retort/internal/load"
)

// model is a ledger as one would write it if it need not be fast and might remember everything.
type model struct {
	requests []modelRequest
	limit    int
	mark     int64
	counts   load.Counts
}

type modelRequest struct {
	due, sent int64
	fate      string
}

func (m *model) pending() (numbers []int) {
	for i, r := range m.requests {
		if r.fate == "pending" {
			numbers = append(numbers, i)
		}
	}
	return numbers
}

func (m *model) settle(n int, right bool) {
	r := &m.requests[n]
	r.fate = "settled"
	switch {
	case r.due < m.mark:
	case right:
		m.counts.Answered++
	default:
		m.counts.Wrong++
	}
}

func (m *model) giveUp(n int) {
	m.requests[n].fate = "lost"
	if m.requests[n].due >= m.mark {
		m.counts.Lost++
	}
}

func (m *model) reply(n int, right bool) {
	r := &m.requests[n]
	switch {
	case r.fate == "pending":
		m.settle(n, right)
	case r.due < m.mark:
	case r.fate == "lost":
		r.fate = "settled"
		m.counts.Late++
	default:
		m.counts.Extra++
	}
}

// TestLedger lets a ledger and a model of it live through the same random lives.
func TestLedger(t *testing.T) {
	const timeout = 50
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		limit := 1 + rng.IntN(20)
		l := load.NewLedger(limit)
		m := &model{limit: limit, mark: int64(rng.IntN(200))}
		l.SetMark(m.mark)
		now := int64(0)
		for step := range 1000 {
			now += int64(rng.IntN(10))
			pending := m.pending()
			if got := l.Room(); got != limit-len(pending) {
				t.Fatalf("seed %d, step %d: room for %d, want %d", seed, step, got, limit-len(pending))
			}
			right := rng.IntN(4) > 0
			// Beyond this a ledger may have forgotten a request.
			oldest := max(0, len(m.requests)-4*limit)
			switch action := rng.IntN(8); {
			case action < 3 && len(pending) < limit && (len(pending) == 0 || len(m.requests)-pending[0] < 4*limit):
				due := now - int64(rng.IntN(3))
				if due >= m.mark {
					m.counts.Sent++
				}
				m.requests = append(m.requests, modelRequest{due, now, "pending"})
				l.Send(due, now)
			case action < 5 && len(m.requests) > 0:
				n := oldest + rng.IntN(len(m.requests)-oldest)
				wanted := m.requests[n].fate == "pending" && right
				m.reply(n, right)
				due, answered := l.Reply(uint64(n), right, now)
				if answered != wanted || answered && due != m.requests[n].due {
					t.Fatalf("seed %d, step %d: reply %d: due %d, answered %v", seed, step, n, due, answered)
				}
			case action == 5:
				if len(pending) > 0 {
					m.settle(pending[0], right)
				} else if now >= m.mark {
					m.counts.Extra++
				}
				wanted := len(pending) > 0 && right
				due, answered := l.Next(right, now)
				if answered != wanted || answered && due != m.requests[pending[0]].due {
					t.Fatalf("seed %d, step %d: next: due %d, answered %v", seed, step, due, answered)
				}
			case action == 6:
				lost := 0
				for _, n := range pending {
					if now-m.requests[n].sent < timeout {
						break
					}
					m.giveUp(n)
					lost++
				}
				if got := l.Expire(now, timeout); got != lost {
					t.Fatalf("seed %d, step %d: %d expired, want %d", seed, step, got, lost)
				}
			case action == 7 && rng.IntN(20) == 0:
				before := m.counts.Lost
				for _, n := range pending {
					m.giveUp(n)
				}
				if got := l.GiveUpAll(); got != m.counts.Lost-before {
					t.Fatalf("seed %d, step %d: gave up %d, want %d", seed, step, got, m.counts.Lost-before)
				}
			}
			if l.Counts() != m.counts {
				t.Fatalf("seed %d, step %d: counts %+v, want %+v", seed, step, l.Counts(), m.counts)
			}
		}
		l.GiveUpAll()
		if c := l.Counts(); c.Sent != c.Answered+c.Wrong+c.Lost {
			t.Errorf("seed %d: a request has no fate, or two: %+v", seed, c)
		}
	}
}

// A reply that never comes does not keep the ledger from remembering the others.
func TestLedgerOvertaken(t *testing.T) {
	l := load.NewLedger(2)
	l.Send(0, 0) // never answered
	for now := range int64(10_000) {
		n := l.Tail()
		l.Send(now, now)
		if _, answered := l.Reply(n, true, now); !answered {
			t.Fatalf("reply %d was not taken", n)
		}
	}
	if got, want := l.Counts(), (load.Counts{Sent: 10_001, Answered: 10_000, Lost: 1}); got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
	if _, answered := l.Reply(0, true, 10_000); answered || l.Counts().Late != 1 {
		t.Errorf("a forgotten request was answered: %v, counts %+v", answered, l.Counts())
	}
}

// A window stalls when nothing has come for the timeout, however old its oldest request is.
func TestLedgerStalled(t *testing.T) {
	l := load.NewLedger(3)
	if l.Stalled(1000, 20) {
		t.Error("an empty window is stalled")
	}
	l.Send(1000, 1000)
	l.Send(1010, 1010)
	for _, tt := range []struct {
		now  int64
		want bool
	}{{1019, false}, {1020, true}} {
		if got := l.Stalled(tt.now, 20); got != tt.want {
			t.Errorf("stalled at %d: %v", tt.now, got)
		}
	}
	l.Next(true, 1015)
	for _, tt := range []struct {
		now  int64
		want bool
	}{{1034, false}, {1035, true}} {
		if got := l.Stalled(tt.now, 20); got != tt.want {
			t.Errorf("after a reply at 1015, stalled at %d: %v", tt.now, got)
		}
	}
}

func TestLedgerAllocatesNothing(t *testing.T) {
	l := load.NewLedger(64)
	if n := testing.AllocsPerRun(1000, func() {
		l.Send(1, 1)
		l.Reply(l.Tail()-1, true, 2)
		l.Send(3, 3)
		l.Next(true, 4)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
