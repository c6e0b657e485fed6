//go:build !windows

package native_test

func onWine() bool { return false }
