package native

import "time"

// spin decides whether to look again and again for a datagram before the poller waits for one. Waiting
// costs some twenty microseconds of a sleeping processor waking up; looking costs the processor.
type spin struct {
	longest time.Duration // 0: never look
	skip    int           // how many times to wait at once, because looking was in vain
	vain    int           // how often it was, one behind the other
}

// maxSkip bounds how long a server that was idle goes on waiting at once when datagrams come again.
const maxSkip = 64

// worthIt says whether to look this time.
func (s *spin) worthIt() bool {
	if s.longest == 0 {
		return false
	}
	if s.skip > 0 {
		s.skip--
		return false
	}
	return true
}

// ended takes note of whether looking found something. After two times in vain it pauses for longer and
// longer, so that a server that is seldom asked spends nothing to speak of.
func (s *spin) ended(found bool) {
	if found {
		s.vain = 0
		return
	}
	s.vain++
	if s.vain > 2 {
		s.skip = min(1<<min(s.vain-2, 6), maxSkip)
	}
}
