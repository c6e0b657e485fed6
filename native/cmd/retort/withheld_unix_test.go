//go:build unix

package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// lowPeer returns a socket at a port below those of clients.
func lowPeer(t *testing.T) *net.UDPConn {
	t.Helper()
	for range 50 {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 2000 + rand.IntN(30_000)})
		if err == nil {
			t.Cleanup(func() { c.Close() })
			return c
		}
	}
	t.Fatal("there is no free port below those of clients")
	return nil
}

// TestWithheldReplyOutlivesItsServer: a reply that is withheld when another server takes the socket over comes then,
// for the peer's next question goes to that one, and however long a server would go on otherwise.
func TestWithheldReplyOutlivesItsServer(t *testing.T) {
	const listener = "[[listener]]\nname = 'a'\nport = 0\nhandler = 'upper'\ndrain = '1m'\nlow-port-exchanges = 1\nrate = %d\n"
	for name, change := range map[string]func(p *lifeTest, config string){
		"by another process": func(p *lifeTest, _ string) { p.succeed(1) },
		"by another listener": func(p *lifeTest, config string) {
			if err := os.WriteFile(config, fmt.Appendf(nil, listener, 2), 0o600); err != nil {
				p.t.Fatal(err)
			}
			if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
				p.t.Fatal(err)
			}
			p.logged(`the configuration is in force.* started=1 ended=1`, 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			config := filepath.Join(t.TempDir(), "retort.toml")
			if err := os.WriteFile(config, fmt.Appendf(nil, listener, 1), 0o600); err != nil {
				t.Fatal(err)
			}
			p := liveProcess(t, exec.Command("retort", "server", "--quiet", "--config", config))
			at, err := net.ResolveUDPAddr("udp4", p.addr)
			if err != nil {
				t.Fatal(err)
			}
			c, text := lowPeer(t), make([]byte, 100)
			say := func(question string) {
				t.Helper()
				if _, err := c.WriteToUDP([]byte(question), at); err != nil {
					t.Fatal(err)
				}
			}
			hear := func(wait time.Duration) (string, error) {
				if err := c.SetReadDeadline(time.Now().Add(wait)); err != nil {
					t.Fatal(err)
				}
				n, _, err := c.ReadFromUDP(text)
				return string(text[:n]), err
			}
			// The first is answered. The reply to the second is withheld for as long as a peer of this pace may take.
			const pace, may = 600 * time.Millisecond, 2 * time.Second
			say("one")
			if got, err := hear(patience); err != nil || got != "ONE" {
				t.Fatalf("it answers %q, %v", got, err)
			}
			time.Sleep(pace)
			began := time.Now()
			say("two")
			if got, err := hear(50 * time.Millisecond); err == nil {
				t.Fatalf("%q was not withheld", got)
			}
			change(p, config)
			if took := time.Since(began); took > may/2 {
				t.Skipf("to take over took %v on this machine: it may be too late for the reply", took)
			}
			// It would come anyway, but later.
			if got, err := hear(may - time.Since(began)); err != nil || got != "TWO" {
				t.Fatalf("when another has taken over it answers %q, %v", got, err)
			}
			say("three")
			if got, err := hear(patience); err != nil || got != "THREE" {
				t.Errorf("the other one answers %q, %v", got, err)
			}
		})
	}
}
