//go:build !race

// Package race says whether the race detector watches, with which everything takes longer: to compile a guest in Go
// ten seconds instead of one.
package race

// Enabled says whether this build looks for data races.
const Enabled = false
