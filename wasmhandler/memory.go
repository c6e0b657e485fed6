package wasmhandler

import (
	"fmt"
	"math"

	"github.com/tetratelabs/wazero/experimental"
)

// linearMemory is an instance's linear memory. All the addresses that it may ever have are reserved when it is
// made, and pages are put behind them as it grows. So it never moves, and a view of it stays good for as long
// as the instance lives. It begins as zeros, which cost nothing until they are written.
type linearMemory struct {
	reserved  []byte
	committed int // bytes from the start that can be read and written
}

var _ experimental.LinearMemory = (*linearMemory)(nil)

// newLinearMemory returns a memory of size bytes that can grow up to limit, both multiples of a page.
func newLinearMemory(size, limit uint64) (*linearMemory, error) {
	if limit > math.MaxInt {
		return nil, fmt.Errorf("reserving %d bytes of memory: more than this system can address", limit)
	}
	reserved, err := reserve(int(max(limit, pageSize)))
	if err != nil {
		return nil, fmt.Errorf("reserving %d bytes of memory: %w", limit, err)
	}
	m := &linearMemory{reserved: reserved}
	if err := m.grow(size); err != nil {
		m.Free()
		return nil, fmt.Errorf("allocating %d bytes of memory: %w", size, err)
	}
	return m, nil
}

func (m *linearMemory) grow(size uint64) error {
	if size <= uint64(m.committed) {
		return nil
	}
	if err := commit(m.reserved, m.committed, int(size)); err != nil {
		return err
	}
	m.committed = int(size)
	return nil
}

// Reallocate is called by wazero to make the memory, and by memory.grow. nil refuses.
func (m *linearMemory) Reallocate(size uint64) []byte {
	if size > uint64(len(m.reserved)) || m.grow(size) != nil {
		return nil
	}
	return m.reserved[:size:size]
}

// Free is called by wazero when the instance is closed, and by whoever could not make one.
func (m *linearMemory) Free() {
	if m.reserved == nil {
		return
	}
	release(m.reserved)
	m.reserved = nil
}
