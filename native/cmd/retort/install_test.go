package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// What "go install" makes says which version and commit it is of, and what it was built with.
func TestInstalled(t *testing.T) {
	if testing.Short() {
		t.Skip("linking takes seconds")
	}
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("go is not installed here")
	}
	dir := t.TempDir()
	install := exec.Command("go", "install", "./native/cmd/retort")
	install.Dir = moduleRoot
	install.Env = append(os.Environ(), "GOBIN="+dir, "GOFLAGS=-buildvcs=auto")
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", install, err, out)
	}
	suffix := ""
	if runtime.GOOS == "windows" {
		suffix = ".exe"
	}
	out, err := exec.Command(filepath.Join(dir, "retort"+suffix), "version", "--json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var b build
	if err := json.Unmarshal(out, &b); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	version, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", "github.com/tetratelabs/wazero").Output()
	if err != nil {
		t.Fatal(err)
	}
	if b.Version == "" || b.Go != runtime.Version() || b.Platform != runtime.GOOS+"/"+runtime.GOARCH ||
		b.Wazero != strings.TrimSpace(string(version)) {
		t.Errorf("%s", out)
	}
	git := exec.Command("git", "rev-parse", "HEAD")
	git.Dir = moduleRoot
	if commit, err := git.Output(); err != nil {
		t.Logf("this tree has no commits, and so the program names none: %v", err)
	} else if b.Commit != strings.TrimSpace(string(commit)) || b.Time == "" {
		t.Errorf("%s, and the commit is %s", out, commit)
	}
}
