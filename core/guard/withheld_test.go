package guard_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/guard"
	"github.com/retort-udp/retort/core/guard/guardtest"
)

// conversation drives a guard.Worker by hand, one datagram a batch unless the time stands still.
type conversation struct {
	t        *testing.T
	w        *worker
	now      time.Duration
	from, to netip.AddrPort
	late     []string // replies that left because they had waited for long enough
}

func converse(t *testing.T, p *guard.Policy, from string) *conversation {
	to := netip.MustParseAddrPort("127.0.0.1:1060")
	return &conversation{t: t, w: newWorker(t, p, silent, to.String()), from: netip.MustParseAddrPort(from), to: to}
}

// wait ends the batch and lets time go by: the next datagram is in another one.
func (c *conversation) wait(d time.Duration) *conversation {
	c.end()
	c.now += d
	c.w.Begin(guardtest.Epoch.Add(c.now))
	return c
}

// end ends the batch.
func (c *conversation) end() {
	for {
		m, reply, ok := c.w.Late()
		if !ok {
			return
		}
		if m.To != c.to || len(m.Data) != 0 {
			c.t.Errorf("%q is late to %v, %q", reply, m.To, m.Data)
		}
		c.late = append(c.late, string(reply))
	}
}

// ask sends a request that is answered with reply, and expects that many replies to leave for it; -1 that it
// is refused as returned.
func (c *conversation) ask(request, reply string, want int) {
	c.t.Helper()
	got := 0
	d := &core.Datagram{Data: []byte(request), From: c.from, To: c.to}
	switch _, v := c.w.Admit(d, false); v {
	case guard.Admit:
		if c.w.Release() != nil {
			got++
		}
		if c.w.Replied(d.Data, []byte(reply)) {
			got++
		}
	case guard.Returned:
		got = -1
	default:
		c.t.Errorf("%q at %v: %v", request, c.now, v)
	}
	if got != want {
		c.t.Errorf("%q at %v: %d replies, want %d", request, c.now, got, want)
	}
}

const soon = time.Millisecond

// alternate has n exchanges, one outstanding at a time.
func (c *conversation) alternate(n int) {
	c.t.Helper()
	for i := range n {
		c.wait(soon).ask(fmt.Sprint(i), "reply", 1)
	}
}

// limited is a Policy with a limit of ten exchanges on low ports.
var limited = &guard.Policy{LowPortExchanges: 10, Seed: 1}

func TestWithheldReply(t *testing.T) {
	const from = "127.0.0.1:2000"
	for _, tt := range []struct {
		name string
		goes func(c *conversation)
		want guard.Counts
		late string
	}{
		{"the peer goes on", func(c *conversation) {
			c.alternate(10)
			c.wait(soon).ask("a", "b", 0)
			c.wait(soon).ask("c", "d", 2)
			c.alternate(9) // the count began anew
		}, guard.Counts{Withheld: 1, Released: 1}, ""},
		{"the peer goes on in the same batch", func(c *conversation) {
			c.alternate(10)
			c.wait(soon).ask("a", "b", 0)
			c.ask("c", "d", 2)
		}, guard.Counts{Withheld: 1, Released: 1}, ""},
		{"the peer asks again soon", func(c *conversation) {
			c.alternate(10)
			c.wait(soon).ask("a", "b", 0) // for 14 ms
			c.wait(13*time.Millisecond).ask("a", "b", 2)
		}, guard.Counts{Withheld: 1, Released: 1}, ""},
		{"the peer goes on in the batch in which the reply is to come late", func(c *conversation) {
			c.alternate(10)
			c.wait(soon).ask("a", "b", 0)
			c.wait(15*time.Millisecond).ask("c", "d", 2)
			c.alternate(9)
		}, guard.Counts{Withheld: 1, Released: 1}, ""},
		{"the peer goes on when the reply has come late", func(c *conversation) {
			c.alternate(10)
			c.wait(soon).ask("a", "b", 0)
			c.wait(15 * time.Millisecond)
			c.wait(soon).ask("c", "d", 0) // for 54 ms
			c.wait(53*time.Millisecond).ask("e", "f", 2)
			c.alternate(9) // the count began anew, and it is not doubted
			c.wait(soon).ask("g", "h", 1)
			c.wait(50*time.Millisecond).ask("i", "j", 0)
			c.wait(soon).ask("k", "l", 2)
		}, guard.Counts{Withheld: 3, Released: 3}, "b"},
		{"the peer goes on in one batch when the reply has come late", func(c *conversation) {
			c.alternate(10)
			c.wait(soon).ask("a", "b", 0)
			c.wait(15 * time.Millisecond)
			c.wait(soon).ask("c", "d", 0)
			c.ask("e", "f", 2)
		}, guard.Counts{Withheld: 2, Released: 2}, "b"},
		{"the reply that has come late comes back", func(c *conversation) {
			c.alternate(10)
			c.wait(soon).ask("a", "b", 0)
			c.wait(15 * time.Millisecond)
			c.wait(soon).ask("b", "c", -1)
			c.wait(soon).ask("b", "c", 1) // he means it
			c.alternate(9)
		}, guard.Counts{Withheld: 1, Released: 1}, "b"},
		{"an echo that has come late comes back", func(c *conversation) {
			c.alternate(10)
			c.wait(soon).ask("a", "a", 0)
			c.wait(15 * time.Millisecond)
			c.wait(soon).ask("a", "a", 0)
			c.wait(soon).ask("a", "a", 2)
		}, guard.Counts{Withheld: 2, Released: 2}, "a"},
		{"there is a pause when the reply has come late", func(c *conversation) {
			c.alternate(10)
			c.wait(soon).ask("a", "b", 0)
			c.wait(15 * time.Millisecond)
			c.wait(2100*time.Millisecond).ask("c", "d", 1) // a pause, after which nobody is doubted
			c.alternate(9)
		}, guard.Counts{Withheld: 1, Released: 1}, "b"},
		{"the peer is slow", func(c *conversation) {
			c.wait(soon).ask("a", "b", 1)
			for range 9 {
				c.wait(1900*time.Millisecond).ask("a", "c", 1)
			}
			c.wait(1900*time.Millisecond).ask("d", "e", 0)
			c.wait(2001 * time.Millisecond) // a pause, but for its reply's having come late
			c.wait(1900*time.Millisecond).ask("f", "g", 0)
			c.wait(2001*time.Millisecond).ask("f", "g", 1)
		}, guard.Counts{Withheld: 2, Released: 1, Lost: 1}, "e"},
		{"the peer asks again late", func(c *conversation) {
			c.alternate(10)
			c.wait(soon).ask("a", "b", 0)
			c.wait(15 * time.Millisecond)
			c.wait(soon).ask("c", "d", 0)
			c.wait(time.Second).ask("c", "d", 1)
			c.alternate(11) // no gap is as long as that one; two more, and it makes no difference
			c.wait(soon).ask("e", "f", 0)
		}, guard.Counts{Withheld: 3, Released: 1, Lost: 1}, "b"},
		{"another peer's reply is lost before", func(c *conversation) {
			other := netip.MustParseAddrPort("127.0.0.1:2001")
			mine := c.from
			c.alternate(10)
			c.wait(soon).ask("a", "b", 0)
			c.wait(15 * time.Millisecond)
			c.wait(soon).ask("c", "d", 0) // for 54 ms
			c.from = other
			c.alternate(10)
			c.wait(30*time.Millisecond).ask("e", "f", 0)
			c.from = mine
			c.wait(20*time.Millisecond).ask("g", "h", 1) // 60 ms later
			c.from = other
			c.wait(110 * time.Millisecond) // 130 ms after it was withheld
			c.wait(soon).ask("g", "h", 0)
			c.wait(500*time.Millisecond).ask("i", "j", 1)
		}, guard.Counts{Withheld: 4, Released: 2, Lost: 2}, "b f"},
		{"the peer says nothing more", func(c *conversation) {
			c.alternate(10)
			c.wait(soon).ask("a", "b", 0)
			c.wait(2 * time.Second)
		}, guard.Counts{Withheld: 1, Released: 1}, "b"},
		{"nobody says anything for long, and no batch begins", func(c *conversation) {
			c.alternate(10)
			c.wait(soon).ask("a", "b", 0) // for 14 ms
			c.wait(2015 * time.Millisecond)
		}, guard.Counts{Withheld: 1, Lost: 1}, ""},
		{"our last reply comes back while the next is withheld", func(c *conversation) {
			c.alternate(10)
			c.wait(soon).ask("a", "b", 0)
			c.wait(soon).ask("reply", "c", -1)
			c.wait(15 * time.Millisecond)
			for range 4 { // bursts of two: nobody is doubted, so it is the first of one whose reply is withheld
				c.wait(20*time.Millisecond).ask("d", "e", 1)
				c.wait(soon).ask("f", "g", 1)
			}
			c.wait(20*time.Millisecond).ask("h", "i", 1)
			c.wait(soon).ask("j", "k", 1)
			c.wait(20*time.Millisecond).ask("l", "m", 0)
			c.wait(soon).ask("n", "o", 2)
		}, guard.Counts{Withheld: 2, Released: 2}, "b"},
		{"the peer says nothing more when the reply has come late", func(c *conversation) {
			c.alternate(10)
			c.wait(soon).ask("a", "b", 0)
			c.wait(15 * time.Millisecond)
			c.wait(soon).ask("c", "d", 0)
			c.wait(5 * time.Second)
		}, guard.Counts{Withheld: 2, Released: 1, Lost: 1}, "b"},
		{"the clock goes backwards", func(c *conversation) {
			c.alternate(10)
			c.wait(soon).ask("a", "b", 0)
			c.wait(-time.Hour)
			c.wait(soon).ask("c", "d", 0)
			c.wait(-time.Hour).ask("e", "f", 1)
			c.alternate(9)
		}, guard.Counts{Withheld: 2, Released: 1, Lost: 1}, "b"},
		{"the clock goes backwards, and the peer says nothing more", func(c *conversation) {
			c.alternate(10)
			c.wait(soon).ask("a", "b", 0)
			c.wait(-time.Hour)
		}, guard.Counts{Withheld: 1, Released: 1}, "b"},
		{"two in one batch begin anew", func(c *conversation) {
			for range 5 {
				c.alternate(9)
				c.ask("and", "another", 1)
			}
		}, guard.Counts{}, ""},
		{"a pause begins anew", func(c *conversation) {
			for range 5 {
				c.alternate(9)
				c.wait(3 * time.Second)
			}
		}, guard.Counts{}, ""},
		{"silence begins anew", func(c *conversation) {
			d := &core.Datagram{From: c.from, To: c.to}
			for range 5 {
				c.alternate(9)
				c.wait(soon).w.Admit(d, false) // and there is no reply to it
			}
		}, guard.Counts{}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := converse(t, limited, from)
			tt.goes(c)
			c.end()
			got := c.w.Counts
			got.LostFrom = netip.AddrPort{}
			if got != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
			if late := strings.Join(c.late, " "); late != tt.late {
				t.Errorf("%q came late, want %q", late, tt.late)
			}
			if from := c.w.Counts.LostFrom; tt.want.Lost > 0 && from != c.from {
				t.Errorf("lost from %v", from)
			}
			c.w.Close()
			if n := c.w.Counts; n.Withheld != n.Released+n.Lost {
				t.Errorf("at the end %+v", n)
			}
		})
	}
}

// A worker that waits until the time that it is told sends the first of two replies late, and loses the second, if
// nothing comes.
func TestUntil(t *testing.T) {
	c := converse(t, limited, "127.0.0.1:2000")
	c.alternate(10)
	for _, tt := range []struct {
		least, most time.Duration
		want        guard.Counts
	}{
		{13 * time.Millisecond, 15 * time.Millisecond, guard.Counts{Withheld: 1, Released: 1}},
		{53 * time.Millisecond, 55 * time.Millisecond, guard.Counts{Withheld: 2, Released: 1, Lost: 1, LostFrom: c.from}},
	} {
		if until := c.w.Until(); !until.IsZero() {
			t.Errorf("it should begin a batch at %v, though it withholds nothing", until)
		}
		c.wait(soon).ask("a", "b", 0)
		wait := c.w.Until().Sub(guardtest.Epoch) - c.now
		if wait < tt.least || wait > tt.most {
			t.Errorf("it should begin a batch after %v, want from %v to %v", wait, tt.least, tt.most)
		}
		c.wait(wait - 1)
		if until := c.w.Until().Sub(guardtest.Epoch); until != c.now+1 {
			t.Errorf("just before that it should begin one %v later", until-c.now)
		}
		c.wait(1).end()
		if c.w.Counts != tt.want {
			t.Errorf("%+v, want %+v", c.w.Counts, tt.want)
		}
	}
}

// What is released is what was withheld.
func TestReleasedReplyIsWhole(t *testing.T) {
	for _, size := range []int{0, 1, 1499, 1500, 1501, core.MaxPayload6} {
		c := converse(t, limited, "127.0.0.1:2000")
		c.alternate(10)
		reply := bytes.Repeat([]byte{'x'}, size)
		c.wait(soon).ask("a", string(reply), 0)
		d := &core.Datagram{From: c.from, To: c.to}
		c.wait(soon).w.Admit(d, false)
		if got := c.w.Release(); got == nil || !bytes.Equal(got, reply) {
			t.Errorf("of %d bytes %d were released (none: %v)", size, len(got), got == nil)
		}
	}
}

// There is room for 62 replies, four of which may be long, and two of these very long. Of more peers that come to their limits at a time each
// goes on until there is room: who has other requests on their way loses nothing, however many there are.
func TestStoreOfWithheldReplies(t *testing.T) {
	for _, tt := range []struct{ peers, size int }{{100, 10}, {1000, 10}, {30, 1501}, {2, core.MaxPayload4}} {
		const limit, rounds = 400, 3000
		w := newWorker(t, &guard.Policy{LowPortExchanges: limit, Seed: 1}, silent, "127.0.0.1:1060")
		to := netip.MustParseAddrPort("127.0.0.1:1060")
		reply := make([]byte, tt.size)
		sent := make([]int, tt.peers)
		for round := range rounds {
			w.Begin(guardtest.Epoch.Add(time.Duration(round) * soon))
			for i := range tt.peers {
				d := &core.Datagram{Data: []byte("x"), From: netip.AddrPortFrom(to.Addr(), uint16(2000+i)), To: to}
				binary.BigEndian.PutUint64(reply, uint64(round)<<32|uint64(i))
				if _, v := w.Admit(d, false); v != guard.Admit {
					t.Fatal(v)
				}
				if got := w.Release(); got != nil {
					sent[i]++
					if n := binary.BigEndian.Uint64(got); n != uint64(round-1)<<32|uint64(i) || len(got) != tt.size {
						t.Errorf("peer %d gets %x, %d bytes", i, n, len(got))
					}
				}
				if w.Replied(d.Data, reply) {
					sent[i]++
				}
			}
		}
		waiting := w.Counts.Withheld - w.Counts.Released - w.Counts.Lost
		t.Logf("%d peers, replies of %d bytes: %+v", tt.peers, tt.size, w.Counts)
		if n := w.Counts; n.Lost != 0 || n.Withheld < uint64(tt.peers*rounds/limit/2) {
			t.Errorf("%d peers, replies of %d bytes: %+v", tt.peers, tt.size, n)
		}
		total := 0
		for _, n := range sent {
			total += n
		}
		if total != tt.peers*rounds-int(waiting) {
			t.Errorf("%d peers, replies of %d bytes: %d sent, want all but %d", tt.peers, tt.size, total, waiting)
		}
	}
}

// Without room for its reply a loop has its further exchanges, and no more.
func TestLoopsEndWithoutRoom(t *testing.T) {
	const peers, limit, most = 1000, 400, 496
	w := newWorker(t, &guard.Policy{LowPortExchanges: limit, Seed: 1}, silent, "127.0.0.1:1060")
	to := netip.MustParseAddrPort("127.0.0.1:1060")
	over := make([]bool, peers)
	alive, round := peers, 0
	for ; alive > 0 && round <= 2*most; round++ {
		w.Begin(guardtest.Epoch.Add(time.Duration(round) * soon))
		for i := range peers {
			if over[i] {
				continue
			}
			d := &core.Datagram{Data: []byte("x"), From: netip.AddrPortFrom(to.Addr(), uint16(2000+i)), To: to}
			if _, v := w.Admit(d, false); v != guard.Admit {
				t.Fatal(v)
			}
			if !w.Replied(d.Data, []byte("reply")) {
				over[i] = true
				alive--
			}
		}
	}
	if round != most+1 || w.Counts.Withheld != peers || w.Counts.Lost == 0 || w.Counts.Released != 0 {
		t.Errorf("the last of %d loops ended with datagram %d, want %d: %+v", peers, round, most+1, w.Counts)
	}
}

// A loop that gets faster and faster never comes after a gap that is as long as others: it too has its
// further exchanges, and no more.
func TestLoopsThatGetFasterEnd(t *testing.T) {
	for _, tt := range []struct{ limit, most int }{{1, 1}, {10, 12}, {400, 496}, {65_536, 69_632}} {
		c := converse(t, &guard.Policy{LowPortExchanges: tt.limit, Seed: 1}, "127.0.0.1:2000")
		c.alternate(1)
		lived := 1
		for gap := time.Second; c.w.Counts.Withheld == 0 && lived <= tt.most; lived++ {
			gap -= max(gap/20, 1)
			c.wait(max(gap, 0) + time.Duration(tt.most-lived)*2*time.Microsecond)
			d := &core.Datagram{Data: []byte("x"), From: c.from, To: c.to}
			if _, v := c.w.Admit(d, false); v != guard.Admit {
				t.Fatal(v)
			}
			c.w.Replied(d.Data, []byte("reply"))
		}
		withheld := c.w.Counts.Withheld
		c.wait(2 * time.Second)
		c.wait(soon).ask("y", "reply", 0)
		c.wait(3 * time.Second)
		if withheld != 1 || len(c.late) != 1 || c.w.Counts.Lost != 1 || lived < tt.limit+1 || lived > tt.most+1 {
			t.Errorf("with a limit of %d a reply was withheld with datagram %d, want at most %d: %+v", tt.limit, lived, tt.most+1, c.w.Counts)
		}
		t.Logf("with a limit of %d it ended with the datagram after %d", tt.limit, lived)
	}
}

// A peer whose reply is withheld keeps its place in the table, whoever else comes.
func TestFloodDoesNotLoseWithheldReplies(t *testing.T) {
	const held, newcomers = 62, 400_000
	w := newWorker(t, &guard.Policy{LowPortExchanges: 1, RateLimit: guard.Off, Seed: 1}, silent, public.String())
	ask := func(i int, port uint16) (released, sent bool) {
		peer := netip.AddrPortFrom(netip.AddrFrom4([4]byte{20, byte(i >> 16), byte(i >> 8), byte(i)}), port)
		d := &core.Datagram{Data: []byte("x"), From: peer, To: public}
		if _, v := w.Admit(d, false); v != guard.Admit {
			t.Fatal(v)
		}
		released = w.Release() != nil
		return released, w.Replied(d.Data, []byte("reply"))
	}
	for round := range 3 { // a minute apart, so that everybody is forgotten
		for batch := range 3 {
			w.Begin(guardtest.Epoch.Add(time.Duration(round)*time.Minute + time.Duration(batch)*10*time.Millisecond))
			if batch == 2 {
				for i := range newcomers {
					ask(held+i, 40000)
				}
			}
			for i := range held {
				if released, sent := ask(i, 2000); released != (batch == 2) || sent == (batch == 1) {
					t.Errorf("round %d, batch %d, peer %d: released %v, sent %v", round, batch, i, released, sent)
				}
			}
		}
	}
	if n := w.Counts; n.Withheld != 3*held || n.Released != 3*held || n.Lost != 0 {
		t.Errorf("%+v", n)
	}
}

func TestReturnedReply(t *testing.T) {
	long := strings.Repeat("x", 100)
	for _, tt := range []struct {
		name string
		goes func(c *conversation)
	}{
		{"our reply comes back", func(c *conversation) {
			c.wait(soon).ask("a", "reply", 1)
			c.wait(soon).ask("reply", "reply 2", -1)
			c.wait(soon).ask("reply", "reply 2", 1) // he means it
			c.wait(soon).ask("reply 2", "reply 3", -1)
		}},
		{"it was empty", func(c *conversation) {
			c.wait(soon).ask("a", "", 1)
			c.wait(soon).ask("", "", -1)
			c.wait(soon).ask("", "", 1)
			c.wait(soon).ask("", "", 1) // an echo
		}},
		{"it was long", func(c *conversation) {
			c.wait(soon).ask("a", long, 1)
			c.wait(soon).ask(long[1:], "b", 1)
			c.wait(soon).ask(long, long+"c", 1)
			c.wait(soon).ask(long+"c", "d", -1)
		}},
		{"it was an echo", func(c *conversation) {
			for range 5 {
				c.wait(soon).ask("a", "a", 1)
			}
		}},
		{"another peer says it", func(c *conversation) {
			c.wait(soon).ask("a", "reply", 1)
			c.from = netip.MustParseAddrPort("127.0.0.1:2001")
			c.wait(soon).ask("reply", "b", 1)
		}},
		{"it was on its way already", func(c *conversation) {
			c.wait(soon).ask("a", "reply", 1)
			c.ask("reply", "b", 1)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.goes(converse(t, nil, "127.0.0.1:2000")) })
	}
}
