//go:build !windows

package wasmhandler_test

func onWine() bool { return false }
