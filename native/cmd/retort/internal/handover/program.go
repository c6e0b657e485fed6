package handover

import (
	"os"
	"os/exec"
	"path/filepath"
)

// Program returns the path that this program was started by, as an absolute one: what lies there now may be newer.
// It is to be asked early, before files are replaced. The path is that of the command line where that is this
// program, for it may be a link that is set to another version; and otherwise what the system says.
func Program() (string, error) {
	own, err := os.Executable()
	if err != nil {
		return "", err
	}
	called, err := exec.LookPath(os.Args[0])
	if err == nil {
		called, err = filepath.Abs(called)
	}
	if err != nil || !same(called, own) {
		return own, nil
	}
	return called, nil
}

func same(a, b string) bool {
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	two, err := os.Stat(b)
	return err == nil && os.SameFile(one, two)
}
