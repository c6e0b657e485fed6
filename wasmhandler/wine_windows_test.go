package wasmhandler_test

import "golang.org/x/sys/windows"

// onWine says that the system is Wine, which takes some of a job's limits and does not enforce them.
func onWine() bool {
	return windows.NewLazySystemDLL("ntdll.dll").NewProc("wine_get_version").Find() == nil
}
