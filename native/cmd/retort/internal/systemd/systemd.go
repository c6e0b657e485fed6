// Package systemd speaks with a service manager as sd_notify(3), sd_listen_fds(3) and sd_watchdog_enabled(3) of systemd
// do: it says when a service is ready, takes sockets that were bound for it, and learns how often it has to say that it
// is well. All that is text in variables and in datagrams of a UNIX socket, whoever manages.
package systemd

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// Lookup returns a variable of the environment, as os.LookupEnv does.
type Lookup func(name string) (value string, ok bool)

// What a service has to say: see sd_notify(3).
const (
	Ready    = "READY=1"    // it has started, or has done what it was told to do again
	Stopping = "STOPPING=1" // it is about to end
	Watchdog = "WATCHDOG=1" // it is well
)

// Reloading says that the service is doing again what it does when it starts; Ready ends that.
func Reloading() string { return "RELOADING=1" + monotonic() }

// Status is a line for people.
func Status(text string) string {
	return "STATUS=" + strings.Map(func(r rune) rune {
		if r == '\n' {
			return ' '
		}
		return r
	}, text)
}

// MainPID says that another process is the service from now on.
func MainPID(pid int) string { return fmt.Sprintf("MAINPID=%d", pid) }

// Notifier tells the service manager. A nil Notifier tells nobody.
type Notifier struct{ conn *net.UnixConn }

// NewNotifier returns one for the socket that NOTIFY_SOCKET names, or nil where there is none.
func NewNotifier(lookup Lookup) (*Notifier, error) {
	name, ok := lookup("NOTIFY_SOCKET")
	if !ok || name == "" {
		return nil, nil
	}
	if name[0] != '/' && name[0] != '@' {
		return nil, fmt.Errorf("NOTIFY_SOCKET=%q: it is neither a path nor an abstract name", name)
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("NOTIFY_SOCKET: %w", err)
	}
	return &Notifier{conn}, nil
}

// patience bounds how long a manager may leave its socket unread.
const patience = 5 * time.Second

// Notify says all of that at once.
func (n *Notifier) Notify(what ...string) error {
	if n == nil {
		return nil
	}
	_ = n.conn.SetWriteDeadline(time.Now().Add(patience)) // an open socket takes one
	if _, err := n.conn.Write([]byte(strings.Join(what, "\n"))); err != nil {
		return fmt.Errorf("tell the service manager %q: %w", what, err)
	}
	return nil
}

// Close lets go of the socket.
func (n *Notifier) Close() error {
	if n == nil {
		return nil
	}
	return n.conn.Close()
}

// WatchdogInterval returns within which time Watchdog has to be said again and again; 0 is that nobody waits for it.
func WatchdogInterval(lookup Lookup) (time.Duration, error) {
	text, ok := lookup("WATCHDOG_USEC")
	if !ok || text == "" || !meansUs(lookup, "WATCHDOG_PID", true) {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 || n > int64(1<<63-1)/int64(time.Microsecond) {
		return 0, fmt.Errorf("WATCHDOG_USEC=%q: it is no number of microseconds", text)
	}
	return time.Duration(n) * time.Microsecond, nil
}

// Socket is one that the manager has bound.
type Socket struct {
	Descriptor uintptr
	Name       string // of the unit, or what FileDescriptorName= says; "": it is not told
}

// firstSocket is SD_LISTEN_FDS_START, maxSockets more than anybody has.
const (
	firstSocket = 3
	maxSockets  = 1 << 16
)

// Sockets returns those that are for this process, in the manager's order; none is no error. They are open for
// child processes until they are taken over.
func Sockets(lookup Lookup) ([]Socket, error) {
	text, ok := lookup("LISTEN_FDS")
	if !ok || text == "" || !meansUs(lookup, "LISTEN_PID", false) {
		return nil, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > maxSockets {
		return nil, fmt.Errorf("LISTEN_FDS=%q: it is no number of sockets", text)
	}
	sockets := make([]Socket, n)
	for i := range sockets {
		sockets[i].Descriptor = uintptr(firstSocket + i)
	}
	names, ok := lookup("LISTEN_FDNAMES")
	if !ok || names == "" {
		return sockets, nil
	}
	all := strings.Split(names, ":")
	if len(all) != n {
		return nil, errors.New("LISTEN_FDNAMES does not have as many names as LISTEN_FDS says")
	}
	for i, name := range all {
		sockets[i].Name = name
	}
	return sockets, nil
}

// meansUs says whether the process that a variable names is this one. Variables are inherited by processes that they
// were not made for.
func meansUs(lookup Lookup, variable string, otherwise bool) bool {
	pid, ok := lookup(variable)
	if !ok || pid == "" {
		return otherwise
	}
	return pid == strconv.Itoa(os.Getpid())
}
