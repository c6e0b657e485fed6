//go:build unix && !aix && !solaris && !illumos && !freebsd && !dragonfly

package wasmhandler

import "golang.org/x/sys/unix"

// lower sets a limit, and how much later it is a hard one, but not higher than it is.
func lower(resource int, limit, later uint64) error {
	var r unix.Rlimit
	if err := unix.Getrlimit(resource, &r); err != nil {
		return err
	}
	r.Cur = min(r.Max, limit)
	r.Max = min(r.Max, limit+later)
	return unix.Setrlimit(resource, &r)
}
