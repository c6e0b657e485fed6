package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/retort-udp/retort/native/cmd/retort/internal/monitor"
)

const (
	patience    = time.Minute            // for what the server does of itself; compiling under full load takes a while
	poll        = 100 * time.Millisecond // how often it is looked at whether that is done
	captureSize = 1 << 20
)

// configuration has three listeners. Two are served by files of the directory of handlers; what comes to the third is
// lost in part on purpose. The loop guard would withhold replies from clients that ask for ever.
//
// Of the second something else is said each time, so that it begins anew, at the same socket; and there is a fourth
// listener each second time.
func configuration(n int) string {
	text := fmt.Sprintf(configured, 1000+n%1000)
	if n%2 == 1 {
		text += "\n[[listener]]\nname = \"" + sometimes + "\"\naddresses = [\"127.0.0.1:0\"]\nhandler = \"drop\"\n"
	}
	return text
}

// sometimes is the name of the fourth listener.
const sometimes = "sometimes"

const configured = `
[defaults]
loop-guard = "off"

[[listener]]
name = "echo"
addresses = ["127.0.0.1:0"]
handler = "soak-echo"

[[listener]]
name = "length"
addresses = ["127.0.0.1:0"]
handler = "soak-length"
rate = %d

[[listener]]
name = "impaired"
addresses = ["127.0.0.1:0"]
handler = "echo"
impair = "loss=5%%"
`

// server is the process that serves, and after a hand-over the one that serves instead.
type server struct {
	program, dir string
	url          string // of the metrics
	process      *os.Process
	pid          atomic.Int64

	changing     sync.Mutex // held while one process takes over from another, or reads its configuration again
	handOvers    int
	errors       []error // of hand-overs
	reloads      int
	reloadErrors []error
}

// build makes the command of this tree.
func build(ctx context.Context, dir string) (program string, err error) {
	program = filepath.Join(dir, "retort")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	out, err := exec.CommandContext(ctx, "go", "build", "-o", program,
		"github.com/retort-udp/retort/native/cmd/retort").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the command: %w\n%s", err, out)
	}
	return program, nil
}

// start starts a server and waits until it is ready. Dir has its directory of handlers already.
func start(ctx context.Context, program, dir string) (*server, error) {
	s := &server{program: program, dir: dir}
	if err := s.configure(0); err != nil {
		return nil, err
	}
	log, err := os.Create(s.logFile())
	if err != nil {
		return nil, err
	}
	defer log.Close() // the server has its own
	// A successor is started with the same arguments.
	cmd := exec.Command(program, "server", "--quiet", "--config", s.config(), "--handlers", handlersIn(dir),
		"--metrics", "127.0.0.1:0", "--status-socket", s.socket(), "--cache-dir", filepath.Join(dir, "cache"),
		"--capture", filepath.Join(dir, captureName), "--capture-size", fmt.Sprint(captureSize))
	cmd.Stderr = log
	if err := adopt(); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s.serves(cmd.Process)
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err = until(waiting, func() bool {
		text, err := os.ReadFile(s.logFile())
		if m := metricsAt.FindSubmatch(text); err == nil && m != nil {
			s.url = string(m[1])
		}
		status, err := s.ask(waiting)
		return err == nil && status.Ready && s.url != ""
	})
	if err != nil {
		text, logErr := os.ReadFile(s.logFile())
		s.kill()
		return nil, errors.Join(fmt.Errorf("the server does not start: %w\n%s", err, text), logErr)
	}
	return s, nil
}

var metricsAt = regexp.MustCompile(`metrics are here" url=(\S+)`)

func (s *server) config() string  { return filepath.Join(s.dir, "retort.toml") }
func (s *server) logFile() string { return filepath.Join(s.dir, "log") }
func (s *server) socket() string  { return filepath.Join(s.dir, "status") }

func (s *server) serves(p *os.Process) {
	s.process = p
	s.pid.Store(int64(p.Pid))
}

// until waits until something is so.
func until(ctx context.Context, so func() bool) error {
	for !so() {
		if !pause(ctx, poll) {
			return ctx.Err()
		}
	}
	return nil
}

// pause waits, and says whether there is time left.
func pause(ctx context.Context, long time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(long):
		return true
	}
}

// ask asks for the status as a program would.
func (s *server) ask(ctx context.Context) (*monitor.Status, error) {
	return monitor.AskStatus(ctx, s.socket())
}

// askCommand asks for it as a person would.
func (s *server) askCommand(ctx context.Context) (*monitor.Status, error) {
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, s.program, "status", "--json", s.socket())
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("retort status: %w: %s", err, &stderr)
	}
	status := new(monitor.Status)
	return status, json.Unmarshal(out, status)
}

// address returns where a listener is.
func (s *server) address(ctx context.Context, listener string) (netip.AddrPort, error) {
	status, err := s.ask(ctx)
	if err != nil {
		return netip.AddrPort{}, err
	}
	for _, l := range status.Listeners {
		if l.Name == listener && len(l.Addresses) > 0 {
			return netip.ParseAddrPort(l.Addresses[0])
		}
	}
	return netip.AddrPort{}, fmt.Errorf("there is no listener called %s", listener)
}

// handOverNowAndThen has successors take over, all but one in the first fifth of the time: so most of it is one
// process's, whose growth can be watched. The last one takes over what has been served for long.
func (s *server) handOverNowAndThen(ctx context.Context, all time.Duration) {
	if noHandOver != "" {
		return
	}
	began := time.Now()
	times := []float64{0.05, 0.1, 0.15, 0.2, 0.9} // as shares of all
	if all < 30*time.Second {
		times = []float64{0.2} // it takes as long as several swaps
	}
	for _, at := range times {
		if !pause(ctx, time.Until(began.Add(time.Duration(at*float64(all))))) {
			return
		}
		s.changing.Lock()
		err := s.handOver()
		s.changing.Unlock()
		if err != nil {
			s.errors = append(s.errors, err)
			return
		}
		s.handOvers++
	}
}

// configure writes the configuration for the nth time.
func (s *server) configure(n int) error {
	return os.WriteFile(s.config(), []byte(configuration(n)), 0o600)
}

// reloadEvery is the time between two changes of the configuration.
const reloadEvery = 2 * time.Second

// reloadNowAndThen has the server read its configuration again and again.
func (s *server) reloadNowAndThen(ctx context.Context) {
	if noTerminate != "" {
		return
	}
	for n := 1; pause(ctx, reloadEvery); n++ {
		if err := s.reload(n); err != nil {
			s.reloadErrors = append(s.reloadErrors, err)
			return
		}
		s.reloads++
	}
}

// reload changes the configuration, and waits until that is in force.
func (s *server) reload(n int) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	if err := s.configure(n); err != nil {
		return err
	}
	if err := s.process.Signal(syscall.SIGHUP); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := until(ctx, func() bool {
		_, err := s.address(ctx, sometimes)
		return (err == nil) == (n%2 == 1)
	})
	if err != nil {
		return fmt.Errorf("configuration %d is not in force: %w", n, err)
	}
	return nil
}

// alive says whether the server answers.
func (s *server) alive() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	status, err := s.ask(ctx)
	if err == nil && status.PID != int(s.pid.Load()) {
		err = fmt.Errorf("process %d answers, and not %d", status.PID, s.pid.Load())
	}
	return err
}

// end tells the server to end as a service manager does, and returns an error when it does not end well.
func (s *server) end() error {
	if noTerminate != "" {
		s.kill()
		return nil
	}
	if err := terminate(s.process); err != nil {
		return err
	}
	return s.wait(s.process)
}

// wait waits until a process has ended as it should.
func (s *server) wait(p *os.Process) error {
	late := time.AfterFunc(patience, func() { _ = p.Kill() }) // the exit code tells
	defer late.Stop()
	state, err := p.Wait()
	if err == nil && !state.Success() {
		err = fmt.Errorf("process %d has ended with %v", p.Pid, state)
	}
	return err
}

// kill ends the server, if it has not ended.
func (s *server) kill() {
	if s.process.Kill() == nil {
		_, _ = s.process.Wait() // it was killed
	}
}

var complaint = regexp.MustCompile(`(?m)^panic: .*|^fatal error: .*|^goroutine \d+ .*|^WARNING: DATA RACE`)

// complaints returns what the server would not log if all were well. That it refuses modules is well.
func (s *server) complaints() ([]string, error) {
	text, err := os.ReadFile(s.logFile())
	return complaint.FindAllString(string(text), 10), err
}
