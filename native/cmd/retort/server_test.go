package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/native"
)

// startServer runs a server within the test, and returns it with its address.
func startServer(t testing.TB, args ...string) (*process, string) {
	t.Helper()
	p := runInBackground(append([]string{"server", "-p", "0"}, args...)...)
	t.Cleanup(func() {
		p.end()
		<-p.done
	})
	m := p.await(listens)
	if m == nil {
		text, _ := p.stderr.now()
		t.Fatalf("the server does not listen: %s", text)
	}
	return p, "127.0.0.1:" + m[1]
}

// ended waits for the end of p and returns what it wrote.
func (p *process) ended(t *testing.T) (code int, stdout, stderr string) {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		t.Fatal("the command does not end")
	}
	stdout, _ = p.stdout.now()
	stderr, _ = p.stderr.now()
	return p.code, stdout, stderr
}

func dial(t *testing.T, addr string) *native.Client {
	t.Helper()
	c, err := native.Dial(t.Context(), addr, native.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestLargestIsPrintedWhole: a line may have some 262,000 characters.
func TestLargestIsPrintedWhole(t *testing.T) {
	p, addr := startServer(t)
	client := dial(t, addr)
	var want strings.Builder
	for _, size := range []int{core.MaxPayload4, 1, core.MaxPayload4, core.MaxPayload4} {
		answer, err := client.Ask(t.Context(), bytes.Repeat([]byte{0xff}, size))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := string(answer.Data), fmt.Sprintf("Your data was %d bytes long", size); got != want {
			t.Errorf("answered %q", got)
		}
		fmt.Fprintf(&want, "The client at ('127.0.0.1', %d) says '%s'\n", client.LocalAddr().Port(), strings.Repeat(`\xff`, size))
	}
	p.end()
	_, stdout, _ := p.ended(t)
	if _, lines, _ := strings.Cut(stdout, "\n"); lines != want.String() {
		t.Errorf("%d bytes were printed, not %d, or other ones", len(lines), want.Len())
	}
}

// TestEndsBeforeItBegins: a server that is told to end while it loads its handler has not failed.
func TestEndsBeforeItBegins(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr bytes.Buffer
	module := filepath.Join(samples, "length-c", "length.wasm")
	code := run(ctx, []string{"server", "-p", "0", "--no-cache", "--handler", module}, nil, &stdout, &stderr)
	if code != exitDone || stdout.Len() > 0 || stderr.Len() > 0 {
		t.Errorf("exit code %d, %q, %q", code, &stdout, &stderr)
	}
}

// TestBrokenModules: whatever is wrong with a module, it is refused before anything is listened on, with one
// line that names the file. They are loaded at the same time, which the race detector watches.
func TestBrokenModules(t *testing.T) {
	modules, err := filepath.Glob(filepath.Join(broken, "*.wasm"))
	if err != nil || len(modules) == 0 {
		t.Fatalf("there are no broken modules in %s", broken)
	}
	for _, module := range modules {
		t.Run(filepath.Base(module), func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), []string{"server", "-p", "0", "--no-cache", "--handler", module}, nil, &stdout, &stderr)
			if code != exitFailure || stdout.Len() > 0 {
				t.Errorf("exit code %d, %q on standard output", code, &stdout)
			}
			if why := stderr.String(); !reason.MatchString(why) || !strings.Contains(why, filepath.Base(module)) {
				t.Errorf("standard error is no single line with the file and a reason:\n%s", why)
			}
		})
	}
}

// TestDefaultCache: compiled handlers are kept in the user's cache directory.
func TestDefaultCache(t *testing.T) {
	home := t.TempDir()
	for _, name := range []string{"HOME", "XDG_CACHE_HOME", "LocalAppData"} {
		t.Setenv(name, home)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Skip("this system has no directory for caches")
	}
	_, addr := startServer(t, "--handler", filepath.Join(samples, "length-c", "length.wasm"))
	if _, err := dial(t, addr).Ask(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "retort")); err != nil {
		t.Errorf("nothing is kept: %v", err)
	}
}

// subprocess is a retort in a process of its own, for what needs real pipes and signals.
type subprocess struct {
	cmd    *exec.Cmd
	stdout *os.File // the end of its standard output that a reader has
	addr   string
}

// startProcess starts a server and reads the first line of its standard output, and no more.
func startProcess(t *testing.T, stderr io.Writer, args ...string) *subprocess {
	t.Helper()
	ours, theirs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p := &subprocess{cmd: exec.Command("retort", append([]string{"server", "-p", "0"}, args...)...), stdout: ours}
	p.cmd.Stdout, p.cmd.Stderr = theirs, stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		p.cmd.Wait()
		ours.Close()
	})
	line, err := bufio.NewReaderSize(ours, 16).ReadString('\n') // a small buffer: the pipe shall fill
	if err != nil {
		t.Fatal(err)
	}
	p.addr = "127.0.0.1:" + listens.FindStringSubmatch(line)[1]
	return p
}

// flood asks n times, 16 questions at a time, and expects every answer.
func flood(t *testing.T, addr string, n int) {
	t.Helper()
	c, err := net.Dial("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	const window = 16
	question, answer := bytes.Repeat([]byte("?"), 100), make([]byte, 1000)
	for asked, answered := 0, 0; answered < n; answered++ {
		for ; asked < n && asked-answered < window; asked++ {
			if _, err := c.Write(question); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := c.Read(answer); err != nil {
			t.Fatalf("after %d answers: %v", answered, err)
		}
	}
}

// TestStalledStdout: a standard output that nobody reads stops no reply (row 12), whether the lines that it
// holds back fit into the buffer or are lost.
func TestStalledStdout(t *testing.T) {
	for _, buffer := range []string{"4MiB", "1"} {
		t.Run(buffer, func(t *testing.T) {
			var stderr bytes.Buffer
			p := startProcess(t, &stderr, "--print-buffer", buffer)
			flood(t, p.addr, 10_000)
			if runtime.GOOS == "windows" {
				return // there is no signal that tells it to end
			}
			p.terminate(t)
			if err := p.cmd.Wait(); err != nil {
				t.Errorf("the server did not end well: %v\n%s", err, &stderr)
			}
			if !regexp.MustCompile(`received=10000 replied=10000 unprinted=\d+\n`).Match(stderr.Bytes()) {
				t.Errorf("it did not say how many lines were lost:\n%s", &stderr)
			}
		})
	}
}

// TestStalledStderrToo: nor does a standard error that nobody reads.
func TestStalledStderrToo(t *testing.T) {
	full, err := fullPipe(t)
	if err != nil {
		t.Skipf("this system fills no pipe: %v", err)
	}
	p := startProcess(t, full, "--no-cache", "--handler", "../../../wasmhandler/testdata/fault.wasm")
	for range 10 { // a request that begins with "u" is a fault, which the server reports
		if err := dial(t, p.addr).Send([]byte("u")); err != nil {
			t.Fatal(err)
		}
	}
	flood(t, p.addr, 10_000)
	if runtime.GOOS == "windows" {
		return
	}
	p.terminate(t)
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("the server did not end well: %v", err)
	}
}

// fullPipe returns the writing end of a pipe in which there is no more room, and which nobody reads.
func fullPipe(t *testing.T) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	if err := w.SetWriteDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		return nil, err
	}
	for err == nil {
		_, err = w.Write(make([]byte, 4096))
	}
	return w, nil
}

// TestStdoutGone: a standard output that is closed stops no reply either, and is told of.
func TestStdoutGone(t *testing.T) {
	var stderr bytes.Buffer
	p := startProcess(t, &stderr)
	p.stdout.Close()
	flood(t, p.addr, 100)
	if runtime.GOOS == "windows" {
		return
	}
	p.terminate(t)
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("the server did not end well: %v\n%s", err, &stderr)
	}
	if !strings.Contains(stderr.String(), "received=100 replied=100 unprinted=100 print_error=") {
		t.Errorf("it did not tell:\n%s", &stderr)
	}
}
