//go:build unix

package wasmhandler

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// shared says why a directory is not ours alone; "" if it is.
func shared(dir fs.FileInfo) string {
	if !dir.IsDir() {
		return "is no directory"
	}
	if stat, ok := dir.Sys().(*syscall.Stat_t); ok && int(stat.Uid) != os.Geteuid() {
		return fmt.Sprintf("belongs to user %d, and this is user %d: name another directory", stat.Uid, os.Geteuid())
	}
	if mode := dir.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Sprintf("has mode %#o and must have 0700: chmod it once you trust what is in it, or name another", mode)
	}
	return ""
}
