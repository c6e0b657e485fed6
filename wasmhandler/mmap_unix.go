//go:build unix

package wasmhandler

import "golang.org/x/sys/unix"

// reserve returns n bytes of addresses with nothing behind them. They count for no memory, not even where the
// kernel does not overcommit.
func reserve(n int) ([]byte, error) {
	return unix.Mmap(-1, 0, n, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON)
}

// commit puts memory behind b[from:to].
func commit(b []byte, from, to int) error {
	return unix.Mprotect(b[from:to], unix.PROT_READ|unix.PROT_WRITE)
}

// release gives back what reserve returned.
func release(b []byte) { _ = unix.Munmap(b) } // fails only for what is no mapping
