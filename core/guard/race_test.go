//go:build race

package guard_test

// raced says that the race detector watches, which makes all of this ten times slower.
const raced = true
