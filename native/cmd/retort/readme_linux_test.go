package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/retort-udp/retort/native/cmd/retort/internal/race"
	"github.com/retort-udp/retort/native/internal/netns"
	"github.com/retort-udp/retort/wasmhandler/guest/sdk"
)

// TestDocumentsCommands runs what the documents show: each section in a folder of its own, which is empty but for the
// program in Go that the section shows, on a host of its own, where port 1060 is free, without a checkout. What is
// not run is in notRun, with the reasons. What a transcript shows is what is printed.
func TestDocumentsCommands(t *testing.T) {
	if testing.Short() {
		t.Skip("building what is shown takes seconds")
	}
	if race.Enabled {
		t.Skip("with the race detector, compiling a guest in Go takes more than a compiler may")
	}
	host, _ := netns.New(t)
	for _, program := range []string{"go", "dig", "wat2wasm"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed here", program)
		}
	}
	env := stranger(t)
	titles := map[string]bool{}
	for _, name := range sdk.Names() {
		language, err := sdk.Named(name)
		if err != nil {
			t.Fatal(err)
		}
		titles[language.Title] = true
	}
	ran := 0
	for _, d := range documents(t) {
		for _, s := range d.sections {
			if d.path == "wasmhandler/guest/README.md" && titles[s.title] {
				s.blocks = s.blocks[1:] // TestGuideToGuests runs these
			}
			if !slices.ContainsFunc(s.commands(), toRun) {
				continue
			}
			t.Run(strings.TrimSuffix(d.path, ".md")+"/"+anchor(s.title), func(t *testing.T) {
				host.Do(func() {
					r := newReader(t, env, d, s)
					defer r.endServer()
					ran += r.do(s.commands())
				})
			})
		}
	}
	t.Logf("%d commands were run", ran)
	if ran < 20 {
		t.Errorf("only %d commands were run", ran)
	}
}

// toRun says whether a command is not among those that no test runs.
func toRun(c command) bool {
	for _, class := range notRun {
		if class.command.MatchString(c.line) {
			return false
		}
	}
	return !strings.HasPrefix(c.line, "cd ")
}

// reader is somebody who reads a section and does what it says.
type reader struct {
	t      *testing.T
	dir    string
	env    []string
	server *shownServer // that is running
}

// newReader has a folder with what the section speaks of and does not show how to make.
func newReader(t *testing.T, env []string, d document, s section) *reader {
	t.Helper()
	r := &reader{t: t, dir: t.TempDir()}
	r.env = append(slices.Clip(env), "XDG_CACHE_HOME="+filepath.Join(r.dir, ".cache"), "HOME="+r.dir)
	if d.path == "native/cmd/retort/packaging/handlers.md" { // archives have it beside the samples
		for _, sample := range []string{"length-c", "length-go"} {
			if err := os.CopyFS(filepath.Join(r.dir, sample), os.DirFS(filepath.Join(samples, sample))); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, b := range s.blocks {
		switch {
		case b.language == "go":
			r.write("main.go", b.text)
		case strings.Contains(b.text, " hello.wasm"): // which the sections of languages make
			out, err := r.command("retort new wat hello && wat2wasm hello/hello.wat -o hello.wasm").CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
	}
	return r
}

func (r *reader) write(name, text string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

// serves are the commands that do not end by themselves, or may not.
var serves = regexp.MustCompile(`\bserver\b|^go run \.$`)

// do runs commands and returns how many they were.
func (r *reader) do(commands []command) (ran int) {
	r.t.Helper()
	for _, c := range commands {
		clone := strings.HasPrefix(c.line, "git clone ")
		dir, cd := strings.CutPrefix(c.line, "cd ")
		switch {
		case clone: // this is what it would bring
			if err := os.Symlink(r.abs(moduleRoot), filepath.Join(r.dir, filepath.Base(modulePath))); err != nil {
				r.t.Fatal(err)
			}
		case cd:
			var err error
			if r.dir, err = filepath.EvalSymlinks(filepath.Join(r.dir, dir)); err != nil {
				r.t.Fatal(err)
			}
		case !toRun(c):
		case serves.MatchString(c.line):
			r.endServer()
			r.server = r.startServer(c)
			ran++
		default:
			r.run(c)
			ran++
		}
	}
	return ran
}

func (r *reader) abs(dir string) string {
	path, err := filepath.Abs(dir)
	if err != nil {
		r.t.Fatal(err)
	}
	return path
}

// inCheckout are commands about this tree's folders, and about what is tested here.
var inCheckout = regexp.MustCompile(`^go (run|test) \./|^go tool `)

// command is a command line. It is killed with all that it started.
func (r *reader) command(line string) *exec.Cmd {
	cmd := exec.CommandContext(r.t.Context(), "sh", "-c", line)
	cmd.Dir, cmd.Env = r.dir, r.env
	if inCheckout.MatchString(line) || r.dir == r.abs(moduleRoot) {
		cmd.Dir, cmd.Env = r.abs(moduleRoot), append(os.Environ(), "GOFLAGS=-pgo=off") // what is built need not be fast
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// run runs a command to its end, and compares what it prints with what is shown.
func (r *reader) run(c command) {
	r.t.Helper()
	if file, ok := strings.CutPrefix(c.line, "cat "); ok { // what is shown of a file is what is in it
		r.write(file, strings.Join(c.prints, "\n")+"\n")
	}
	cmd := r.command(c.line)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		r.t.Fatalf("%s: %v\n%s%s", c.line, err, &stdout, &stderr)
	}
	if c.prints == nil {
		return
	}
	got := strings.Split(strings.TrimSpace(stdout.String()), "\n")
	if r.server != nil {
		got = append(got, r.server.next(len(c.prints)-len(got))...)
	}
	r.compare(c, got)
}

// compare compares lines, whoever of the client and the server is the first to print them, and whatever the time is and
// the system chooses for ports.
func (r *reader) compare(c command, got []string) {
	r.t.Helper()
	usual := func(lines []string) (usual []string) {
		for _, line := range lines {
			line = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+`).ReplaceAllString(line, "TIME")
			usual = append(usual, regexp.MustCompile(`\b\d{5}\b`).ReplaceAllString(line, "PORT"))
		}
		slices.Sort(usual)
		return usual
	}
	if !slices.Equal(usual(got), usual(c.prints)) {
		r.t.Errorf("%s prints\n%s\nand what is shown is\n%s", c.line, strings.Join(got, "\n"), strings.Join(c.prints, "\n"))
	}
}

// shownServer is a server that a document shows.
type shownServer struct {
	command command
	cmd     *exec.Cmd
	stderr  bytes.Buffer
	lines   chan string // that it prints; closed when it prints no more
	read    sync.WaitGroup
}

// startServer returns when the server listens, or nil if it has done what it was asked for and ended.
func (r *reader) startServer(c command) *shownServer {
	r.t.Helper()
	s := &shownServer{command: c, cmd: r.command("exec " + c.line), lines: make(chan string, 1000)}
	s.cmd.Stderr = &s.stderr
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	s.read.Go(func() {
		defer close(s.lines)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			s.lines <- lines.Text()
		}
	})
	first, ok := "", false
	if c.line == "go run ." { // which prints nothing
		ok = await(func() bool { return socketAt(1060) })
	} else if first, ok = s.line(); ok && !strings.HasPrefix(first, "Listening at (") {
		s.read.Wait() // it prints what it was asked for, and ends
		if err := s.cmd.Wait(); err != nil {
			r.t.Fatalf("%s: %v\n%s", c.line, err, &s.stderr)
		}
		return nil
	}
	if !ok {
		err := s.kill(syscall.SIGKILL)
		r.t.Fatalf("%s does not listen: %v\n%s", c.line, err, &s.stderr)
	}
	if c.prints != nil {
		r.compare(c, append([]string{first}, s.next(len(c.prints)-1)...))
	}
	return s
}

// building is how long a command may take that has to be built first.
const building = 2 * time.Minute

// line is the next line that the server prints.
func (s *shownServer) line() (line string, ok bool) {
	select {
	case line, ok = <-s.lines:
		return line, ok
	case <-time.After(building):
		return "", false
	}
}

// next are the next n lines.
func (s *shownServer) next(n int) (lines []string) {
	for range n {
		if line, ok := s.line(); ok {
			lines = append(lines, line)
		}
	}
	return lines
}

// await asks again and again until it is so.
func await(so func() bool) bool {
	for began := time.Now(); time.Since(began) < building; time.Sleep(10 * time.Millisecond) {
		if so() {
			return true
		}
	}
	return false
}

// socketAt says whether there is a UDP socket at a port of 127.0.0.1 on this thread's host.
func socketAt(port int) bool {
	sockets, err := os.ReadFile("/proc/thread-self/net/udp") // proc_net(5)
	return err == nil && strings.Contains(string(sockets), fmt.Sprintf(": 0100007F:%04X ", port))
}

// endServer ends the server as control and C do, and expects that it is content and that what it printed is shown.
func (r *reader) endServer() {
	r.t.Helper()
	s := r.server
	if s == nil {
		return
	}
	r.server = nil
	err := s.kill(syscall.SIGINT)
	if s.command.line != "go run ." && !strings.Contains(s.stderr.String(), "the server has ended") { // "go run" exits with 1 in any case
		r.t.Errorf("%s: %v\n%s", s.command.line, err, &s.stderr)
	}
	if s.command.prints != nil {
		for line := range s.lines {
			r.t.Errorf("%s prints a line that is not shown: %s", s.command.line, line)
		}
	}
}

// kill signals the whole group and waits for it.
func (s *shownServer) kill(sig syscall.Signal) error {
	if err := syscall.Kill(-s.cmd.Process.Pid, sig); err != nil {
		return fmt.Errorf("signal: %w", err)
	}
	s.read.Wait()
	return s.cmd.Wait()
}
