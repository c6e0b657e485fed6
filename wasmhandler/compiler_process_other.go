//go:build !unix && !windows

package wasmhandler

import "syscall"

// ownGroup asks for nothing: these systems have no groups of processes, or no processes.
func ownGroup() *syscall.SysProcAttr { return nil }

// watchParent does nothing: the limits alone end a compiler that nobody waits for.
func watchParent(func()) {}
