package config

import (
	"strings"

	"github.com/spf13/pflag"
)

// nearest returns the key that was probably meant; "" if there is none.
func nearest(key string, set *pflag.FlagSet) (found string) {
	const letters = 2 // that may be wrong
	best := letters + 1
	if len(key) <= 64 {
		key = strings.ReplaceAll(strings.ToLower(key), "_", "-")
		set.VisitAll(func(f *pflag.Flag) {
			if d := distance(key, f.Name); d < best {
				best, found = d, f.Name
			}
		})
	}
	return found
}

// distance is how many letters must be added, taken away or changed to make one word of the other (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := before
			if a[i] != b[j] {
				change++
			}
			before = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
