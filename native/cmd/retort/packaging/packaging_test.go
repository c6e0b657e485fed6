// Package packaging_test looks at the files that packages install.
package packaging_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What the manager of this machine may say of units that are right: it is older than the type, and it is not where
// the manual has been installed.
var excused = regexp.MustCompile(`Failed to parse service type, ignoring: notify-reload|Command 'man .*' failed`)

// TestUnits has systemd read the units. The program that they start is another one here.
func TestUnits(t *testing.T) {
	verifier, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var units []string
	for _, name := range []string{"retort.service", "retort.socket"} {
		text, err := os.ReadFile(filepath.Join("systemd", name))
		if err != nil {
			t.Fatal(err)
		}
		units = append(units, filepath.Join(dir, name))
		changed := strings.ReplaceAll(string(text), "ExecStart=/usr/bin/retort", "ExecStart="+self)
		if err := os.WriteFile(units[len(units)-1], []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	said, err := exec.Command(verifier, append([]string{"verify"}, units...)...).CombinedOutput()
	if _, failed := err.(*exec.ExitError); err != nil && !failed {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(said)) {
		switch {
		case strings.Contains(line, "Failed to connect to bus"), strings.Contains(line, "cgroup"):
			t.Skipf("systemd-analyze cannot verify here: %s", line)
		case !excused.MatchString(line):
			t.Errorf("%s", line)
		}
	}
}

// TestFilter: what the server cannot do without is not among the calls that the service is denied.
func TestFilter(t *testing.T) {
	lister, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	text, err := os.ReadFile("systemd/retort.service")
	if err != nil {
		t.Fatal(err)
	}
	calls := func(set string) (all map[string]bool) {
		out, err := exec.Command(lister, "syscall-filter", set).Output()
		if err != nil {
			t.Skipf("systemd-analyze syscall-filter %s: %v", set, err)
		}
		all = make(map[string]bool)
		for line := range strings.Lines(string(out)) {
			all[strings.TrimSpace(line)] = true
		}
		return all
	}
	var resolve func(set string, into map[string]bool)
	resolve = func(set string, into map[string]bool) {
		for call := range calls(set) {
			if strings.HasPrefix(call, "@") && call != set {
				resolve(call, into)
			}
			into[call] = true
		}
	}
	allowed, denied := make(map[string]bool), make(map[string]bool)
	for line := range strings.Lines(string(text)) {
		sets, ok := strings.CutPrefix(strings.TrimSpace(line), "SystemCallFilter=")
		into := allowed
		if rest, not := strings.CutPrefix(sets, "~"); not {
			sets, into = rest, denied
		}
		if !ok {
			continue
		}
		for set := range strings.FieldsSeq(sets) {
			resolve(set, into)
		}
	}
	for _, call := range []string{
		"memfd_create", "ioctl", "mmap", "mprotect", "madvise", "pipe2", "clone", "execve", "setrlimit", "prlimit64",
		"recvmmsg", "sendmmsg", "ppoll", "eventfd2", "epoll_pwait", "inotify_init1", "inotify_add_watch",
		"pwrite64", "fcntl", "rename", "renameat", "flock", "pidfd_open", "waitid", "wait4", "futex",
	} {
		if !allowed[call] || denied[call] {
			t.Errorf("%s: allowed is %v, denied is %v", call, allowed[call], denied[call])
		}
	}
}
