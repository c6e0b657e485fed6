//go:build race

package dns_test

// raced says that the race detector watches, which allocates.
const raced = true
