// Package compiles says whether wazero has a compiler for this machine. Elsewhere it interprets, which takes some fifty
// times as long, allocates, and has a stack of its own that ends before the meter's limit of depth does.
package compiles

import "runtime"

// Here says whether modules are compiled on this machine unless one asks for the interpreter.
func Here() bool {
	switch runtime.GOOS {
	case "linux", "darwin", "windows", "freebsd", "netbsd":
		return runtime.GOARCH == "amd64" || runtime.GOARCH == "arm64"
	}
	return false
}
