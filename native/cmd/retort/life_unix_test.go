//go:build unix

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/retort-udp/retort/native/cmd/retort/internal/race"
)

// lifeTest is a server in a process of its own, and what comes of it.
type lifeTest struct {
	t      *testing.T
	cmd    *exec.Cmd
	stderr *output
	ended  chan struct{} // closed when the first process has
	addr   string
	pids   []int
}

// liveProcess starts a command, which need not be the program itself, and waits until it listens. Whatever process
// comes of it is gone when the test ends.
func liveProcess(t *testing.T, cmd *exec.Cmd) *lifeTest {
	t.Helper()
	p := &lifeTest{t: t, cmd: cmd, stderr: new(output), ended: make(chan struct{})}
	ours, theirs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	oursErr, theirsErr, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = theirs, theirsErr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // with all that comes of it
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	theirsErr.Close()
	p.pids = []int{cmd.Process.Pid}
	go func() {
		defer close(p.ended)
		_ = cmd.Wait() // its state says more
	}()
	var reading sync.WaitGroup
	reading.Go(func() {
		lines := bufio.NewReader(oursErr)
		for {
			line, err := lines.ReadBytes('\n')
			_, _ = p.stderr.Write(line)
			if err != nil {
				return
			}
		}
	})
	t.Cleanup(func() {
		_ = syscall.Kill(-p.pids[0], syscall.SIGKILL) // most have ended
		<-p.ended
		reading.Wait() // until the last process that has the pipe is gone
		ours.Close()
		oursErr.Close()
	})
	line, err := bufio.NewReader(ours).ReadString('\n')
	m := listens.FindStringSubmatch(line)
	if err != nil || m == nil {
		text, _ := p.stderr.now()
		t.Fatalf("it does not listen: %q, %v, %s", line, err, text)
	}
	go func() { // what is printed later must not fill the pipe
		_, _ = bufio.NewReader(ours).WriteTo(new(bytes.Buffer))
	}()
	p.addr = "127.0.0.1:" + m[1]
	return p
}

// logged waits until there are n matches in what was logged, and returns the last.
func (p *lifeTest) logged(re string, n int) []string {
	p.t.Helper()
	deadline := time.After(patience)
	for {
		text, more := p.stderr.now()
		if all := regexp.MustCompile(re).FindAllStringSubmatch(text, -1); len(all) >= n {
			return all[n-1]
		}
		select {
		case <-more:
		case <-deadline:
			p.t.Fatalf("%s was not logged %d times, but\n%s", re, n, text)
		}
	}
}

// succeed has the server hand over for the nth time, and returns the process that has taken over.
func (p *lifeTest) succeed(n int) (pid int) {
	p.t.Helper()
	if err := syscall.Kill(p.pids[len(p.pids)-1], syscall.SIGUSR2); err != nil {
		p.t.Fatal(err)
	}
	pid, err := strconv.Atoi(p.logged(`the successor answers.* pid=(\d+)`, n)[1])
	if err != nil {
		p.t.Fatal(err)
	}
	p.pids = append(p.pids, pid)
	return pid
}

// askEach asks one question after the other until it is told to stop, and expects each answer.
func askEach(t *testing.T, addr string, stop <-chan struct{}, asked *atomic.Int64, least int64) {
	c, err := net.Dial("udp", addr)
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	text := make([]byte, 100)
	for n := int64(0); ; n++ {
		select {
		case <-stop:
			if n >= least {
				return
			}
		default:
		}
		question := fmt.Sprintf("%d of %v", n, c.LocalAddr())
		if _, err := c.Write([]byte(question)); err != nil {
			t.Error(err)
			return
		}
		if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Error(err)
			return
		}
		k, err := c.Read(text)
		if err != nil || string(text[:k]) != question {
			t.Errorf("the answer to %q is %q, %v", question, text[:k], err)
			return
		}
		asked.Add(1)
	}
}

// underLoad changes something so many times, counted from 1, while peers ask, and returns how many were answered: at
// least so many in all, and some between two changes.
func (p *lifeTest) underLoad(peers int, least int64, times int, change func(n int)) int64 {
	p.t.Helper()
	var asked atomic.Int64
	stop := make(chan struct{})
	var all sync.WaitGroup
	for range peers {
		all.Go(func() { askEach(p.t, p.addr, stop, &asked, least/int64(peers)) })
	}
	for n := range times {
		for before := asked.Load(); asked.Load() < before+200 && !p.t.Failed(); {
			time.Sleep(time.Millisecond)
		}
		change(n + 1)
	}
	close(stop)
	all.Wait()
	return asked.Load()
}

// TestHandOver: under load, from process to process, not one datagram is lost or answered twice, and none is answered
// to somebody else.
func TestHandOver(t *testing.T) {
	const peers = 16 // they share the total evenly
	total, times := int64(100_000), 5
	if testing.Short() || race.Enabled {
		total, times = 4_800, 2
	}
	args := []string{"server", "-p", "0", "--quiet", "--handler", "echo"}
	if runtime.GOOS == "linux" {
		args = append(args, "--workers", "2")
	}
	p := liveProcess(t, exec.Command("retort", args...))
	asked := p.underLoad(peers, total, times, func(n int) { p.succeed(n) })
	if asked < total && !t.Failed() {
		t.Errorf("%d were answered, not %d", asked, total)
	}
	<-p.ended
	if code := p.cmd.ProcessState.ExitCode(); code != exitDone {
		t.Errorf("the first one has ended with exit code %d", code)
	}
	if err := syscall.Kill(p.pids[len(p.pids)-1], syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.logged("the server has ended", times+1)
	t.Logf("%d datagrams were answered by %d processes", asked, times+1)
}

// installation is a place where the program of a server lies, and where another is put.
type installation struct {
	t    *testing.T
	dir  string
	path string // of the program
}

func newInstallation(t *testing.T) *installation {
	t.Helper()
	dir := t.TempDir()
	i := &installation{t, dir, filepath.Join(dir, "retort")}
	i.install(i.good())
	return i
}

// install puts there what write writes.
func (i *installation) install(write func(path string) error) {
	i.t.Helper()
	if err := write(i.path + ".new"); err != nil {
		i.t.Fatal(err)
	}
	if err := os.Rename(i.path+".new", i.path); err != nil {
		i.t.Fatal(err)
	}
}

// good writes the program itself.
func (i *installation) good() func(path string) error {
	program, err := exec.LookPath("retort")
	if err != nil {
		i.t.Fatal(err)
	}
	return func(path string) error { return os.Symlink(program, path) }
}

// script writes a program for the shell.
func (*installation) script(text string) func(path string) error {
	return func(path string) error { return os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o700) }
}

// command is a server of the program that is there.
func (i *installation) command(args ...string) *exec.Cmd {
	cmd := exec.Command(i.path, append([]string{"server", "--quiet"}, args...)...)
	cmd.Env = append(os.Environ(), "PATH="+i.dir+string(filepath.ListSeparator)+os.Getenv("PATH"))
	return cmd
}

// TestFailedSuccessor: a program that was replaced by what is no good leaves the old process serving; one that is good
// takes over after it.
func TestFailedSuccessor(t *testing.T) {
	i := newInstallation(t)
	config := filepath.Join(i.dir, "retort.toml")
	configure := func(text string) {
		t.Helper()
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const listener = "[[listener]]\nname = 'a'\naddresses = ['127.0.0.1:0']\nhandler = 'echo'\n"
	configure(listener)
	p := liveProcess(t, i.command("--config", config, "--status-socket", filepath.Join(i.dir, "s")))
	for n, tt := range []struct {
		write func(string) error
		text  string // of the configuration
		want  string
	}{
		{i.script("exit 3"), listener, "exit code 3"},
		{func(path string) error { return os.WriteFile(path, []byte("no program"), 0o700) }, listener, "exec format error"},
		{func(path string) error { return os.WriteFile(path, nil, 0o600) }, listener, "permission denied"},
		{i.good(), "no configuration", "exit code 78"},
		{i.good(), listener + "\n[[listener]]\nname = 'b'\naddresses = ['192.0.2.1:0']\n", "exit code 1"},
	} {
		i.install(tt.write)
		configure(tt.text)
		if err := p.cmd.Process.Signal(syscall.SIGUSR2); err != nil {
			t.Fatal(err)
		}
		line := p.logged(`.*this server goes on.*`, n+1)[0]
		if !strings.Contains(line, tt.want) {
			t.Errorf("%s: it has logged %s", tt.want, line)
		}
		flood(t, p.addr, 20)
	}
	i.install(i.good())
	configure(listener)
	p.succeed(1)
	<-p.ended
	flood(t, p.addr, 20)
	if out, err := exec.Command("retort", "status", filepath.Join(i.dir, "s")).CombinedOutput(); err != nil {
		t.Errorf("the successor does not tell its status: %v, %s", err, out)
	}
}

// TestSuccessorThatIsNeverReady: it is not waited for any longer than --handover-timeout says.
func TestSuccessorThatIsNeverReady(t *testing.T) {
	i := newInstallation(t)
	p := liveProcess(t, i.command("-p", "0", "--handler", "echo", "--handover-timeout", "100ms"))
	i.install(i.script("exec sleep 600"))
	if err := p.cmd.Process.Signal(syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	p.logged(`the successor has failed; this server goes on.*not ready`, 1)
	flood(t, p.addr, 20)
}

// activate returns a command that is started as a service manager does it: with sockets, and told by variables with
// its own process ID.
func activate(t *testing.T, sockets []*net.UDPConn, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sh", append([]string{"-c", `LISTEN_PID=$$ WATCHDOG_PID=$$ exec retort "$@"`, "sh", "server"}, args...)...)
	cmd.Env = append(os.Environ(), "LISTEN_FDS="+strconv.Itoa(len(sockets)))
	for _, s := range sockets {
		f, err := s.File()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	return cmd
}

// bind binds a socket as a service manager would.
func bind(t *testing.T) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestService: a server that a manager has started has its sockets, answers what came before it was there, and says
// when it is ready, when it does so again, that it is well, and that it ends.
func TestService(t *testing.T) {
	name := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	hears := func(want string) (others string) {
		t.Helper()
		if err := manager.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		for text := make([]byte, 4096); ; {
			n, err := manager.Read(text)
			if err != nil {
				t.Fatalf("the manager does not hear %s: %v, but %s", want, err, others)
			}
			if regexp.MustCompile(`\A(?:` + want + `)\z`).Match(text[:n]) {
				return others
			}
			others += string(text[:n]) + "; "
		}
	}
	one, two := bind(t), bind(t)
	early, err := net.Dial("udp", one.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer early.Close()
	if _, err := early.Write([]byte("early")); err != nil {
		t.Fatal(err)
	}
	cmd := activate(t, []*net.UDPConn{one, two}, "--quiet", "--handler", "echo", one.LocalAddr().String(), two.LocalAddr().String())
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+name, "WATCHDOG_USEC=100000")
	p := liveProcess(t, cmd)
	text := make([]byte, 100)
	if n, err := early.Read(text); err != nil || string(text[:n]) != "early" {
		t.Errorf("the early one is answered %q, %v", text[:n], err)
	}
	flood(t, two.LocalAddr().String(), 20)
	if before := hears(`READY=1\nSTATUS=1 listener, 1 handler`); before != "" {
		t.Errorf("before it was ready it has said %s", before)
	}
	hears("WATCHDOG=1")
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	hears(`RELOADING=1(\nMONOTONIC_USEC=\d+)?`)
	hears(`READY=1\n.*`)
	flood(t, p.addr, 20)
	pid := p.succeed(1)
	hears(fmt.Sprintf("MAINPID=%d", pid))
	<-p.ended
	flood(t, two.LocalAddr().String(), 20)
	hears("WATCHDOG=1") // the successor's
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	hears("STOPPING=1")
}

// TestActivationErrors: sockets that nobody has a use for, and what is none, are errors of the configuration.
func TestActivationErrors(t *testing.T) {
	s := bind(t)
	for name, tt := range map[string]struct {
		args []string
		env  string
		want string
	}{
		"not wanted": {[]string{"127.0.0.1:0"}, "LISTEN_FDNAMES=mine.socket", "no listener has that address"},
		"a number":   {nil, "LISTEN_FDS=x", "LISTEN_FDS"},
		"no socket":  {nil, "LISTEN_FDS=2", "is no UDP socket"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := activate(t, []*net.UDPConn{s}, tt.args...)
			cmd.Env = append(cmd.Env, tt.env)
			null, err := os.Open(os.DevNull)
			if err != nil {
				t.Fatal(err)
			}
			defer null.Close()
			cmd.ExtraFiles = append(cmd.ExtraFiles, null)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			_ = cmd.Run() // its code says more
			if code := cmd.ProcessState.ExitCode(); code != exitConfig || !reason.MatchString(stderr.String()) ||
				!strings.Contains(stderr.String(), tt.want) {
				t.Errorf("exit code %d, %s", code, &stderr)
			}
		})
	}
}

// TestHandOverCapture: what the old process has captured is in the older file, and what the new one has in the other.
func TestHandOverCapture(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "c.pcapng")
	p := liveProcess(t, exec.Command("retort", "server", "-p", "0", "--quiet", "--handler", "echo", "--capture", file))
	flood(t, p.addr, 7)
	pid := p.succeed(1)
	<-p.ended
	flood(t, p.addr, 5)
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.logged("the server has ended", 2)
	for name, want := range map[string]string{"c.older.pcapng": "7", "c.pcapng": "5"} {
		out, err := exec.Command("retort", "replay", filepath.Join(dir, name), "--handler", "echo").CombinedOutput()
		if err != nil || !regexp.MustCompile(`\b`+want+` requests`).Match(out) {
			t.Errorf("%s: %v, %s", name, err, out)
		}
	}
}

// TestHandOverCaptureFails: a successor that fails has not touched the capture, which goes on where it is.
func TestHandOverCaptureFails(t *testing.T) {
	dir := t.TempDir()
	file, config := filepath.Join(dir, "c.pcapng"), filepath.Join(dir, "retort.toml")
	const good = "[[listener]]\nport = 0\nhandler = 'echo'\n"
	if err := os.WriteFile(config, []byte(good), 0o600); err != nil {
		t.Fatal(err)
	}
	p := liveProcess(t, exec.Command("retort", "server", "--quiet", "--config", config, "--capture", file))
	flood(t, p.addr, 3)
	taken := bind(t).LocalAddr().(*net.UDPAddr).Port
	bad := fmt.Sprintf("%s[[listener]]\nport = %d\n", good, taken)
	if err := os.WriteFile(config, []byte(bad), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Process.Signal(syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	p.logged("the successor has failed; this server goes on", 1)
	flood(t, p.addr, 4)
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-p.ended
	out, err := exec.Command("retort", "replay", file, "--handler", "echo").CombinedOutput()
	if err != nil || !bytes.HasPrefix(out, []byte("7 requests")) {
		t.Errorf("%v, %s", err, out)
	}
	if _, err := os.Stat(filepath.Join(dir, "c.older.pcapng")); err == nil {
		t.Error("there is an older file")
	}
}

// TestHandOverKeepsHandlers: no successor takes over that would not serve what is served: a new version of a file that
// is refused does no harm, with or without a hand-over. A file that is gone is none that is missed.
func TestHandOverKeepsHandlers(t *testing.T) {
	dir := t.TempDir()
	wasm, err := os.ReadFile(filepath.Join(samples, "length-c", "length.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	put := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name+".new"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, name+".new"), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	put("kept.wasm", string(wasm))
	put("kept.toml", "port = 0\n")
	put("gone.wasm", string(wasm))
	p := liveProcess(t, exec.Command("retort", "server", "--quiet", "--handlers", dir, "--no-cache"))
	put("kept.wasm", "nonsense")
	p.logged("handler refused; the one that serves goes on", 1)
	if err := p.cmd.Process.Signal(syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	p.logged("the successor has failed; this server goes on.*exit code 78", 1)
	p.logged("retort server: the handler kept, which the predecessor serves, is refused: ", 1)
	flood(t, p.addr, 20)

	put("kept.wasm", string(wasm))
	if err := os.Remove(filepath.Join(dir, "gone.wasm")); err != nil {
		t.Fatal(err)
	}
	p.succeed(1)
	<-p.ended
	flood(t, p.addr, 20)
}
