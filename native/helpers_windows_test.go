package native_test

import "golang.org/x/sys/windows"

// onWine says that the system is Wine, which binds to addresses that are not there and overlooks what it is
// told about a reply's source.
func onWine() bool {
	return windows.NewLazySystemDLL("ntdll.dll").NewProc("wine_get_version").Find() == nil
}
