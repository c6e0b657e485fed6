package wasmhandler

import (
	"os"
	"syscall"
)

// ownGroup has a process be in a group of its own, so that a console's Ctrl-C is for us to act on alone.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// watchParent calls gone once the process that started this one has ended, as far as this one may know of it.
func watchParent(gone func()) {
	parent, err := os.FindProcess(os.Getppid())
	if err != nil {
		return
	}
	go func() {
		if _, err := parent.Wait(); err == nil { // which here need be nobody's child
			gone()
		}
	}()
}
