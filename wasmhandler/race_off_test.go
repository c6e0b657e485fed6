//go:build !race

package wasmhandler_test

const raceEnabled = false
