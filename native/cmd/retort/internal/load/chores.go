package load

// What a worker does beside asking: it gives up requests, counts strays, and tidies up in the end.

import (
	"context"
	"slices"
	"time"
)

// chores does what is not urgent. It returns an error when the server is gone.
func (w *worker) chores(now int64) error {
	w.nextChore = now + chore
	w.expire(now)
	w.swept++
	w.sweep(w.swept%len(w.ports), w.swept%max(1, len(w.retired)))
	w.publish()
	if w.unheard >= silentLosses && now-w.heard > silence && !w.o.Blind {
		return &SilentError{Server: w.o.Target, Since: time.Duration(now - w.heard), Lost: w.unheard, Cause: w.problem}
	}
	return nil
}

// expire gives up what is overdue. Before that it looks whether the replies are there already: it may have been
// this thread that stood still, and not the server.
func (w *worker) expire(now int64) {
	timeout := int64(w.o.Timeout)
	for _, p := range w.ports {
		for range sweeps {
			if !p.overdue(now, timeout, w.judge.ids) || !w.receive(p) {
				break
			}
		}
		switch {
		case !p.overdue(now, timeout, w.judge.ids):
		case w.judge.ids:
			w.unheard += p.expire(now, timeout)
		default:
			w.abandon(p)
		}
	}
}

// abandon gives up all requests of p. Where replies do not tell which request they answer the port has to: p
// gets another one, and what comes to the old one is late.
func (w *worker) abandon(p *port) {
	all := p.outstanding
	w.unheard += all
	measured := p.giveUpAll()
	if all == 0 || w.judge.ids {
		return
	}
	s, err := w.network.open()
	if err != nil {
		w.trouble(err)
		return
	}
	if len(w.retired) == maxRetired {
		w.sweepRetired(0)
		w.retired[0].close()
		w.retired = slices.Delete(w.retired, 0, 1)
	}
	w.retired = append(w.retired, retiredPort{p.socket, uint64(all) - measured, measured})
	p.socket = s
}

// sweep counts the strays at a port and at a retired one.
func (w *worker) sweep(port, retired int) {
	if n := w.ports[port].foreign(); w.clock.now() >= w.mark {
		w.strays.Foreign += n
	}
	if retired < len(w.retired) {
		w.sweepRetired(retired)
	}
}

func (w *worker) sweepRetired(i int) {
	p := &w.retired[i]
	w.inbox.messages = w.inbox.messages[:0]
	if err := p.receive(&w.inbox, batch); err != nil {
		return // the network's word on a request that is lost already
	}
	var n uint64
	for i := range w.inbox.messages {
		m := &w.inbox.messages[i]
		for rest, more := m.data, true; more; n++ {
			_, rest, more = m.cut(rest)
		}
	}
	early := min(n, p.warmup) // the first that were sent
	late := min(n-early, p.owed)
	p.warmup -= early
	p.owed -= late
	w.strays.Late += late
	w.strays.Extra += n - early - late
}

// counts sums up.
func (w *worker) counts() Counts {
	sum := w.strays
	for _, p := range w.ports {
		sum.add(p.ledger.counts)
	}
	return sum
}

// publish shows others how far the worker is.
func (w *worker) publish() {
	c := w.counts()
	w.sent.Store(c.Sent)
	w.answered.Store(c.Answered)
	w.lost.Store(c.Lost)
}

// drain waits until every request has its fate, or for as long as that is worth it.
func (w *worker) drain() {
	deadline := w.stopped + drainTimeouts*int64(w.o.Timeout)
	for rounds, now := 0, w.stopped; w.waiting() && now < deadline; now = w.clock.now() {
		if now >= w.nextChore {
			w.nextChore = now + chore
			w.expire(now)
			w.publish()
		}
		if w.round(now) {
			rounds = 0
			continue
		}
		w.network.rest(rounds, time.Duration(w.nextChore-now))
		rounds++
	}
}

func (w *worker) waiting() bool {
	return slices.ContainsFunc(w.ports, func(p *port) bool { return p.outstanding > 0 })
}

// linger looks for strays: once, and as long as lost requests may still be answered late.
func (w *worker) linger(ctx context.Context) {
	deadline := w.clock.now() + int64(w.o.Linger)
	for {
		for i, p := range w.ports {
			for range sweeps {
				if !w.receive(p) {
					break
				}
			}
			w.sweep(i, len(w.retired))
		}
		for i := range w.retired {
			w.sweepRetired(i)
		}
		c := w.counts()
		if c.Late >= c.Lost || w.clock.now() >= deadline || ctx.Err() != nil {
			return
		}
		time.Sleep(time.Duration(chore))
	}
}
