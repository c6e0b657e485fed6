//go:build unix

package hostile

import (
	"runtime"
	"syscall"
)

// peakMemory is the most memory that this process had, in bytes.
func peakMemory() int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	if runtime.GOOS == "darwin" || runtime.GOOS == "ios" {
		return int64(usage.Maxrss) // it counts in bytes
	}
	return int64(usage.Maxrss) << 10
}
