package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// unavailable is what the scripts that try packages out end with where there can be no system to do that on.
const unavailable = 77

// installPackages has the package managers that are here install, upgrade and remove the packages for this system,
// scripts and all, on a copy of it that is thrown away. Alpine's manager is nowhere else, so that its package is only opened
// (contents.go), and its scripts are run (native/cmd/retort/packaging).
func installPackages() error {
	machine := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH] // as uname calls it
	return errors.Join(
		installPackage("dpkg", "retort_*_"+runtime.GOARCH+".deb", "deb.sh"),
		installPackage("rpm", "retort-*."+machine+".rpm", "rpm.sh"),
		installPackage("pacman", "retort-*-"+machine+".pkg.tar.zst", "arch.sh"),
	)
}

// installPackage has one manager try out the package in dist that pattern matches, by a script in magefiles/try.
func installPackage(manager, pattern, script string) error {
	for _, tool := range []string{manager, "unshare", "bash"} {
		if _, err := exec.LookPath(tool); err != nil {
			return skip("installing %s needs %s", pattern, tool)
		}
	}
	if os.Getuid() != 0 {
		return skip("installing %s needs root", pattern)
	}
	file, err := only(filepath.Join("dist", pattern))
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "retort-root")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	cmd := exec.Command("unshare", "--mount", "sh", "magefiles/try/root.sh", file, "magefiles/try/"+script, dir)
	out, err := cmd.CombinedOutput()
	var ended *exec.ExitError
	if errors.As(err, &ended) && ended.ExitCode() == unavailable {
		return skip("installing %s: %s", file, bytes.TrimSpace(out))
	}
	if err != nil {
		return fmt.Errorf("installing %s: %w\n%s", file, err, out)
	}
	fmt.Printf("%s can be installed, upgraded and removed by %s\n", file, manager)
	return nil
}
