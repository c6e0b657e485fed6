package packaging_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// stub is a command that says how it was called, and does nothing else.
const stub = `#!/bin/sh
echo "${0##*/} $*" >> "${0%/*}/calls"
`

// called runs a package's script with the commands of that list for others, on a machine where /run has a folder that
// tells the service manager, and returns how the commands were called.
func called(t *testing.T, commands []string, manager, script string, args ...string) string {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("packages are for Linux")
	}
	dir := t.TempDir()
	for _, name := range commands {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(stub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"grep", "rm"} {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Skip(err)
		}
		if err := os.Symlink(path, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	script, err := filepath.Abs(script)
	if err != nil {
		t.Fatal(err)
	}
	// A user namespace, for a /run, an /etc and a /var/cache of its own.
	const inside = `set -e
mount -t tmpfs none /run
mount -t tmpfs none /etc
mount -t tmpfs none /var/cache
echo root:x:0:0 | tee /etc/passwd > /etc/group
mkdir -p "/run/$1"
PATH=$2
shift 2
exec "$@"`
	enter := []string{"-Urm", "sh", "-c", inside, "sh", manager, dir, script}
	if out, err := exec.Command("unshare", "-Urm", "mount", "-t", "tmpfs", "none", "/run").CombinedOutput(); err != nil {
		t.Skipf("a namespace of its own cannot be had: %v %s", err, out)
	}
	if out, err := exec.Command("unshare", append(enter, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", filepath.Base(script), args, err, out)
	}
	calls, err := os.ReadFile(filepath.Join(dir, "calls"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(calls))
}

// Each package manager has words of its own for what happens. Only when the package goes is its service stopped.
func TestScripts(t *testing.T) {
	const (
		systemd, openrc = "systemd/system", "openrc"

		reload  = "systemctl daemon-reload"
		restart = reload + "\nsystemctl try-restart retort.service"
		disable = "systemctl disable --now retort.service retort.socket"
	)
	for _, c := range []struct{ manager, script, args, want string }{
		{systemd, "preremove.sh", "remove", disable}, // dpkg
		{systemd, "preremove.sh", "deconfigure in-favour a 1", disable},
		{systemd, "preremove.sh", "upgrade 2.0.0", ""},
		{systemd, "preremove.sh", "failed-upgrade 1.0.0 2.0.0", ""},
		{systemd, "preremove.sh", "0", disable}, // rpm
		{systemd, "preremove.sh", "1", ""},
		{systemd, "preremove.sh", "2", ""},
		{systemd, "preremove.sh", "12", ""},
		{systemd, "preremove.sh", "1.0.0-1", disable}, // pacman
		{systemd, "preremove.sh", "2.0.0-1", disable},
		{systemd, "preremove.sh", "10.2.0-1", disable},
		{"nothing", "preremove.sh", "remove", ""},
		{openrc, "preremove.sh", "2.0.0-r0", "rc-service --ifexists --ifstarted retort stop\nrc-update --quiet --all delete retort"},

		{systemd, "postinstall.sh", "configure", restart},       // dpkg
		{systemd, "postinstall.sh", "1", restart},               // rpm
		{systemd, "postinstall.sh", "2.0.0-1 1.0.0-1", restart}, // pacman, an upgrade
		{"nothing", "postinstall.sh", "configure", ""},
		{openrc, "postinstall.sh", "2.0.0-r0", "rc-service --ifexists --ifstarted retort restart"},

		{systemd, "postremove.sh", "remove", reload},
		{systemd, "postremove.sh", "0", reload},
		{systemd, "postremove.sh", "1.0.0-1", reload},
		{systemd, "postremove.sh", "upgrade 2.0.0", ""},
		{systemd, "postremove.sh", "1", ""},
		{"nothing", "postremove.sh", "purge", ""},
	} {
		t.Run(c.manager+" "+c.script+" "+c.args, func(t *testing.T) {
			t.Parallel()
			commands := []string{"systemctl", "rc-service", "rc-update"}
			if got := called(t, commands, c.manager, c.script, strings.Fields(c.args)...); got != c.want {
				t.Errorf("calls %q, want %q", got, c.want)
			}
		})
	}
}

// A manager that cannot do what it is told, as in a chroot, does not keep a package from being installed or removed.
func TestFailingManager(t *testing.T) {
	for _, manager := range []string{"systemd/system", "openrc"} {
		for _, script := range []string{"postinstall.sh", "preremove.sh", "postremove.sh"} {
			called(t, nil, manager, script, "1.0.0-1")
		}
	}
}

// The service runs as a user and as a group, wherever they are made.
func TestUser(t *testing.T) {
	for _, c := range []struct {
		tools string
		want  []string
	}{
		{"useradd adduser addgroup", []string{"useradd --system --user-group ", " retort"}},
		{"adduser addgroup", []string{"addgroup -S retort\nadduser -S ", " -G retort ", " retort"}}, // Alpine
		{"", []string{""}},
	} {
		got := called(t, strings.Fields(c.tools), "nothing", "preinstall.sh")
		for _, want := range c.want {
			if !strings.Contains(got, want) || c.tools == "" && got != "" {
				t.Errorf("with %q there is %q, want %q in it", c.tools, got, want)
			}
		}
	}
}
