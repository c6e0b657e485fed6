//go:build freebsd || dragonfly

package wasmhandler

import "golang.org/x/sys/unix"

// lower sets a limit, and how much later it is a hard one, but not higher than it is. Limits have a sign here.
func lower(resource int, limit, later uint64) error {
	var r unix.Rlimit
	if err := unix.Getrlimit(resource, &r); err != nil {
		return err
	}
	r.Cur = min(r.Max, int64(limit))
	r.Max = min(r.Max, int64(limit+later))
	return unix.Setrlimit(resource, &r)
}
