//go:build !linux

package load

// HasGSO says whether this system may have Options.GSO; an old kernel still lacks it.
const HasGSO = false

// newNetwork returns the fastest network of this system.
func newNetwork(s shape) network { return newPortable(s) }
