package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// cpuTime is how long the threads of a process have run on a processor (proc_pid_schedstat(5)); ok is false
// where the kernel does not count that.
func cpuTime(pid int) (total time.Duration, ok bool) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil {
		return 0, false
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // that thread has just ended
		}
		var ran time.Duration
		if _, err := fmt.Sscan(string(text), &ran); err != nil {
			return 0, false
		}
		total += ran
	}
	return total, len(files) > 0
}
