//go:build !unix && !windows

package native

import "syscall"

// control returns nil: there is nothing to prepare.
func control(_, _ bool, _ *bool) func(network, address string, c syscall.RawConn) error { return nil }
