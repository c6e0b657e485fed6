//go:build race

package race

// Enabled says whether this build looks for data races.
const Enabled = true
