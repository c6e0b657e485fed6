//go:build !linux

package native

// forget does nothing: no socket here was asked for what the next owner may not want.
func forget(uintptr) error { return nil }
