package main

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// tryProcesses has package os find out now, and not when the first compiler is started, how this kernel lets it start
// processes. It does so by a trial: a child that shares this process's memory for a moment, and its signal handlers with
// that. A signal to the whole group at that moment, such as that of a terminal's Ctrl-C, would run a handler in the child
// and leave this process with the handler's stack, which is a crash ("morestack on gsignal"; seen with Go 1.26). So
// signals wait for that long.
func tryProcesses() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, before unix.Sigset_t
	for i := range all.Val {
		all.Val[i] = ^all.Val[i]
	}
	if unix.PthreadSigmask(unix.SIG_SETMASK, &all, &before) != nil {
		return
	}
	if self, err := os.FindProcess(os.Getpid()); err == nil { // which asks for the trial, once
		_ = self.Release() // it was not waited for
	}
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil) // it was taken before
}
