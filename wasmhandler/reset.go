package wasmhandler

import "math/rand/v2"

// reset turns an instance that had a fault into one that has seen no datagram: it closes it and makes another.
// Old is nil when that failed the time before.
func (m *Module) reset(old *instance, random *rand.ChaCha8) (*instance, error) {
	if old != nil {
		_ = old.close() // it is broken: what else it has to say does not matter
	}
	return m.newInstance(random)
}
