//go:build race

package wasmhandler

// raceDetector says whether this build looks for data races, which takes address space without end.
const raceDetector = true
