//go:build !unix

package wasmhandler

import "io/fs"

// shared says why a directory is not ours alone. These systems have access lists, which are not looked at: the
// directory for a user's caches is that user's by default.
func shared(dir fs.FileInfo) string {
	if !dir.IsDir() {
		return "is no directory"
	}
	return ""
}
