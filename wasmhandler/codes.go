package wasmhandler

import (
	"sync/atomic"

	"github.com/retort-udp/retort/core"
)

// codes counts the codes of its own that a guest returned, and keeps their error values: making one of a core.Code
// costs an allocation. Only one handler writes it. Of a guest that returns ever other codes, the first are told apart.
type codes struct {
	slots [64]struct {
		code  atomic.Int32 // 0: none yet
		count atomic.Uint64
		err   error
	}
	all atomic.Uint64
}

// err counts a code and returns its error.
func (c *codes) err(code core.Code) error {
	const ways = 8 // slots that a code may have
	add(&c.all, 1)
	for i := range uint32(ways) {
		s := &c.slots[(uint32(code)+i)%uint32(len(c.slots))]
		of := core.Code(s.code.Load())
		if of == 0 {
			of, s.err = code, code
			s.code.Store(int32(code))
		}
		if of == code {
			add(&s.count, 1)
			return s.err
		}
	}
	return code
}

// addTo adds the counts to those in sums, which keeps so many codes apart at most.
func (c *codes) addTo(sums map[core.Code]uint64) {
	const most = 1024
	for i := range c.slots {
		code, n := core.Code(c.slots[i].code.Load()), c.slots[i].count.Load()
		if _, ok := sums[code]; n > 0 && (ok || len(sums) < most) {
			sums[code] += n
		}
	}
}

// Codes returns how often guests returned which code of their own. Of those that return many, some are only in
// Stats.Codes.
func (m *Module) Codes() map[core.Code]uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	sums := make(map[core.Code]uint64, len(m.codes))
	for code, n := range m.codes {
		sums[code] = n
	}
	for h := range m.open {
		h.spending().codes.addTo(sums)
	}
	return sums
}
