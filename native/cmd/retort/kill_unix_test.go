//go:build unix

package main

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/retort-udp/retort/native/cmd/retort/internal/race"
)

// TestKilled: a server that is killed at any moment, while it starts, compiles, writes its cache, serves or hands
// over, leaves nothing behind that hinders the next one.
func TestKilled(t *testing.T) {
	rounds := 8
	if testing.Short() || race.Enabled {
		rounds = 3
	}
	seed := rand.Uint64()
	t.Logf("the seed is %d", seed)
	chance := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	handlers, cache := filepath.Join(dir, "handlers"), filepath.Join(dir, "cache")
	if err := os.Mkdir(handlers, 0o700); err != nil {
		t.Fatal(err)
	}
	wasm, err := os.ReadFile(filepath.Join(samples, "length-c", "length.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	free := bind(t)
	addr := free.LocalAddr().String()
	free.Close()
	for name, text := range map[string]string{"kill.wasm": string(wasm), "kill.toml": "addresses = ['" + addr + "']\n"} {
		if err := os.WriteFile(filepath.Join(handlers, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	server := func() *exec.Cmd {
		cmd := exec.Command("retort", "server", "--quiet", "--handlers", handlers, "--cache-dir", cache,
			"--status-socket", filepath.Join(dir, "s"), "--capture", filepath.Join(dir, "c.pcapng"))
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		return cmd
	}
	for round := range rounds {
		if round%3 == 0 { // or it would be compiled once
			if err := os.RemoveAll(cache); err != nil {
				t.Fatal(err)
			}
		}
		cmd := server()
		handsOver := round%2 == 1
		if handsOver {
			p := liveProcess(t, cmd)
			if err := cmd.Process.Signal(syscall.SIGUSR2); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Duration(chance.Int64N(int64(80 * time.Millisecond)))) // a moment by chance: none is wrong
			_ = cmd.Process.Kill()                                                 // or it has ended already
			<-p.ended
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // and the successor, if there is one
		} else {
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Duration(chance.Int64N(int64(120 * time.Millisecond))))
			_ = cmd.Process.Kill() // as above
			_ = cmd.Wait()         // it was killed
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		}
		// A group is gone when nobody can be told in it.
		for deadline := time.Now().Add(patience); syscall.Kill(-cmd.Process.Pid, 0) == nil; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) || zombies(cmd.Process.Pid) {
				break
			}
		}
		next := liveProcess(t, server())
		if next.addr != addr {
			t.Fatalf("round %d: it listens at %s, not at %s", round, next.addr, addr)
		}
		flood(t, addr, 3)
		if err := next.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		<-next.ended
		if code := next.cmd.ProcessState.ExitCode(); code != exitDone {
			t.Fatalf("round %d: exit code %d", round, code)
		}
		if text, _ := next.stderr.now(); strings.Contains(text, "level=ERROR") || strings.Contains(text, "level=WARN") {
			t.Errorf("round %d: it complains:\n%s", round, text)
		}
	}
}

// zombies says whether what is left of a group has ended and waits for somebody to ask, which nobody does where the
// first process of the system does not.
func zombies(group int) bool {
	out, err := exec.Command("ps", "-o", "stat=", "-g", strconv.Itoa(group)).Output()
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(out)) {
		if !strings.HasPrefix(strings.TrimSpace(line), "Z") {
			return false
		}
	}
	return true
}
