//go:build !linux

package native

// letRoutersCut does nothing: IPv4 datagrams leave without the "don't fragment" bit.
func letRoutersCut(uintptr) error { return nil }
