package load

// What a worker makes of replies.

// receive takes in what has arrived on p, and says whether anything has.
func (w *worker) receive(p *port) bool {
	w.inbox.messages = w.inbox.messages[:0]
	if err := p.socket.receive(&w.inbox, max(1, p.outstanding)); err != nil {
		w.trouble(err)
	}
	for i := range w.inbox.messages {
		m := &w.inbox.messages[i]
		for rest, more := m.data, true; more; {
			var reply []byte
			reply, rest, more = m.cut(rest)
			w.account(p, reply, m.at)
		}
	}
	w.flush()
	return len(w.inbox.messages) > 0
}

// cut takes the first datagram from data, the rest of a message, and says whether there is another.
func (m *message) cut(data []byte) (first, rest []byte, more bool) {
	if m.segment > 0 && m.segment < len(data) {
		return data[:m.segment], data[m.segment:], true
	}
	return data, nil, false
}

// account finds out what a reply is.
func (w *worker) account(p *port, reply []byte, at int64) {
	right := w.judge.right(reply)
	var due int64
	var answered bool
	if number, owner, ok := w.identify(reply); ok && owner == p.number && number < p.tail {
		due, answered = p.reply(number, right, at)
	} else {
		due, answered = p.next(right && !w.judge.ids, at)
	}
	if !answered {
		return
	}
	w.heard, w.unheard = at, 0
	if w.sending && at >= w.mark {
		w.completed++
	}
	if due >= w.mark {
		w.record(at - due)
	}
}

// identify returns the request that a reply says it answers, if replies say that.
func (w *worker) identify(reply []byte) (number uint64, owner int, ok bool) {
	if !w.judge.ids {
		return 0, 0, false
	}
	return parseID(reply)
}

// record notes a latency. Replies that were received at once to requests that were sent at once have the same
// one, and go into the histogram together.
func (w *worker) record(latency int64) {
	if latency != w.latency {
		w.flush()
		w.latency = latency
	}
	w.repeated++
}

// flush puts what was recorded into the histogram.
func (w *worker) flush() {
	if w.repeated == 0 {
		return
	}
	// A latency that is in range can be recorded; there is no other error.
	_ = w.latencies.RecordValues(min(max(w.latency, 1), maxLatency), w.repeated)
	w.repeated = 0
}
