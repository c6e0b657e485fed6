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
	"syscall"
	"testing"
	"time"

	"github.com/retort-udp/retort/native/internal/netns"
)

// What the README's commands need and do not make themselves.
var readmeFiles = map[string]string{
	"main.go":      "", // the README's guest
	"example.zone": "$ORIGIN example.com.\n@ 300 IN SOA ns hostmaster 1 2 3 4 5\n@ 300 IN NS ns\nns 300 IN A 192.0.2.1\nwww 300 IN A 192.0.2.7\n",
	"retort.toml":  "[[listener]]\nhandler = \"length\"\n",
}

// TestReadmeCommands runs what the README shows, each block in a folder of its own, on a host of its own, where port
// 1060 is free. A server in the foreground is ended when it has shown that it listens; one in the background, or
// one that further lines ask, at the end of its block. Lines without a "$" are what the command before them prints.
func TestReadmeCommands(t *testing.T) {
	if raceEnabled {
		t.Skip("with the race detector, compiling a guest in Go takes more than a compiler may")
	}
	text := readme(t)
	host, _ := netns.New(t)
	for _, program := range []string{"go", "dig"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed here", program)
		}
	}
	builds, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOCACHE", strings.TrimSpace(string(builds))) // shown moves the other caches
	t.Setenv("GOFLAGS", "-pgo=off")                        // what "go run" builds need not be fast
	ran := 0
	for _, m := range regexp.MustCompile("(?s)```(?:sh|console)\n(.*?)```").FindAllStringSubmatch(text, -1) {
		block := m[1]
		t.Run(strings.Fields(strings.TrimPrefix(block, "$ "))[0], func(t *testing.T) {
			host.Do(func() { ran += runBlock(t, readmeDir(t, text), block) })
		})
	}
	if ran == 0 {
		t.Error("the README has no commands")
	}
}

// readmeDir is a checkout, as far as commands can tell, with the files that the README speaks of.
func readmeDir(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	root, err := filepath.Abs(moduleRoot)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"go.mod", "go.sum", "core", "native", "wasmhandler", "testdata"} {
		if err := os.Symlink(filepath.Join(root, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "handlers"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range readmeFiles {
		if name == "main.go" {
			content = regexp.MustCompile("(?s)```go\n(.*?)```").FindStringSubmatch(text)[1]
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// runBlock runs the commands of a block and returns how many they were.
func runBlock(t *testing.T, dir, block string) (ran int) {
	t.Helper()
	var server *shownServer
	lines := strings.Split(strings.TrimSpace(block), "\n")
	for i, line := range lines {
		command, prompt := strings.CutPrefix(line, "$ ")
		if strings.HasPrefix(block, "$ ") && !prompt {
			continue // printed by the command before it
		}
		printed := lines[i+1:]
		if next := slices.IndexFunc(printed, func(l string) bool { return strings.HasPrefix(l, "$ ") }); next >= 0 {
			printed = printed[:next]
		}
		switch {
		case strings.HasPrefix(command, "go tool mage"):
			continue // the test of tests would not end
		case strings.Contains(command, " server"):
			server.end(t)
			server = startShown(t, dir, strings.TrimSuffix(command, " &"))
		default:
			out, err := shown(dir, command).CombinedOutput()
			if err != nil {
				t.Fatalf("%s: %v\n%s", command, err, out)
			}
			if prompt {
				sameButPorts(t, command, strings.Join(printed, "\n"), string(out))
			}
		}
		ran++
	}
	server.end(t)
	return ran
}

// sameButPorts compares what a command printed with what the README shows; the system chose the client's port.
func sameButPorts(t *testing.T, command, want, got string) {
	t.Helper()
	chosen := regexp.MustCompile(`'0\.0\.0\.0', \d+`)
	want, got = chosen.ReplaceAllString(want, "PORT"), chosen.ReplaceAllString(strings.TrimSpace(got), "PORT")
	if want != "" && got != want {
		t.Errorf("%s prints\n%s\nand the README shows\n%s", command, got, want)
	}
}

// shown is a command of the README. It is killed with all that it started.
func shown(dir, command string) *exec.Cmd {
	cmd := exec.Command("sh", "-c", command)
	cmd.Dir = dir
	if strings.Contains(command, "go run ./") {
		cmd.Dir = moduleRoot // what go builds in another place it builds anew
	}
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+filepath.Join(dir, "cache"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// shownServer is a server that the README shows.
type shownServer struct {
	command string
	cmd     *exec.Cmd
	stderr  bytes.Buffer
	printed chan string // its first line
}

func startShown(t *testing.T, dir, command string) *shownServer {
	t.Helper()
	s := &shownServer{command: command, cmd: shown(dir, "exec "+command), printed: make(chan string, 1)}
	s.cmd.Stderr = &s.stderr
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		line, _ := bufio.NewReader(stdout).ReadString('\n')
		s.printed <- line
	}()
	select {
	case line := <-s.printed:
		if !strings.HasPrefix(line, "Listening at ('127.0.0.1', ") {
			s.kill(syscall.SIGKILL)
			t.Fatalf("%s printed %q\n%s", command, line, &s.stderr)
		}
	case <-time.After(2 * time.Minute): // it may have to be built first
		s.kill(syscall.SIGKILL)
		t.Fatalf("%s does not listen", command)
	}
	return s
}

// end ends the server as control and C do, and expects that it is content.
func (s *shownServer) end(t *testing.T) {
	t.Helper()
	if s == nil {
		return
	}
	err := s.kill(syscall.SIGINT)
	if !strings.Contains(s.stderr.String(), "the server has ended") { // "go run" exits with 1 in any case
		t.Errorf("%s: %v\n%s", s.command, err, &s.stderr)
	}
}

// kill signals the whole group and waits for it.
func (s *shownServer) kill(sig syscall.Signal) error {
	if err := syscall.Kill(-s.cmd.Process.Pid, sig); err != nil {
		return fmt.Errorf("signal: %w", err)
	}
	return s.cmd.Wait()
}
