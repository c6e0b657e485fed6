//go:build !wasip1

package sdk

// Serve does nothing: there is no host.
func Serve(*Instance) {}

// HostLog does nothing: there is no host.
func HostLog(int32, string) {}
