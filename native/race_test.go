//go:build race

package native_test

// raceEnabled says that the race detector is on, which allocates.
const raceEnabled = true
