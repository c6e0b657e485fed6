//go:build !linux

package systemd

// monotonic says nothing: systemd is Linux's.
func monotonic() string { return "" }
