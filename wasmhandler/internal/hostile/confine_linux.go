//go:build !race

package hostile

import "syscall"

// confine bounds the addresses of this process, so that a module that makes it allocate without a bound is the end
// of this process and not of the machine.
func confine() {
	const most = 8 << 30 // bytes; what is well behaved needs less than one
	_ = syscall.Setrlimit(syscall.RLIMIT_AS, &syscall.Rlimit{Cur: most, Max: most})
}
