//go:build unix

package wasmhandler

import (
	"os"
	"syscall"
	"time"
)

// ownGroup has a process be in a group of its own, so that a signal to ours, such as that of a terminal's Ctrl-C, is
// for us to act on alone.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// watchParent calls gone once the process that started this one has ended: another is the parent then. Linux could send
// a signal (PR_SET_PDEATHSIG), but does so when the thread that started this process ends, which Go's threads may at any
// time.
func watchParent(gone func()) {
	parent := os.Getppid()
	go func() {
		for os.Getppid() == parent {
			time.Sleep(10 * time.Millisecond)
		}
		gone()
	}()
}
