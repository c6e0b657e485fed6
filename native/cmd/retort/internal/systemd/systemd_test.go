package systemd_test

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/retort-udp/retort/native/cmd/retort/internal/systemd"
)

// environment is a Lookup. PID stands for this process.
func environment(variables ...string) systemd.Lookup {
	return func(name string) (string, bool) {
		for _, v := range variables {
			if key, value, _ := strings.Cut(v, "="); key == name {
				return strings.ReplaceAll(value, "PID", strconv.Itoa(os.Getpid())), true
			}
		}
		return "", false
	}
}

// manager returns a socket for notifications.
func manager(t *testing.T, name string) *net.UnixConn {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Skipf("there are no UNIX datagrams here: %v", err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestNotify(t *testing.T) {
	names := []string{filepath.Join(t.TempDir(), "notify")}
	if runtime.GOOS == "linux" {
		names = append(names, "@retort-test-"+strconv.Itoa(os.Getpid()))
	}
	for _, name := range names {
		m := manager(t, name)
		n, err := systemd.NewNotifier(environment("NOTIFY_SOCKET=" + name))
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			what []string
			want string
		}{
			{[]string{systemd.Ready}, "READY=1"},
			{[]string{systemd.Ready, systemd.Status("two\nlines")}, "READY=1\nSTATUS=two lines"},
			{[]string{systemd.MainPID(17), systemd.Ready}, "MAINPID=17\nREADY=1"},
		} {
			if err := n.Notify(tt.what...); err != nil {
				t.Fatal(err)
			}
			text := make([]byte, 1000)
			if k, err := m.Read(text); err != nil || string(text[:k]) != tt.want {
				t.Errorf("the manager has heard %q, %v", text[:k], err)
			}
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestNobodyListens: without a manager nothing is said, and nothing fails.
func TestNobodyListens(t *testing.T) {
	n, err := systemd.NewNotifier(environment())
	if n != nil || err != nil {
		t.Fatalf("%v, %v", n, err)
	}
	if err := n.Notify(systemd.Ready); err != nil {
		t.Error(err)
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
}

func TestNotifierErrors(t *testing.T) {
	for _, socket := range []string{"relative", "vsock:2:1234", filepath.Join(t.TempDir(), "nobody")} {
		if n, err := systemd.NewNotifier(environment("NOTIFY_SOCKET=" + socket)); err == nil {
			n.Close()
			t.Errorf("%s was taken", socket)
		}
	}
}

func TestReloading(t *testing.T) {
	want := `\ARELOADING=1\z`
	if runtime.GOOS == "linux" {
		want = `\ARELOADING=1\nMONOTONIC_USEC=[1-9]\d*\z`
	}
	if got := systemd.Reloading(); !regexp.MustCompile(want).MatchString(got) {
		t.Errorf("%q", got)
	}
}

func TestWatchdogInterval(t *testing.T) {
	for _, tt := range []struct {
		env  []string
		want time.Duration
		err  bool
	}{
		{nil, 0, false},
		{[]string{"WATCHDOG_USEC=3000000"}, 3 * time.Second, false},
		{[]string{"WATCHDOG_USEC=3000000", "WATCHDOG_PID=PID"}, 3 * time.Second, false},
		{[]string{"WATCHDOG_USEC=3000000", "WATCHDOG_PID=1"}, 0, false}, // another's
		{[]string{"WATCHDOG_USEC=0"}, 0, true},
		{[]string{"WATCHDOG_USEC=-1"}, 0, true},
		{[]string{"WATCHDOG_USEC=soon"}, 0, true},
		{[]string{"WATCHDOG_USEC=9223372036854775807"}, 0, true},
	} {
		got, err := systemd.WatchdogInterval(environment(tt.env...))
		if got != tt.want || (err != nil) != tt.err {
			t.Errorf("%q: %v, %v", tt.env, got, err)
		}
	}
}

func TestSockets(t *testing.T) {
	for _, tt := range []struct {
		env  []string
		want []systemd.Socket
		err  bool
	}{
		{env: nil},
		{env: []string{"LISTEN_FDS=2"}}, // for whom?
		{env: []string{"LISTEN_FDS=2", "LISTEN_PID=1"}},
		{env: []string{"LISTEN_FDS=0", "LISTEN_PID=PID"}, want: []systemd.Socket{}},
		{env: []string{"LISTEN_FDS=2", "LISTEN_PID=PID"}, want: []systemd.Socket{{Descriptor: 3}, {Descriptor: 4}}},
		{
			env:  []string{"LISTEN_FDS=2", "LISTEN_PID=PID", "LISTEN_FDNAMES=a:retort.socket"},
			want: []systemd.Socket{{Descriptor: 3, Name: "a"}, {Descriptor: 4, Name: "retort.socket"}},
		},
		{env: []string{"LISTEN_FDS=2", "LISTEN_PID=PID", "LISTEN_FDNAMES=a"}, err: true},
		{env: []string{"LISTEN_FDS=-1", "LISTEN_PID=PID"}, err: true},
		{env: []string{"LISTEN_FDS=1e3", "LISTEN_PID=PID"}, err: true},
		{env: []string{"LISTEN_FDS=999999999", "LISTEN_PID=PID"}, err: true},
	} {
		got, err := systemd.Sockets(environment(tt.env...))
		if !slices.Equal(got, tt.want) || (err != nil) != tt.err {
			t.Errorf("%q: %v, %v", tt.env, got, err)
		}
	}
}
