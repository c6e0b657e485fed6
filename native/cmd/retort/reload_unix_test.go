//go:build unix

package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/retort-udp/retort/native/cmd/retort/internal/race"
)

// reloadTest is a server whose configuration changes.
type reloadTest struct {
	*lifeTest
	config, socket string
	refused, taken int // how often a configuration was
}

// reloading starts a server with a configuration and more arguments.
func reloading(t *testing.T, text string, args ...string) *reloadTest {
	t.Helper()
	dir := t.TempDir()
	r := &reloadTest{config: filepath.Join(dir, "retort.toml"), socket: filepath.Join(dir, "s")}
	r.write(t, text)
	r.lifeTest = liveProcess(t, exec.Command("retort", append([]string{"server", "--quiet", "--config", r.config,
		"--status-socket", r.socket}, args...)...))
	return r
}

func (r *reloadTest) write(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(r.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// hup has the server read the configuration again.
func (r *reloadTest) hup() {
	r.t.Helper()
	if err := r.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		r.t.Fatal(err)
	}
}

// take changes the configuration to what can be had, and returns what was logged of that.
func (r *reloadTest) take(text string) string {
	r.t.Helper()
	r.write(r.t, text)
	r.hup()
	r.taken++
	return r.logged(`msg="the configuration is in force".*`, r.taken)[0]
}

// refuse changes it to what cannot be had.
func (r *reloadTest) refuse(text, want string) {
	r.t.Helper()
	r.write(r.t, text)
	r.hup()
	r.refused++
	line := r.logged(`msg="the configuration is refused; the one before goes on".*`, r.refused)[0]
	if !regexp.MustCompile(want).MatchString(line) {
		r.t.Errorf("it has logged\n%s\nand not %s", line, want)
	}
}

// status is what "retort status" shows.
func (r *reloadTest) status() string {
	r.t.Helper()
	out, err := exec.Command("retort", "status", r.socket).CombinedOutput()
	if err != nil {
		r.t.Fatalf("%v, %s", err, out)
	}
	return string(out)
}

// ask returns what is answered at an address.
func (r *reloadTest) ask(addr string) string {
	r.t.Helper()
	c, err := net.Dial("udp", addr)
	if err != nil {
		r.t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("hello")); err != nil {
		r.t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		r.t.Fatal(err)
	}
	text := make([]byte, 100)
	n, err := c.Read(text)
	if err != nil {
		r.t.Fatalf("nobody answers at %s: %v", addr, err)
	}
	return string(text[:n])
}

// TestReload: what can change while a server serves does on SIGHUP, in the same process, at the same sockets, with what
// was counted; what cannot is named, and what cannot be had at all changes nothing.
func TestReload(t *testing.T) {
	dir, err := filepath.Abs(filepath.Join(samples, "config-c"))
	if err != nil {
		t.Fatal(err)
	}
	said := func(text, more string) string {
		return fmt.Sprintf("%s\n[[listener]]\nname = 'said'\nport = 0\nhandler = '%s/config.wasm'\nno-cache = true\nno-self-test = true\nhandler-config = '%s'\n",
			more, dir, text)
	}
	r := reloading(t, said("one", ""))
	if got := r.ask(r.addr); got != "one" {
		t.Errorf("it answers %q", got)
	}

	// The handler is swapped; the listener goes on, and so do its counts.
	if line := r.take(said("two", "")); !strings.Contains(line, "listeners=1 started=0 ended=0 handlers_replaced=1") {
		t.Error(line)
	}
	if got := r.ask(r.addr); got != "two" {
		t.Errorf("with another configuration of its handler it answers %q", got)
	}
	if s := r.status(); !regexp.MustCompile(`(?m)^said +\S+ +\d+ +\S+config.wasm +2 +2 `).MatchString(s) ||
		!strings.Contains(s, fmt.Sprintf("process %d,", r.cmd.Process.Pid)) {
		t.Errorf("the status is\n%s", s)
	}

	// A listener of which something else is said is a new one at the same socket; others come and go.
	line := r.take(said("two", "") + "rate = 1000000\n[[listener]]\nname = 'more'\nport = 0\nhandler = 'upper'\n")
	if !strings.Contains(line, "listeners=2 started=2 ended=1 handlers_replaced=0") {
		t.Error(line)
	}
	more := r.logged(`msg=listening name=more addresses=\[([^]]+)\]`, 1)[1]
	if one, two := r.ask(r.addr), r.ask(more); one != "two" || two != "HELLO" {
		t.Errorf("they answer %q and %q", one, two)
	}

	// What cannot be had changes nothing.
	taken := bind(t).LocalAddr().(*net.UDPAddr).Port
	r.refuse("rate = 3\n", `retort.toml:1: .*rate`)
	r.refuse(said("two", "[defaults]\namplification = 3"), `retort.toml:2: there is no key .*amplification`)
	r.refuse(said("x", "")+"handler = 'twice'\n", `retort.toml:\d+: `)
	r.refuse(said("x", "")+"[[listener]]\nname = 'm'\nport = 0\nhandler = 'gone.wasm'\n", `retort.toml:12: --handler: open .*gone.wasm: `)
	r.refuse(said("x", "")+fmt.Sprintf("[[listener]]\nname = 'm'\nport = %d\n", taken), `listener \\"m\\": .*another program has the port`)
	r.refuse(said("x", "")+"loop-guard = 'off'\naddresses = ['0.0.0.0:0']\n", `retort.toml:2: guard: without its loop guard`)
	if one, two := r.ask(r.addr), r.ask(more); one != "two" || two != "HELLO" {
		t.Errorf("after all that they answer %q and %q", one, two)
	}

	// What a server keeps is named.
	r.take(said("three", "log-format = 'json'\nmetrics = '127.0.0.1:0'\n"))
	r.logged(`settings have changed that a server keeps until it is started again, or hands over on SIGUSR2" settings="\[log-format metrics\]"`, 1)
	if got := r.ask(r.addr); got != "three" {
		t.Errorf("it answers %q", got)
	}
	r.logged(`a listener has ended" name=more received=2 replied=2`, 1)
	if s := r.status(); strings.Contains(s, "more") {
		t.Errorf("the status is\n%s", s)
	}
}

// TestReloadUnderLoad: a listener that is replaced again and again loses no datagram, and neither does one whose
// handler is.
func TestReloadUnderLoad(t *testing.T) {
	times, least := 20, int64(20_000)
	if testing.Short() || race.Enabled {
		times, least = 5, 1000
	}
	const peers = 8
	text := func(n int) string {
		return fmt.Sprintf("[[listener]]\nname = 'a'\nport = 0\nhandler = 'echo'\nloop-guard = 'off'\nrate = %d\n", 900_000+n)
	}
	r := reloading(t, text(0))
	r.underLoad(peers, least, times, func(n int) { r.take(text(n)) })
	descriptors, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", r.cmd.Process.Pid))
	if err == nil && len(descriptors) > 60 {
		t.Errorf("%d descriptors are open", len(descriptors))
	}
}

// TestReloadDefaults: what is said of all handlers goes for those of the directory, too.
func TestReloadDefaults(t *testing.T) {
	handlers := t.TempDir()
	wasm, err := os.ReadFile(filepath.Join(samples, "length-c", "length.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(handlers, "dropped.wasm"), wasm, 0o600); err != nil {
		t.Fatal(err)
	}
	text := func(fuel int) string {
		return fmt.Sprintf("[defaults]\nfuel = %d\n[[listener]]\nport = 0\nhandler = 'dropped'\n", fuel)
	}
	r := reloading(t, text(100_000), "--handlers", handlers, "--no-cache")
	r.logged("handler loaded", 1)
	r.take(text(1))
	r.logged("handler refused; the one that serves goes on.*fuel", 1)
	if got := r.ask(r.addr); got != "Your data was 5 bytes long" {
		t.Errorf("it answers %q", got)
	}
	r.take(text(200_000))
	r.logged("handler loaded", 2)
	r.ask(r.addr)
}
