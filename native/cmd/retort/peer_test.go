package main

import (
	"os/exec"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdPeer starts a server of testdata/peer.py, which is Python, in the background.
func cmdPeer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: peer NAME ARGS...")
	}
	p := &process{done: make(chan struct{})}
	cmd := exec.Command("python3", append([]string{ts.Getenv("PEER")}, args[1:]...)...)
	cmd.Stdout, cmd.Stderr = &p.stdout, &p.stderr
	ts.Check(cmd.Start())
	p.end = func() { _ = cmd.Process.Kill() } // it may have ended already
	go func() {
		defer close(p.done)
		// However it ends: it is killed in the end, and what it printed is what counts.
		_ = cmd.Wait()
	}()
	keep(ts, args[0], p)
}
