//go:build unix

package main

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

func (p *subprocess) terminate(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

// TestSignalEndsServer: SIGTERM and SIGINT let the server answer what has arrived, and exit with 0.
func TestSignalEndsServer(t *testing.T) {
	for _, signal := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(signal.String(), func(t *testing.T) {
			var stderr bytes.Buffer
			p := startProcess(t, &stderr)
			flood(t, p.addr, 100)
			if err := p.cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			if err := p.cmd.Wait(); err != nil {
				t.Errorf("it ended with %v", err)
			}
			if !strings.Contains(stderr.String(), "received=100 replied=100") {
				t.Errorf("it said\n%s", &stderr)
			}
		})
	}
}

// TestSecondSignal: a second signal ends a server at once that would go on for an hour, and is what it died of.
func TestSecondSignal(t *testing.T) {
	p := startProcess(t, nil, "--drain", "1h")
	ended := make(chan error, 1)
	go func() { ended <- p.cmd.Wait() }()
	again := time.NewTicker(20 * time.Millisecond) // signals that meet before the first is seen are one
	defer again.Stop()
	deadline := time.After(patience)
	signals := 0
	for {
		select {
		case err := <-ended:
			exit, ok := err.(*exec.ExitError)
			if !ok || signals < 2 {
				t.Fatalf("it ended with %v after %d signals", err, signals)
			}
			if status := exit.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGTERM {
				t.Errorf("it ended with %v", err)
			}
			return
		case <-again.C:
			signals++
			_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may just have ended
		case <-deadline:
			t.Fatal("it goes on")
		}
	}
}

// TestSignalEndsClient: a client that is told to end has no reply, and has failed.
func TestSignalEndsClient(t *testing.T) {
	p := startProcess(t, nil, "--listen-only")
	client := exec.Command("retort", "client", p.addr, "--timeout", "1h")
	var stderr bytes.Buffer
	client.Stderr = &stderr
	stdout, err := client.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := stdout.Read(make([]byte, 100)); err != nil { // it has asked
		t.Error(err)
	}
	if err := client.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = client.Wait() // its code says more
	if code := client.ProcessState.ExitCode(); code != exitFailure {
		t.Errorf("exit code %d", code)
	}
	if why := stderr.String(); !reason.MatchString(why) || !strings.Contains(why, "told to end") {
		t.Errorf("it said %s", why)
	}
}
