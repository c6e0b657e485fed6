//go:build unix

package handover_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/retort-udp/retort/native/cmd/retort/internal/handover"
)

// role is a variable that has the test binary be a successor of some kind.
const role = "HANDOVER_TEST_ROLE"

func TestMain(m *testing.M) {
	if kind := os.Getenv(role); kind != "" {
		os.Exit(successor(kind))
	}
	os.Exit(m.Run())
}

// successor is the new process.
func successor(kind string) int {
	before, err := handover.From(os.LookupEnv)
	if err != nil || before == nil {
		fmt.Fprintln(os.Stderr, "no predecessor:", err)
		return 90
	}
	switch kind {
	case "exits":
		return 78
	case "hangs":
		time.Sleep(time.Hour)
	case "killed":
		p, _ := os.FindProcess(os.Getpid())
		_ = p.Kill()
		time.Sleep(time.Hour)
	case "answers":
		var listeners []string
		var conns []net.PacketConn
		for _, s := range before.Sockets() {
			f := os.NewFile(s.Descriptor, s.Listener)
			c, err := net.FilePacketConn(f)
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 91
			}
			f.Close()
			listeners, conns = append(listeners, s.Listener), append(conns, c)
		}
		if err := before.Ready(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 92
		}
		text := make([]byte, 100)
		n, from, err := conns[0].ReadFrom(text)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 93
		}
		reply := fmt.Sprintf("%s %s %s", text[:n], strings.Join(listeners, ","), os.Getenv("LISTEN_FDS"))
		if _, err := conns[0].WriteTo([]byte(reply), from); err != nil {
			return 94
		}
	}
	return 0
}

// start starts a successor with sockets.
func start(t *testing.T, kind string, sockets ...handover.Socket) *handover.Successor {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), role+"="+kind, "LISTEN_FDS=7", "LISTEN_PID=1")
	s, err := handover.Start(handover.Plan{Program: program, Args: []string{program}, Env: env, Sockets: sockets})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// socket returns a socket that is to be handed over, and its address.
func socket(t *testing.T, listener string) (handover.Socket, *net.UDPAddr) {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	f, err := c.File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return handover.Socket{Descriptor: f.Fd(), Listener: listener}, c.LocalAddr().(*net.UDPAddr)
}

// TestTakeOver: the successor answers what was sent before it was there. It knows which socket is whose, and is not
// told what a service manager has told its predecessor alone.
func TestTakeOver(t *testing.T) {
	one, at := socket(t, "one")
	two, _ := socket(t, `two "quoted", ü`)
	peer, err := net.DialUDP("udp4", nil, at)
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	if _, err := peer.Write([]byte("early")); err != nil {
		t.Fatal(err)
	}
	next := start(t, "answers", one, two)
	if err := next.Await(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := peer.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	text := make([]byte, 100)
	n, err := peer.Read(text)
	if want := `early one,two "quoted", ü `; err != nil || string(text[:n]) != want {
		t.Errorf("answered %q, not %q: %v", text[:n], want, err)
	}
	p, err := os.FindProcess(next.PID())
	if err != nil {
		t.Fatal(err)
	}
	if state, err := p.Wait(); err != nil || !state.Success() {
		t.Errorf("it ended with %v, %v", state, err)
	}
}

// TestFailure: a successor that is never ready is gone, and the reason is known.
func TestFailure(t *testing.T) {
	for kind, want := range map[string]string{
		"exits":  "exit code 78",
		"killed": "signal: killed",
		"hangs":  "not ready: context deadline exceeded",
	} {
		t.Run(kind, func(t *testing.T) {
			next := start(t, kind)
			ctx := t.Context()
			if kind == "hangs" {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, 50*time.Millisecond)
				defer cancel()
			}
			err := next.Await(ctx)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("the error is %v, not %s", err, want)
			}
			if e, ok := errors.AsType[*handover.ExitError](err); kind == "exits" && (!ok || e.Code != 78) {
				t.Errorf("the exit code is not told: %v", err)
			}
			if p, err := os.FindProcess(next.PID()); err == nil && p.Signal(os.Interrupt) == nil {
				t.Error("it is still there")
			}
		})
	}
}

func TestNoProgram(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	if _, err := handover.Start(handover.Plan{Program: missing, Args: []string{missing}}); err == nil ||
		!strings.Contains(err.Error(), missing) {
		t.Errorf("the error is %v", err)
	}
}

// TestFrom: what is not meant for this process is no predecessor, and what nobody can have meant is an error.
func TestFrom(t *testing.T) {
	for value, refused := range map[string]bool{
		"":                            false,
		`{"from":1,"listeners":[""]}`: false,
		`{"from":` + strconv.Itoa(os.Getpid()) + `,"listeners":["x"]}`: false,
		"{":            true,
		`{"from":"x"}`: true,
	} {
		p, err := handover.From(func(string) (string, bool) { return value, true })
		if p != nil || (err != nil) != refused {
			t.Errorf("%s: %v, %v", value, p, err)
		}
	}
	var nobody *handover.Predecessor
	if err := nobody.Ready(); err != nil || nobody.Sockets() != nil {
		t.Errorf("without a predecessor: %v, %v", err, nobody.Sockets())
	}
}

// TestProgram: the path is that of the file which runs, and leads to a newer one that takes its place.
func TestProgram(t *testing.T) {
	path, err := handover.Program()
	if err != nil || !filepath.IsAbs(path) {
		t.Fatalf("%q, %v", path, err)
	}
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	a, errA := os.ReadFile(path)
	b, errB := os.ReadFile(own)
	if err := errors.Join(errA, errB); err != nil || !bytes.Equal(a, b) {
		t.Errorf("%s is another program than %s: %v", path, own, err)
	}
	args := slices.Clone(os.Args)
	defer func() { os.Args = args }()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(own, link); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ called, want string }{{link, link}, {"nothing that could be found", own}} {
		os.Args = append([]string{tt.called}, args[1:]...)
		if got, err := handover.Program(); err != nil || got != tt.want {
			t.Errorf("called as %s: %s, %v", tt.called, got, err)
		}
	}
}
