package load

// Doors for tests of what holds no socket.

type (
	Ledger = ledger
	Pace   = pace
)

const SocketBits = socketBits

var (
	NewLedger = newLedger
	NewPace   = newPace
	PutID     = putID
	ParseID   = parseID
)

func (l *ledger) Send(due, now int64)                                 { l.send(due, now) }
func (l *ledger) Reply(n uint64, right bool, now int64) (int64, bool) { return l.reply(n, right, now) }
func (l *ledger) Next(right bool, now int64) (int64, bool)            { return l.next(right, now) }
func (l *ledger) Expire(now, timeout int64) int                       { return l.expire(now, timeout) }
func (l *ledger) Stalled(now, timeout int64) bool                     { return l.overdue(now, timeout, false) }
func (l *ledger) GiveUpAll() uint64                                   { return l.giveUpAll() }
func (l *ledger) Room() int                                           { return l.room() }
func (l *ledger) Tail() uint64                                        { return l.tail }
func (l *ledger) Counts() Counts                                      { return l.counts }
func (l *ledger) SetMark(mark int64)                                  { l.mark = mark }

func (p *pace) Due(n int) (int64, bool)       { return p.due(n) }
func (p *pace) Ready(now int64, most int) int { return p.ready(now, most) }
func (p *pace) Issue(n int)                   { p.issued += uint64(n) }
func (p *pace) Left() uint64                  { return p.left() }

// Right says whether a reply is right under the options.
func Right(o Options, reply []byte) bool {
	o.fill()
	j := newJudge(&o)
	return j.right(reply)
}

// Complete fills in the defaults.
func (o Options) Complete() (Options, error) {
	err := o.complete()
	return o, err
}
