//go:build !linux

package main

import "time"

// cpuTime is not known here while a process runs.
func cpuTime(int) (total time.Duration, ok bool) { return 0, false }
