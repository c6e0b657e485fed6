package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// unavailable is what try_deb.sh ends with where there can be no system to try a package out on.
const unavailable = 77

// installDeb has dpkg install, upgrade, remove and purge the .deb for this system, maintainer's scripts and all, on a
// copy of it that is thrown away.
func installDeb() error {
	for _, tool := range []string{"dpkg", "unshare"} {
		if _, err := exec.LookPath(tool); err != nil {
			fmt.Printf("skipped: installing the package for Debian needs %s\n", tool)
			return nil
		}
	}
	if os.Getuid() != 0 {
		fmt.Println("skipped: installing the package for Debian needs root")
		return nil
	}
	file, err := only(filepath.Join("dist", "retort_*_"+runtime.GOARCH+".deb"))
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "retort-debian")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	out, err := exec.Command("unshare", "--mount", "sh", "magefiles/try_deb.sh", file, dir).CombinedOutput()
	var ended *exec.ExitError
	if errors.As(err, &ended) && ended.ExitCode() == unavailable {
		fmt.Printf("skipped: installing the package for Debian: %s", out)
		return nil
	}
	if err != nil {
		return fmt.Errorf("installing %s: %w\n%s", file, err, out)
	}
	fmt.Printf("%s is installed, upgraded, removed and purged\n", file)
	return nil
}
