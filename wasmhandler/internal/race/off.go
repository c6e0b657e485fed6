//go:build !race

// Package race says whether the race detector is there. It allocates by itself, takes address space without end, and
// makes an engine that compiles megabytes ten times as slow.
package race

// Enabled says whether this build looks for data races.
const Enabled = false
